"""``hsc-bench run --preview``: the run's summary over a few of its images, within a minute or two, and no files.

What is encoded for it is in the cache, so the run itself does not encode it again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

from benchmarks import evaluation
from benchmarks.cli.command import DONE, FAILED
from benchmarks.cli.options import executor
from benchmarks.cli.run_parser import PREVIEW_IMAGES
from benchmarks.harness.config import Config
from benchmarks.harness.guard import why_unavailable
from benchmarks.harness.progress import Progress
from benchmarks.reporting.outcome import Outcome
from benchmarks.runs.display_names import Naming, displayed
from benchmarks.runs.summary import summary_of
from benchmarks.runs.summary_text import screen
from benchmarks.text import one_line
from hsc.errors import UnavailableError, UsageError


def preview(config: Config, options: argparse.Namespace, progress: Progress, tell: Callable[[str], None]) -> int:
    """Run the first look at a run and print its summary; returns the exit code.

    options: ``device``, ``cache`` and those of the executor of ``hsc-bench run``. tell: is given warnings.

    Raises:
        HscError: the run itself could not be made either.
    """
    if 0 < config.limit <= PREVIEW_IMAGES:
        sys.stderr.write(f"no preview: the run itself has only {config.limit} images\n")
        return DONE
    outcome = _first_scored(config, options, progress, tell)
    for line in outcome.failed:
        sys.stderr.write(f"failed: {one_line(line)}\n")
    sys.stderr.flush()
    images, readers = len(outcome.plan.images), outcome.plan.config.readers
    head = one_line(Naming.of(outcome.results).label(readers[0].label))
    mark = f"PREVIEW: {images} images, head {head} alone, no intervals; no files are written"
    shown = screen(summary_of(*displayed(outcome.results, outcome.plan.notices)))
    sys.stdout.write(f"{mark}\n\n{shown}\n{mark}\n")
    sys.stdout.flush()
    return FAILED if outcome.failed else DONE


def _first_scored(
    config: Config, options: argparse.Namespace, progress: Progress, tell: Callable[[str], None]
) -> Outcome:
    """The outcome with the first head that can be scored; what keeps others out is found before anything is coded."""
    *looks, last = first_looks(config)
    for look in looks:
        try:
            return _run(look, options, progress, tell)
        except (UsageError, UnavailableError):
            continue
    return _run(last, options, progress, tell)


def _run(config: Config, options: argparse.Namespace, progress: Progress, tell: Callable[[str], None]) -> Outcome:
    with executor(options) as workers:
        return evaluation.run(
            config, device=options.device, cache=options.cache, progress=progress, executor=workers, tell=tell
        )


def first_looks(config: Config) -> list[Config]:
    """The same run over ``PREVIEW_IMAGES`` images, without intervals and without a noise floor, with each head alone.

    Heads on decoded images that can run here come first, since they read every codec.
    """
    readers = sorted(config.readers, key=lambda reader: reader.route != "image")
    usable = [reader for reader in readers if why_unavailable(reader.head) is None] or readers
    curves = tuple(curve for curve in config.curves if not curve.second_of)
    limit = min(config.limit or PREVIEW_IMAGES, PREVIEW_IMAGES)
    return [replace(config, limit=limit, readers=(reader,), curves=curves, resamples=0) for reader in usable]
