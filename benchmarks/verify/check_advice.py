"""Advice on a run's settings, compared with the run's scores: ``advice.csv`` says nothing that these do not bear out.

The shares' intervals rest on paired resamples, which no folder holds; they are checked for what they can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.api import ScoreRow
from benchmarks.runs.advice_rows import FILE, AdviceRow, advice_in
from benchmarks.runs.run_folder import Run
from benchmarks.stats.bootstrap import MIN_IMAGES_KEPT
from benchmarks.stats.metric_facts import facts_of
from benchmarks.stats.retained_share import share_of
from benchmarks.verify.rounding import near
from benchmarks.verify.verdict import Verdict, verdicts

_ORIGINAL = ("original", "")
Points = Mapping[tuple[str, str], Mapping[str, ScoreRow]]
"""The rows of each codec and operating point, by metric."""


def check_advice(run: Run) -> Iterator[Verdict]:
    """Each answer holds the numbers of its setting, keeps what was asked for, and rests on enough images."""
    rows = advice_in(run.folder)
    if not rows:
        return
    points: dict[tuple[str, str], dict[str, ScoreRow]] = {}
    for row in run.score_rows:
        if not row.part and not row.ladder and row.status == "ok":
            points.setdefault((row.codec, row.point), {})[row.metric] = row
    wrong = [
        f"{FILE}, {row.codec} {row.point}: {text}" for row in rows if row.setting for text in _wrong(run, row, points)
    ]
    answers = sum(row.status == "ok" for row in rows)
    yield from verdicts("advice", wrong, f"{answers} answers of {len(rows)} rows have the numbers of their settings")


def _wrong(run: Run, row: AdviceRow, points: Points) -> Iterator[str]:
    """What is wrong with a row that names a setting, a phrase each."""
    of_setting, of_original = points.get((row.codec, row.point), {}), points.get(_ORIGINAL, {})
    if row.metric not in of_setting or row.metric not in of_original:
        yield f"scores.csv has no {row.metric} of this setting and of the originals"
        return
    score, original = of_setting[row.metric], of_original[row.metric]
    expected = {
        "score": score.value,
        "score_low": score.low,
        "score_high": score.high,
        "original": original.value,
        "images": len(run.images),
        **{
            name: of_setting[name].value for name in ("size_bytes", "bpp", "encode_s", "decode_s") if name in of_setting
        },
    }
    higher = facts_of(run.results.facts, row.metric).higher_is_better
    expected["kept"] = share_of(score.value, original.value, higher_is_better=higher)
    for name, value in expected.items():
        if not near(float(getattr(row, name)), float(value)):
            yield f"its {name} is {getattr(row, name):g}, the run has {value:g}"
    yield from _broken_promise(row)


def _broken_promise(row: AdviceRow) -> Iterator[str]:
    """What an answer says that its own numbers do not bear out."""
    if row.status != "ok":
        return
    if row.aim == "budget":
        if row.size_bytes > row.target:
            yield f"it takes {row.size_bytes:g} bytes of a budget of {row.target:g}"
        return
    if not row.kept_low >= row.target:
        yield f"the lower end of its share is {row.kept_low:g}, which does not reach {row.target:g}"
    if not row.kept_low <= row.kept_high:
        yield f"its share lies between {row.kept_low:g} and {row.kept_high:g}"
    if row.missed and not row.missed_low < row.target:
        yield f"{row.missed} is said to miss {row.target:g}, and the lower end of its share is {row.missed_low:g}"
    if row.images < MIN_IMAGES_KEPT:
        yield f"it rests on {row.images} images, at least {MIN_IMAGES_KEPT} are needed"
