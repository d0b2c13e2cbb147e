"""Finished runs of several machines or days as one run: their cells side by side, all comparisons made again.

    folder, folder, ... --why_not_merged--> refused, or
    scores.csv   --one row a cell and score-------------------------+
    records.csv  --resampled again--> rates of each resample        +--> comparisons.csv of all codecs
    predictions/ --resampled again--> scores of each resample ------+

A comparison between codecs of different runs has an interval where every run kept its predictions; elsewhere its
reason says why not. Comparisons within one run keep the interval they have there, since seed, images and resamples are
the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.api import Comparison, ScoreRow
from benchmarks.harness.executors import Executor
from benchmarks.harness.progress import Progress
from benchmarks.runs import archive, records
from benchmarks.runs.archive import KeptStreams
from benchmarks.runs.consistency import SCORE_NAMES, comparison_key
from benchmarks.runs.folder_files import exists
from benchmarks.runs.kept_predictions import Reader
from benchmarks.runs.kept_samples import resampled
from benchmarks.runs.mergeable import why_not_merged
from benchmarks.runs.merged_cells import Apart, chosen_cells, largest_apart
from benchmarks.runs.merged_description import merged_about
from benchmarks.runs.records import Line
from benchmarks.runs.results import Results
from benchmarks.runs.run_folder import Run, load
from benchmarks.stats.bd_comparison import differences
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.stats.codec_comparison import leads
from benchmarks.stats.head_comparison import heads_apart
from hsc.errors import ResultsError, UsageError


@dataclass(frozen=True)
class Merged:
    """Several runs as one. about: ``run.json``. kept: the streams, None where a run kept none. without_predictions: why
    some head's comparisons between runs have no interval, by head and route.
    """

    runs: tuple[Run, ...]
    about: dict[str, Any]
    results: Results
    lines: Sequence[Line]
    kept: KeptStreams | None
    without_predictions: Mapping[Reader, str] = field(default_factory=dict)


def merge(folders: Sequence[Path], executor: Executor, progress: Progress) -> Merged:
    """Merge the runs of several folders, which are left as they are.

    Raises:
        UsageError: there are fewer than two folders, or one is named twice.
        ResultsError: a folder holds no run, or the runs cannot stand in one table; the message says why.
    """
    if len(folders) < 2:
        raise UsageError(f"{len(folders)} run was named, expected two or more to merge")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("one folder is named twice; name each run once")
    runs = [load(folder, complete=False) for folder in folders]
    for run in runs[1:]:
        if reason := why_not_merged(runs[0], run):
            raise ResultsError(f"{runs[0].folder} and {run.folder} cannot be merged: {reason}")
    chosen = chosen_cells(runs)
    apart = largest_apart(runs)
    about = merged_about(runs, chosen, datetime.now(UTC).isoformat(timespec="seconds"))
    lines = _lines(runs, chosen)
    rows = _rows(runs, chosen, about)
    first = runs[0]
    draft = replace(first, about=about, results=_results(first, rows, (), about))
    bootstrap, reasons = _bootstrap(draft, runs, rows, lines, executor, progress)
    comparisons = _comparisons(draft, rows, bootstrap, runs, reasons)
    about["notices"] = [*about["notices"], *_notices(runs, apart, reasons)]
    about["merged"]["no_interval"] = [
        {"head": head, "route": route, "reason": reason} for (head, route), reason in reasons.items()
    ]
    results = _results(first, rows, comparisons, about)
    progress.end()
    return Merged(tuple(runs), about, results, lines, _streams(runs, chosen, about), reasons)


def _results(
    first: Run, rows: Sequence[ScoreRow], comparisons: Sequence[Comparison], about: Mapping[str, Any]
) -> Results:
    """These rows with the facts of the first run, and the names of all."""
    like = first.results
    return Results.of(rows, comparisons, like.columns, like.main_metric, like.facts, like.added, about["names"])


def _rows(runs: Sequence[Run], chosen: Mapping[str, int], about: Mapping[str, Any]) -> list[ScoreRow]:
    """The rows of ``scores.csv`` in a run's order: skipped codecs, then rates and times, then each head's scores."""
    of_cell: dict[str, list[ScoreRow]] = defaultdict(list)
    loose: dict[tuple[Any, ...], ScoreRow] = {}
    measured = {cell["curve"] for cell in about["cells"].values()}
    for number, run in enumerate(runs):
        for row in run.score_rows:
            if row.cell and chosen[row.cell] == number:
                of_cell[row.cell].append(row)
            elif not row.cell and row.codec not in measured:
                loose.setdefault(tuple(getattr(row, name) for name in SCORE_NAMES), row)
    readers = list(dict.fromkeys((head["label"], head["route"]) for head in about.get("heads", ())))
    rows = [row for row in loose.values() if not row.head]
    rows += [row for cell in chosen for row in of_cell[cell] if not row.head]
    for reader in readers:
        rows += [row for row in loose.values() if (row.head, row.route) == reader]
        rows += [row for cell in chosen for row in of_cell[cell] if (row.head, row.route) == reader]
    return rows + [row for row in loose.values() if row.head and (row.head, row.route) not in readers]


def _lines(runs: Sequence[Run], chosen: Mapping[str, int]) -> list[Line]:
    read = [records.by_cell(records.read(run.folder)) for run in runs]
    return [line for cell, number in chosen.items() for line in read[number][cell]]


def _bootstrap(
    draft: Run,
    runs: Sequence[Run],
    rows: Sequence[ScoreRow],
    lines: Sequence[Line],
    executor: Executor,
    progress: Progress,
) -> tuple[Bootstrap, dict[Reader, str]]:
    """The rates and scores of each resample, and why some heads have none of the latter."""
    about = draft.about
    bootstrap = Bootstrap.of(about["dataset"]["pixels_sha256"], about["resamples"], about["seed"])
    if not bootstrap.resamples:
        return bootstrap, {}
    of_cell = records.by_cell(lines)
    for row in (row for row in rows if row.metric == "bpp" and row.status == "ok"):
        sizes = [line.size_bytes for line in of_cell[row.cell]]
        if len(sizes) != bootstrap.images:
            raise ResultsError(
                f"records.csv has {len(sizes)} images of {row.codec} {row.point}, the run has {bootstrap.images}; run "
                f"hsc-bench verify on each folder"
            )
        pixels = [line.height * line.width for line in of_cell[row.cell]]
        bootstrap.rates[row.codec, row.ladder, row.point] = bootstrap.rate(sizes, pixels)
    progress.begin("resampling", sum("head" in cell for run in runs for cell in run.about["cells"].values()))
    reasons: dict[Reader, str] = {}
    for run in runs:
        samples = resampled(run, bootstrap, executor, progress)
        for reader, reason in samples.reasons.items():
            reasons.setdefault(reader, f"of {run.name}, {reason}")
        bootstrap.scores |= {key: values for key, values in samples.scores.items() if key not in bootstrap.scores}
    bootstrap.scores = {key: values for key, values in bootstrap.scores.items() if key[:2] not in reasons}
    return bootstrap, reasons


def _comparisons(
    draft: Run, rows: Sequence[ScoreRow], bootstrap: Bootstrap, runs: Sequence[Run], reasons: Mapping[Reader, str]
) -> list[Comparison]:
    """All comparisons; those of heads without resamples keep the interval of the run that both codecs are from."""
    design = draft.design
    matched: dict[tuple[Any, ...], Comparison] = {}
    known: dict[tuple[Any, ...], Comparison] = {}
    for run in runs:
        for row in run.comparison_rows:
            (matched if row.kind == "matched_rate" else known).setdefault(comparison_key(row), row)
    searched = list(matched.values())
    computed = [
        *searched,
        *differences(design, rows, bootstrap),
        *leads(design, rows, bootstrap, searched),
        *heads_apart(design, rows, bootstrap),
    ]
    return [_with_known(row, known, reasons) for row in computed]


def _with_known(
    row: Comparison, known: Mapping[tuple[Any, ...], Comparison], reasons: Mapping[Reader, str]
) -> Comparison:
    reason = reasons.get((row.head, row.route))
    if reason is None or row.status != "ok" or row.kind == "matched_rate" or row.resamples:
        return row
    kept = known.get(comparison_key(row))
    if kept is not None and kept.status == "ok" and math.isclose(kept.value, row.value, rel_tol=1e-9, abs_tol=1e-12):
        return kept
    return replace(row, reason=no_interval(reason))


def no_interval(reason: str) -> str:
    """The reason of a comparison between runs that has no interval."""
    return f"no interval between codecs of different runs: {reason}"


def _notices(runs: Sequence[Run], apart: Apart, reasons: Mapping[Reader, str]) -> Iterator[str]:
    yield f"Merged from {len(runs)} runs: " + "; ".join(
        f"{run.name} of {str(run.about.get('date', 'an unknown day'))[:10]}" for run in runs
    )
    commits = {str(run.about["environment"].get("commit") or "unknown")[:12] for run in runs}
    if len(commits) > 1:
        yield f"The runs are of several commits of this program: {', '.join(sorted(commits))}"
    if apart.share > 1e-9:
        yield (
            f"What several of the runs measured differs by up to {apart.share:.2g}: {apart.name} is "
            f"{apart.values[0]:.6g} in {apart.folders[0].name} and {apart.values[1]:.6g} in {apart.folders[1].name}; "
            f"the first is shown"
        )
    for (head, route), reason in reasons.items():
        yield f"Codecs of different runs have no paired intervals by {head} on {route}s: {reason}"


def _streams(runs: Sequence[Run], chosen: Mapping[str, int], about: dict[str, Any]) -> KeptStreams | None:
    """The kept streams of all runs; None, with a notice, where a run kept none or those of other images."""
    if not any(exists(run.folder / archive.FILE) for run in runs):
        return None
    try:
        kept = [archive.read(run.folder) for run in runs]
    except ResultsError as error:
        about["notices"].append(f"No bitstreams are kept here: {error}")
        return None
    if any(one.images != kept[0].images for one in kept):
        about["notices"].append("No bitstreams are kept here, since the runs kept those of different images")
        return None
    streams = {cell: kept[number].streams[cell] for cell, number in chosen.items() if cell in kept[number].streams}
    predictions = {one[:5]: one for of_run in reversed(kept) for one in of_run.predictions}
    scores = {one[:7]: one for of_run in reversed(kept) for one in of_run.scores}
    return KeptStreams(kept[0].images, archive.thinned(streams), tuple(predictions.values()), tuple(scores.values()))
