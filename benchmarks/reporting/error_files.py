"""The files of ``--errors``: what was lost and made up, as a table, a figure, and pictures of the worst images."""

from __future__ import annotations

from pathlib import Path

from benchmarks.errors import error_rows
from benchmarks.errors.decompose import decompose
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor
from benchmarks.harness.progress import Progress
from benchmarks.reporting.figures.error_rates import error_rates
from benchmarks.reporting.figures.rate_curves import rates
from benchmarks.reporting.images import worst_images
from benchmarks.reporting.outcome import Outcome
from benchmarks.runs.display_names import Naming
from hsc.devices import current_device, use_device

FIGURE = "errors"
"""The name of the figure, without its ending."""


def write(
    outcome: Outcome, folder: Path, cache: Path, progress: Progress, executor: Executor | None = None
) -> list[str]:
    """Write ``errors.csv``, and where a head's errors could be decomposed the figure and the pictures.

    cache: of the run, whose predictions and streams are read. executor: where codecs decode, by default a process of
    its own. Returns a sentence for each head whose errors cannot be decomposed, and for each image that is not shown.
    """
    plan, results = outcome.plan, outcome.results
    matched = [row for row in outcome.comparison_rows if row.kind == "matched_rate"]
    with Store(cache / "store.sqlite") as store:
        errors = decompose(plan, store, matched, progress)
        error_rows.write(errors.rows, folder)
        untold = [f"no errors of {row.head}: {row.reason}" for row in errors.rows if row.kind == error_rows.NONE]
        if not error_rates(error_rows.frame(errors.rows), results.scores, folder / FIGURE, results.names):
            return untold
        bpp_of = {(str(codec), str(point)): float(bpp) for (codec, point), bpp in rates(results.scores).items()}
        worst = worst_images.worst_images(errors.points, bpp_of)
        with use_device(plan.conditions.device if plan.conditions else current_device()):
            not_shown = worst_images.draw(plan, store, worst, folder / worst_images.FILE, Naming.of(results), executor)
        return untold + not_shown
