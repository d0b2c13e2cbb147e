"""Scores from what the heads said of the kept streams: against those that the run kept of these images, and against the
table.

    predictions --metrics--> scores of the kept images --+-- streams.zip   what the run itself had of these images
                                                         +-- rows.csv      the table, where these are all images of the run

A table over more images than were kept cannot be computed again; how many its scores were checked on is said.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.api import PredictionRecord, Row, StreamRecord
from benchmarks.harness.cache import Store
from benchmarks.harness.progress import Silent
from benchmarks.harness.scorer import score
from benchmarks.runs.archive import KeptScore, KeptStream
from benchmarks.runs.keep_streams import TIMES
from benchmarks.runs.keep_streams import scores as kept_scores
from benchmarks.runs.redecode import Again, prediction_sha256
from benchmarks.runs.verify_folder import RunFolder
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.verify.check_records import near
from benchmarks.verify.check_rows import ROUNDING, named
from benchmarks.verify.rebuild import Setting
from benchmarks.verify.verdict import Verdict, verdicts

SCORES = 0.005
"""Of a score, or of 1 where it is less; half a point of AP. Scores of predictions that are the same bit for bit must be
the same.
"""


def rescore(run: RunFolder, setting: Setting, answers: Mapping[str, Again]) -> Iterator[Verdict]:
    """Predictions and scores of the kept images, through the scoring that made the table."""
    failed = [
        f"{cell.curve} {cell.point}, head {reader.label}: {answer}"
        for at, cell in setting.cells.items()
        for reader, answer in answers[at].predictions.items()
        if isinstance(answer, str) and all(isinstance(s, KeptStream) for s in answers[at].streams)
    ]
    exact, count, differing = _exact(setting, answers)
    whole = [image.id for image in setting.kept.images] == list(run.images)
    rows = _scored(setting, answers, run.about["resamples"] if whole else 0)
    made = {s[:6]: s.value for s in kept_scores(rows)}
    told: dict[Any, KeptScore] = {s[:6]: s for s in setting.kept.scores}
    wrong, largest = list(failed), 0.0
    for key, was in told.items():
        if key in made:
            off = _apart(made[key], was.value)
            if not _close(made[key], was.value, key[:4] in differing):
                wrong.append(
                    f"{' '.join(' '.join(key).split())} of the kept images is {was.value:.6g} in the run and "
                    f"{made[key]:.6g} here"
                )
            elif not math.isnan(off):
                largest = max(largest, off)
    compared = len(told.keys() & made.keys())
    if compared or wrong:
        text = (
            f"{compared} scores of {len(setting.kept.images)} images come out again, the largest difference "
            f"{largest:.2g} ({SCORES:g} is allowed)"
        )
        yield Verdict(
            "note" if exact < count else "holds",
            "predictions",
            f"{exact} of {count} predictions are bit for bit those of the run",
        )
        yield from verdicts("scores", wrong, text)
        if missing := len(told) - compared:
            yield Verdict(
                "unchecked",
                "scores",
                f"{missing} of {len(told)} scores could not be computed again, for the reasons above",
            )
    else:
        yield Verdict("unchecked", "scores", "no score of the run could be computed again")
    yield from _table(run, setting, rows, differing, whole)


def _apart(one: float, other: float) -> float:
    return abs(one - other) / max(abs(other), 1.0)


def _close(made: float, told: float, other_predictions: bool) -> bool:
    return near(made, told) or _apart(made, told) <= (SCORES if other_predictions else ROUNDING)


def _key(row: Row) -> tuple[str, ...]:
    return row.codec, row.point, row.head, row.route, row.metric, row.part


def _table(
    run: RunFolder, setting: Setting, rows: Sequence[Row], differing: set[tuple[str, ...]], whole: bool
) -> Iterator[Verdict]:
    """The table's own scores and their intervals, where every image of the run was kept; else on how many images they
    rest here.
    """
    about = f"scores checked on {len(setting.kept.images)} of {len(run.images)} images"
    if not whole:
        yield Verdict(
            "note", "table", f"{about}: those in the table, over all {len(run.images)}, are not computed again"
        )
        return
    made = {_key(r): r for r in rows if r.head and r.status == "ok" and r.metric not in TIMES}
    told = {_key(r): r for r in run.curve_rows if r.head and r.cell and r.status == "ok" and r.metric not in TIMES}
    cells = {key[:4] for key in made}
    wrong = [
        f"{named(told[key])} is in rows.csv, its predictions give no such score"
        for key in told.keys() - made.keys()
        if key[:4] in cells
    ]
    for key in told.keys() & made.keys():
        row, again = told[key], made[key]
        for name in ("value", "low", "high"):
            was, now = getattr(row, name), getattr(again, name)
            if not _close(now, was, key[:4] in differing):
                what = "" if name == "value" else f", the {name} end of its interval,"
                wrong.append(f"{named(row)}{what} is {was:.6g} in the table, the streams of all images give {now:.6g}")
                break
    compared = len(told.keys() & made.keys())
    yield from verdicts(
        "table", sorted(wrong), f"{about}, {compared} of {len(told)} in the table, and their intervals, come out again"
    )
    if compared < len(told) and not wrong:
        yield Verdict(
            "unchecked",
            "table",
            f"{len(told) - compared} of its {len(told)} scores could not be computed again, for the reasons above",
        )


def _exact(setting: Setting, answers: Mapping[str, Again]) -> tuple[int, int, set[tuple[str, ...]]]:
    """How many predictions are the same, of how many, and the (curve, point, head, route) of those that are not."""
    exact, count = 0, 0
    differing: set[tuple[str, ...]] = set()
    hashes: dict[tuple[str, ...], tuple[str, ...]] = {one[:4]: one.sha256 for one in setting.kept.predictions}
    for at, cell in setting.cells.items():
        for reader, answer in answers[at].predictions.items():
            name = cell.curve, cell.point, reader.label, reader.route
            if not isinstance(answer, str) and name in hashes:
                same = sum(was == prediction_sha256(p) for was, p in zip(hashes[name], answer, strict=True))
                exact, count = exact + same, count + len(answer)
                differing |= {name} if same < len(answer) else set()
    return exact, count, differing


def _scored(setting: Setting, answers: Mapping[str, Again], resamples: int) -> Sequence[Row]:
    """The rows of what came out here. resamples: of how many the intervals are to be, 0 for none."""
    with tempfile.TemporaryDirectory(prefix="hsc-") as folder, Store(Path(folder) / "store.sqlite") as store:
        for at, cell in setting.cells.items():
            for reader, answer in answers[at].predictions.items():
                if not isinstance(answer, str):
                    pairs = zip(cell.predictions[reader], setting.kept.images, answer, strict=True)
                    store.add({}, {key: PredictionRecord(image.id, 0.0, p) for key, image, p in pairs}, {})
            streams = [s for s in answers[at].streams if isinstance(s, KeptStream)]
            if len(streams) == len(setting.kept.images):
                triples = zip(cell.streams, setting.kept.images, streams, strict=True)
                store.add(
                    {
                        k: (StreamRecord(i.id, (i.height, i.width), s.size_bytes, 0.0, 0.0, s.squared_error), b"")
                        for k, i, s in triples
                    },
                    {},
                    {},
                )
        return score(
            setting.plan, store, Bootstrap(len(setting.kept.images), resamples, setting.plan.config.seed), Silent()
        ).rows
