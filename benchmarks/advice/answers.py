"""The answers of codecs to a question, from what was tried of each: rows of ``advice.csv``, the best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.advice.question import Question
from benchmarks.advice.trials import CodecTrials, Trial, Trials
from benchmarks.api import CODECS
from benchmarks.harness.keys import registered_name
from benchmarks.harness.operating_points import point_label
from benchmarks.runs.advice_rows import AdviceRow
from benchmarks.stats.bootstrap import interval
from hsc.api import Codec
from hsc.registry import Spec

_ORDER = ("ok", "n/a", "failed", "skipped")


def margins(question: Question, codec: CodecTrials) -> dict[Any, float]:
    """How far each value that was tried lies above the border of a question."""
    return {value: question.margin(trial.kept, trial.size_bytes) for value, trial in codec.trials.items()}


def next_value(question: Question, codec: CodecTrials) -> Any:
    """The value of a codec to try next for a question; None where its search is over."""
    sizes = {value: trial.size_bytes for value, trial in codec.trials.items()}
    return codec.scale.next(margins(question, codec), sizes, codec.failed, codec.guesses.get(question))


def answer_of(question: Question, codec: CodecTrials) -> Any:
    """The value that answers a question, None where none of those tried does: to keep a share, the smallest above all
    that miss it; within a budget, that of the largest files.
    """
    if question.aim == "keep":
        return codec.scale.border(margins(question, codec)).reached
    inside = {value: trial.size_bytes for value, trial in codec.trials.items() if trial.size_bytes <= question.target}
    return max(inside, key=inside.__getitem__, default=None)


def answers(asked: Sequence[Question], trials: Trials) -> list[AdviceRow]:
    """The rows of all questions. To keep a share, the smallest files come first; within a budget, the best score.

    Codecs without an answer come last, each with its reason.
    """
    sign = trials.config.design.facts_of(trials.metric).sign
    rows = []
    for question in asked:
        of_codecs = [_answer(question, codec, trials) for codec in trials.codecs]
        of_codecs.sort(key=lambda row: _place(row, sign))
        rows += of_codecs if question.aim == "keep" else _behind(of_codecs, trials, sign)
    return rows


def _behind(rows: Sequence[AdviceRow], trials: Trials, sign: int) -> list[AdviceRow]:
    """The rows within a budget, each with the lead that the best has over it. rows: the best first."""
    of_points = {(codec.label, trial.point.label): trial for codec in trials.codecs for trial in codec.trials.values()}
    best = of_points.get((rows[0].codec, rows[0].point)) if rows else None
    return [
        _compared(row, best, of_points[row.codec, row.point], sign) if best and row.status == "ok" else row
        for row in rows
    ]


def _compared(row: AdviceRow, best: Trial, trial: Trial, sign: int) -> AdviceRow:
    """A row with the lead that the best trial has over its own."""
    row = replace(row, behind=sign * (best.score - trial.score))
    if trial is best or not len(best.samples) or len(best.samples) != len(trial.samples):
        return row
    low, high, _ = interval(sign * (best.samples - trial.samples))
    return replace(row, behind_low=low, behind_high=high)


def _place(row: AdviceRow, sign: int) -> tuple[int, float]:
    """What rows of one question are ordered by."""
    if row.status != "ok":
        return _ORDER.index(row.status), 0.0
    return 0, row.size_bytes if row.aim == "keep" else -sign * row.score


def _answer(question: Question, codec: CodecTrials, trials: Trials) -> AdviceRow:
    blank = _blank(question, codec, trials)
    if codec.skipped:
        return replace(blank, status="skipped", reason=codec.skipped)
    if not codec.trials:
        reason = next(iter(codec.failed.values()), "the time was up before it was tried")
        return replace(blank, status="failed" if codec.failed else "n/a", reason=reason)
    left = next_value(question, codec)
    untried = "" if left is None else f"{_label(codec, left)} is not tried yet"
    if question.aim == "budget":
        return _within(question, codec, blank, untried)
    border = codec.scale.border(margins(question, codec))
    if border.reached is None:
        nearest = max(codec.trials.values(), key=lambda trial: (trial.kept.low, trial.kept.share))
        return replace(_filled(blank, nearest), status="n/a", reason=untried or "not reached on its scale")
    row = _filled(blank, codec.trials[border.reached])
    if border.below is not None:
        missed = codec.trials[border.below]
        row = replace(row, missed=missed.point.label, missed_kept=missed.kept.share, missed_low=missed.kept.low)
    return replace(row, reason=untried)


def _within(question: Question, codec: CodecTrials, blank: AdviceRow, untried: str) -> AdviceRow:
    """The answer to a budget: the largest files within it."""
    border = codec.scale.border(margins(question, codec))
    value = answer_of(question, codec)
    if value is None:
        smallest = min(codec.trials.values(), key=lambda trial: trial.size_bytes)
        return replace(_filled(blank, smallest), status="n/a", reason=untried or "its smallest files are larger")
    missed = codec.trials[border.reached].point.label if border.reached is not None else ""
    return replace(_filled(blank, codec.trials[value]), missed=missed, reason=untried)


def _blank(question: Question, codec: CodecTrials, trials: Trials) -> AdviceRow:
    plan = trials.outcome.plan
    return AdviceRow(
        aim=question.aim,
        target=question.target,
        task=registered_name(plan.config.task),
        dataset=plan.dataset_label,
        split=plan.config.dataset.split,
        head=plan.config.readers[0].label,
        metric=trials.metric,
        codec=codec.label,
        original=trials.original.score,
        images=len(plan.images),
        resamples=len(trials.original.samples),
        seed=plan.config.seed,
    )


def _filled(row: AdviceRow, trial: Trial) -> AdviceRow:
    """The row with what was measured of a setting."""
    kept = trial.kept
    return replace(
        row,
        setting=setting_of(trial.point.codec),
        point=trial.point.label,
        score=trial.score,
        score_low=trial.low,
        score_high=trial.high,
        kept=kept.share,
        kept_low=kept.low,
        kept_high=kept.high,
        refused=kept.refused if not math.isnan(kept.share) else 0,
        size_bytes=trial.size_bytes,
        bpp=trial.bpp,
        encode_s=trial.encode_s,
        decode_s=trial.decode_s,
    )


def setting_of(codec: Codec) -> str:
    """The spec of one setting, with its place on the quality scale even where that is the default; without it a spec
    stands for a whole ladder.

    >>> from benchmarks.api import CODECS
    >>> setting_of(CODECS.build("jpeg")), setting_of(CODECS.build("vvc(preset=medium, qp=30)"))
    ('jpeg(quality=75)', 'vvc(qp=30, preset=medium)')
    """
    spec = CODECS.spec(codec)
    if not codec.rate_field or codec.rate_field in spec.arguments:
        return str(spec)
    return str(Spec(spec.name, {codec.rate_field: getattr(codec, codec.rate_field), **spec.arguments}))


def _label(codec: CodecTrials, value: Any) -> str:
    """A value of a codec's scale as people name it, ``quality=10``."""
    try:
        return point_label(codec.scale.codec(value)) or codec.label
    except Exception:  # a plug-in may refuse the value with anything
        return f"{value}"
