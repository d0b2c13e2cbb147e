"""Scores of the predictions on the kept streams, compared with those that the run kept and with ``scores.csv``.

    predictions --metrics--> scores of the kept images --+-- streams.zip   scores of these images, kept by the run
                                                         +-- scores.csv    where these are all images of the run

Scores over more images than were kept cannot be computed again; the number of images they were checked on is reported.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks.api import ScoreRow, StreamRecord
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor
from benchmarks.harness.progress import Silent
from benchmarks.harness.scorer import score
from benchmarks.runs.archive import KeptScore, KeptStream
from benchmarks.runs.keep_streams import scores as kept_scores
from benchmarks.runs.redecode import Again, prediction_sha256
from benchmarks.runs.rows import SCORES
from benchmarks.runs.run_folder import Run
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.stats.metric_facts import TIMES
from benchmarks.verify.check_scores import named
from benchmarks.verify.rebuild import Rebuilt
from benchmarks.verify.rounding import ROUNDING, near
from benchmarks.verify.verdict import Verdict, verdicts
from downstream.api import to_bytes

TOLERANCE = 0.005
"""Relative to the score, or to 1 where it is smaller: half a point of AP. Equal predictions must give equal scores."""

_Reading = tuple[str, str, str, str, str]
"""The codec, ladder, point, head and route of some predictions."""


def rescore(run: Run, rebuilt: Rebuilt, answers: Mapping[str, Again], executor: Executor) -> Iterator[Verdict]:
    """Compare the predictions and scores of the kept images, computed by the scorer that made the tables."""
    failed = [
        f"{cell.curve} {cell.point}, head {reader.label}: {answer}"
        for cell_id, cell in rebuilt.cells.items()
        for reader, answer in answers[cell_id].predictions.items()
        if isinstance(answer, str) and all(isinstance(s, KeptStream) for s in answers[cell_id].streams)
    ]
    exact, count, differing = _exact(rebuilt, answers)
    whole = [image.id for image in rebuilt.kept.images] == list(run.images)
    rows = _scored(rebuilt, answers, run.about["resamples"] if whole else 0, executor)
    computed = {score[:7]: score.value for score in kept_scores(rows)}
    recorded: dict[Any, KeptScore] = {score[:7]: score for score in rebuilt.kept.scores}
    wrong, largest = list(failed), 0.0
    for key, kept in recorded.items():
        if key in computed:
            apart = _apart(computed[key], kept.value)
            if not _close(computed[key], kept.value, key[:5] in differing):
                wrong.append(
                    f"{' '.join(' '.join(key).split())} of the kept images is {kept.value:.6g} in the run and "
                    f"{computed[key]:.6g} here"
                )
            elif not math.isnan(apart):
                largest = max(largest, apart)
    compared = len(recorded.keys() & computed.keys())
    if compared or wrong:
        state: Literal["note", "pass"] = "note" if exact < count else "pass"
        yield Verdict(state, "predictions", f"{exact} of {count} predictions are bit for bit those of the run")
        text = f"{compared} scores of {len(rebuilt.kept.images)} images come out again, the largest difference "
        yield from verdicts("scores", wrong, text + f"{largest:.2g} ({TOLERANCE:g} is allowed)")
        if missing := len(recorded) - compared:
            text = f"{missing} of {len(recorded)} scores could not be computed again, for the reasons above"
            yield Verdict("skipped", "scores", text)
    else:
        yield Verdict("skipped", "scores", "no score of the run could be computed again")
    yield from _table(run, rebuilt, rows, differing, whole)


def _apart(value: float, expected: float) -> float:
    return abs(value - expected) / max(abs(expected), 1.0)


def _close(value: float, expected: float, other_predictions: bool) -> bool:
    return near(value, expected) or _apart(value, expected) <= (TOLERANCE if other_predictions else ROUNDING)


def _reading(row: ScoreRow) -> _Reading:
    return row.codec, row.ladder, row.point, row.head, row.route


def _table(
    run: Run, rebuilt: Rebuilt, rows: Sequence[ScoreRow], differing: set[_Reading], whole: bool
) -> Iterator[Verdict]:
    """The scores of ``scores.csv`` and their intervals, if all images of the run were kept; else a note on how many."""
    about = f"scores checked on {len(rebuilt.kept.images)} of {len(run.images)} images"
    if not whole:
        text = f"{about}: those in the table, over all {len(run.images)}, are not computed again"
        yield Verdict("note", "table", text)
        return
    computed, recorded = _heads_scores(rows), _heads_scores(row for row in run.score_rows if row.cell)
    readings = {reading for reading, _, _ in computed}
    unbuilt = run.results.facts.keys() - rebuilt.plan.config.design.facts.keys()  # of metrics that cannot be used here
    wrong = [
        f"{named(recorded[key])} is in scores.csv, its predictions give no such score"
        for key in recorded.keys() - computed.keys()
        if key[0] in readings and key[1] not in unbuilt
    ]
    for key in recorded.keys() & computed.keys():
        row, again = recorded[key], computed[key]
        for name in ("value", "low", "high"):
            number, expected = getattr(row, name), getattr(again, name)
            if not _close(expected, number, key[0] in differing):
                end = "" if name == "value" else f", the {name} end of its interval,"
                text = f"is {number:.6g} in {SCORES}, the streams of all images give {expected:.6g}"
                wrong.append(f"{named(row)}{end} {text}")
                break
    compared = len(recorded.keys() & computed.keys())
    right = f"{about}, {compared} of {len(recorded)} in the table, and their intervals, come out again"
    yield from verdicts("table", sorted(wrong), right)
    if compared < len(recorded) and not wrong:
        missing = len(recorded) - compared
        text = f"{missing} of its {len(recorded)} scores could not be computed again, for the reasons above"
        yield Verdict("skipped", "table", text)


def _heads_scores(rows: Iterable[ScoreRow]) -> dict[tuple[_Reading, str, str], ScoreRow]:
    """The heads' scores by reading, metric and class."""
    scores = (row for row in rows if row.head and row.status == "ok" and row.metric not in TIMES)
    return {(_reading(row), row.metric, row.part): row for row in scores}


