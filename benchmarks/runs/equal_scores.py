"""Bits at equal scores of the codecs of finished runs, with intervals where the runs kept their predictions.

run folder --scores.csv--------> points and curves
           --records.csv-------> rates of each resample    --stats.equal_scores--> rows, Markdown
           --predictions/------> scores of each resample
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tabulate import tabulate

from benchmarks.api import MetricFacts
from benchmarks.harness.executors import Executor
from benchmarks.harness.progress import Progress
from benchmarks.runs import records
from benchmarks.runs.display_names import display_names
from benchmarks.runs.kept_samples import resampled
from benchmarks.runs.run_folder import Run
from benchmarks.stats.anchors import find
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.stats.equal_scores import EqualScore, equal_scores
from hsc.errors import UsageError

_COLUMNS = ("score of", "head", "codec", "point", "score", "bpp", "anchor's bpp", "bits, %", "95 %")
_MARKS = {"fit": "†", "isotonic": "‡"}
_NOTES = {
    "fit": "† The anchor's curve dips; a fitted monotone cubic stands in.",
    "isotonic": "‡ The anchor's curve dips; its dips are levelled.",
}


class Compared(NamedTuple):
    """The rows of a run. names: of heads and codecs, as people read them, by label. facts: of each score."""

    rows: list[EqualScore]
    names: Mapping[str, str]
    facts: Mapping[str, MetricFacts]


def compared(run: Run, codecs: Sequence[str], anchor: str | None, executor: Executor, progress: Progress) -> Compared:
    """Every point of the codecs of a run against an anchor, by every head.

    codecs: labels, specs or given names; none for all others of more than one point. anchor: one of the same, None for
    the run's first.

    Raises:
        UsageError: the run has no such codec.
        ResultsError: its records are missing or damaged.
    """
    against = _label(run, anchor or next(iter(run.about["anchors"]), ""))
    others = [label for label in run.design.swept if label != against]
    labels = [_label(run, codec) for codec in codecs] or others
    if against in labels:
        raise UsageError(f"{against} came as a codec and as the anchor; name another --codec")
    about = run.about
    bootstrap = Bootstrap.of(about["dataset"]["pixels_sha256"], int(about["resamples"]), int(about["seed"]))
    reasons: dict[tuple[str, str], str] = {}
    if bootstrap.resamples:
        wanted = [cell for cell, point in run.points.items() if point["curve"] in (*labels, against)]
        _add_rates(run, bootstrap, wanted)
        progress.begin("resampling", len(wanted) * len(run.images))
        samples = resampled(run, bootstrap, executor, progress, _scored_cells(run, [*labels, against]))
        progress.end()
        bootstrap.scores |= samples.scores
        reasons = samples.reasons
    found = equal_scores(run.design, run.score_rows, bootstrap, labels, against)
    rows = [_with_reason(row, bootstrap.reason or reasons.get((row.head, row.route), "")) for row in found]
    shown = [label for row in rows for label in (row.codec, row.anchor, row.head)]
    facts = {row.metric: run.results.facts_of(row.metric) for row in rows}
    return Compared(rows, display_names(shown, run.results.names), facts)


def _label(run: Run, name: str) -> str:
    """The label of a curve by its label, its spec or its name."""
    labels = run.design.labels
    names = {given: label for label, given in display_names(labels, run.results.names).items()}
    return names.get(name) or find(name, labels)


def _scored_cells(run: Run, labels: Sequence[str]) -> set[str]:
    return {row.cell for row in run.score_rows if row.head and row.codec in labels and not row.ladder}


def _add_rates(run: Run, bootstrap: Bootstrap, cells: Sequence[str]) -> None:
    """The rates of each resample at these operating points."""
    lines = records.by_cell(records.read(run.folder))
    for row in run.score_rows:
        if row.metric == "bpp" and not row.head and row.cell in cells and len(lines[row.cell]) == bootstrap.images:
            sizes = [line.size_bytes for line in lines[row.cell]]
            pixels = [line.height * line.width for line in lines[row.cell]]
            bootstrap.rates[row.codec, row.ladder, row.point] = bootstrap.rate(sizes, pixels)


def _with_reason(row: EqualScore, reason: str) -> EqualScore:
    """The row, with the reason why it has no interval."""
    missing = row.status == "ok" and math.isnan(row.low)
    return replace(row, reason=f"no interval: {reason}") if missing and reason else row


def table(compared: Compared) -> str:
    """The rows as Markdown, with a note on what they are."""
    body = []
    names = compared.names
    for row in compared.rows:
        facts = compared.facts[row.metric]
        value = row.reason if row.status != "ok" else f"{row.value:+.1f}" + _MARKS.get(row.method, "")
        body.append(
            [
                facts.title or row.metric,
                f"{names[row.head]} ({row.route})",
                names[row.codec],
                row.point,
                f"{facts.factor * row.score:.{facts.digits}f}",
                f"{row.bpp:.4f}",
                "" if math.isnan(row.anchor_bpp) else f"{row.anchor_bpp:.4f}",
                value,
                "" if math.isnan(row.low) else f"[{row.low:+.1f}, {row.high:+.1f}]",
            ]
        )
    text: str = tabulate(body, _COLUMNS, tablefmt="github", disable_numparse=True)
    anchors = dict.fromkeys(names[row.anchor] for row in compared.rows)
    used = dict.fromkeys(row.method for row in compared.rows if row.method in _MARKS)
    notes = [
        f"Bits against {', '.join(anchors)} where its curve has the same score; negative: fewer bits. In brackets: "
        f"95 % intervals, paired over images.",
        *(_NOTES[method] for method in used),
        *dict.fromkeys(
            f"{names[row.head]}: {row.reason}." for row in compared.rows if row.status == "ok" and row.reason
        ),
    ]
    return "\n\n".join([text, *notes]) + "\n"
