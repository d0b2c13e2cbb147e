"""Where the search of slow codecs begins: near the answers of a quick one, the guide.

    guide's answer --probe--> PSNR, or bytes --on each codec's scale--> the value of the same: a guess

A guess is a place to begin at and decides nothing: each setting that is advised has been tried on all images in use. So
a codec whose PSNR says little about what heads see, such as one made for heads, costs a few settings more and gets the
same answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.advice.answers import answer_of
from benchmarks.advice.probes import Probe, Probes
from benchmarks.advice.question import Question
from benchmarks.advice.trials import CodecTrials
from benchmarks.harness.scale_search import Scale

_ALIKE = 2.0
"""A codec that takes up to so many times as long as the quickest may be the guide, if it was named before it."""
_STEPS = 2
"""Values probed on the way from a codec's ladder to a guess, the guess itself left out."""


def tops(scales: Sequence[Scale], probes: Probes) -> dict[str, Probe]:
    """The probes of the largest files of each codec's ladder, by label; codecs that cannot be probed are left out."""
    known = probes.of([(scale, scale.ladder[-1]) for scale in scales])
    return {label: probe for (label, _), probe in known.items()}


def guide_of(codecs: Sequence[CodecTrials], of_tops: Mapping[str, Probe]) -> CodecTrials | None:
    """The codec to begin with: the first named of the quickest; None where there are not two to choose from."""
    usable = [codec for codec in codecs if codec.label in of_tops and codec.scale.ends]
    if len(usable) < 2:
        return None
    quickest = min(of_tops[codec.label].seconds for codec in usable)
    return next(codec for codec in usable if of_tops[codec.label].seconds <= _ALIKE * quickest)


def guess(asked: Sequence[Question], guide: CodecTrials, codecs: Sequence[CodecTrials], probes: Probes) -> None:
    """Write a guess for each question that the guide answers into the other codecs, and the others as hopeless."""
    others = [codec for codec in codecs if codec is not guide and codec.scale.ends]
    levels: dict[Question, float] = {}
    for question in asked:
        value = answer_of(question, guide)
        probe = probes.of([(guide.scale, value)]).get((guide.label, value)) if value is not None else None
        if probe is not None:
            levels[question] = _level(question, probe) + _missing(question, guide, value)
        elif value is None:
            for codec in others:
                codec.hopeless.add(question)
    if not levels:
        return
    tried = {codec.label: {codec.scale.ladder[-1], codec.scale.at(0.5)} for codec in others}
    for step in range(_STEPS):
        known = probes.of([(codec.scale, value) for codec in others for value in tried[codec.label]])
        for codec in others:
            for question, level in levels.items():
                of_codec = {
                    codec.scale.place(value): _level(question, known[codec.label, value])
                    for value in tried[codec.label]
                    if (codec.label, value) in known
                }
                if len(of_codec) >= 2:
                    codec.guesses[question] = codec.scale.at(_place(level, of_codec))
        for codec in others if step < _STEPS - 1 else ():
            tried[codec.label] |= set(codec.guesses.values())


def _level(question: Question, probe: Probe) -> float:
    """What a guess has in common with the guide's answer."""
    return probe.psnr if question.aim == "keep" else math.log(probe.size_bytes)


def _missing(question: Question, guide: CodecTrials, value: Any) -> float:
    """How far the level of the guide's answer lies below what is asked for: the rest of a budget."""
    return math.log(question.target / guide.trials[value].size_bytes) if question.aim == "budget" else 0.0


def _place(level: float, levels: Mapping[float, float]) -> float:
    """The place on a scale where a level lies, on a straight line through the two known ones nearest to it. levels: two
    or more, by place.

    >>> _place(35.0, {0.0: 20.0, 0.5: 30.0, 1.0: 40.0})
    0.75
    """
    first, second = sorted(levels, key=lambda place: abs(levels[place] - level))[:2]
    rise = (levels[second] - levels[first]) / (second - first)
    return first + (level - levels[first]) / rise if rise > 0 else max(levels)
