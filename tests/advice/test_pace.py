"""What fits in the time that is left: codecs without an answer come first, and what a round took is learnt from."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from benchmarks.advice.pace import Pace, Wanted
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


def taken(pace: Pace, *wanted: Wanted) -> list[Any]:
    return [one.value for one in pace.within(wanted)]


def test_without_a_deadline_all_are_tried() -> None:
    slow = tried("jpeg", 1e6)
    assert taken(Pace(None, 10, 1), Wanted(slow, 50, 1), Wanted(slow, 60, 1)) == [50, 60]


def test_codecs_without_an_answer_come_first_and_then_the_quickest() -> None:
    jpeg, webp = tried("jpeg", 1.0), tried("webp", 2.0)
    pace = Pace(time.monotonic() + 35, images=10, workers=1)  # three of jpeg, or one of each
    wanted = [Wanted(jpeg, 50, 1), Wanted(webp, 70, 0), Wanted(jpeg, 60, 1)]
    assert taken(pace, *wanted) == [70, 50]
    assert taken(pace, *(one._replace(rank=1) for one in wanted)) == [50, 60]


def test_the_first_setting_of_a_codec_is_always_tried() -> None:
    pace = Pace(time.monotonic() - 1, images=10, workers=1)
    assert taken(pace, Wanted(tried("jpeg", None), 50, 0), Wanted(tried("webp", 1.0), 60, 0)) == [50]


def test_a_round_that_took_longer_than_its_images_slows_the_next_down() -> None:
    jpeg = tried("jpeg", 1.0)
    pace = Pace(time.monotonic() + 35, images=10, workers=1)
    pace.learn([Wanted(jpeg, 50, 1)], seconds=40.0)
    assert pace.slower == pytest.approx(4.0)
    assert taken(pace, Wanted(jpeg, 60, 1)) == []
    pace.learn([Wanted(jpeg, 50, 1)], seconds=0.1)  # from the cache
    assert taken(pace, Wanted(jpeg, 60, 1)) == [60]