def _exact(rebuilt: Rebuilt, answers: Mapping[str, Again]) -> tuple[int, int, set[_Reading]]:
    """The number of predictions that are the same, the number compared, and the readings with any that differ."""
    exact, count = 0, 0
    differing: set[_Reading] = set()
    hashes: dict[_Reading, tuple[str, ...]] = {of_head[:5]: of_head.sha256 for of_head in rebuilt.kept.predictions}
    for cell_id, cell in rebuilt.cells.items():
        for reader, answer in answers[cell_id].predictions.items():
            reading = (*rebuilt.ladders[cell_id], cell.point, reader.label, reader.route)
            if not isinstance(answer, str) and reading in hashes:
                same = sum(sha == prediction_sha256(p) for sha, p in zip(hashes[reading], answer, strict=True))
                exact, count = exact + same, count + len(answer)
                differing |= {reading} if same < len(answer) else set()
    return exact, count, differing


def _scored(rebuilt: Rebuilt, answers: Mapping[str, Again], resamples: int, executor: Executor) -> Sequence[ScoreRow]:
    """The score rows of the answers. resamples: how many the intervals rest on, 0 for no intervals."""
    images = rebuilt.kept.images
    with tempfile.TemporaryDirectory(prefix="hsc-") as folder, Store(Path(folder) / "store.sqlite") as store:
        for cell_id, cell in rebuilt.cells.items():
            for reader, answer in answers[cell_id].predictions.items():
                if not isinstance(answer, str):
                    pairs = zip(cell.predictions[reader], answer, strict=True)
                    store.add({}, {key: to_bytes(prediction) for key, prediction in pairs}, {})
            streams = [s for s in answers[cell_id].streams if isinstance(s, KeptStream)]
            if len(streams) == len(images):
                records = {
                    key: (StreamRecord(i.id, (i.height, i.width), s.size_bytes, 0.0, 0.0, s.squared_error), b"")
                    for key, i, s in zip(cell.streams, images, streams, strict=True)
                }
                store.add(records, {}, {})
        bootstrap = Bootstrap(len(images), resamples, rebuilt.plan.config.seed)
        return score(rebuilt.plan, store, bootstrap, executor, Silent()).rows
