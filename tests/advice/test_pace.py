"""What fits in the time that is left: codecs without an answer come first, and what a round took is learnt from."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from benchmarks.advice.advising import _Pace, _Wanted
from benchmarks.advice.trials import CodecTrials, Trial
from benchmarks.harness.operating_points import curves
from benchmarks.harness.scale_search import Scale
from benchmarks.stats.retained_share import Retained


def tried(codec: str, seconds: float | None) -> CodecTrials:
    """A codec of which one setting was tried that took so many seconds an image, or none."""
    curve = curves([codec])[0]
    trials = CodecTrials(Scale.of(curve))
    if seconds is not None:
        kept = Retained(1.0, 1.0, 1.0)
        trials.trials[curve.points[0].codec.quality] = Trial(  # type: ignore[attr-defined]
            curve.points[0], 0.5, 0.4, 0.6, np.zeros(0), kept, 100.0, 1.0, seconds, 0.0, float("nan")
        )
    return trials


def taken(pace: _Pace, *wanted: _Wanted) -> list[Any]:
    return [one.value for one in pace.within(wanted)]


def test_without_a_deadline_all_are_tried() -> None:
    slow = tried("jpeg", 1e6)
    assert taken(_Pace(None, 10, 1), _Wanted(slow, 50, True), _Wanted(slow, 60, True)) == [50, 60]


def test_codecs_without_an_answer_come_first_and_then_the_quickest() -> None:
    jpeg, webp = tried("jpeg", 1.0), tried("webp", 2.0)
    pace = _Pace(time.monotonic() + 35, images=10, workers=1)  # three of jpeg, or one of each
    wanted = [_Wanted(jpeg, 50, True), _Wanted(webp, 70, False), _Wanted(jpeg, 60, True)]
    assert taken(pace, *wanted) == [70, 50]
    assert taken(pace, *(one._replace(answered=True) for one in wanted)) == [50, 60]


def test_the_first_setting_of_a_codec_is_always_tried() -> None:
    pace = _Pace(time.monotonic() - 1, images=10, workers=1)
    assert taken(pace, _Wanted(tried("jpeg", None), 50, False), _Wanted(tried("webp", 1.0), 60, False)) == [50]


def test_a_round_that_took_longer_than_its_images_slows_the_next_down() -> None:
    jpeg = tried("jpeg", 1.0)
    pace = _Pace(time.monotonic() + 35, images=10, workers=1)
    pace.learn([_Wanted(jpeg, 50, True)], seconds=40.0)
    assert pace.slower == pytest.approx(4.0)
    assert taken(pace, _Wanted(jpeg, 60, True)) == []
    pace.learn([_Wanted(jpeg, 50, True)], seconds=0.1)  # from the cache
    assert taken(pace, _Wanted(jpeg, 60, True)) == [60]
