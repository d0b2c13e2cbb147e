"""What fits in the time: on how many images settings are tried, and which of them in a round."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.advice.trials import CodecTrials

MIN_IMAGES = 32
"""The fewest images that the time may leave: a promise needs 30."""
SETTINGS = 3
"""Settings of each codec that the time is to hold: that of a guess, and one or two beside it."""


def images_in(time_s: float, seconds: float, available: int) -> int:
    """On how many images ``SETTINGS`` settings of each codec can be tried in a time: 32, 48, 64, 96, 128 and so on, at
    least 32; all, where there are fewer.

    Few numbers, since times differ from one day to the next, and the images in use should not.

    time_s: all workers'. seconds: of one image, at a setting of each codec. available: images that there are.

    >>> [images_in(540, seconds, 128) for seconds in (10, 4, 2.5, 1)]
    [32, 32, 64, 128]
    """
    fitting = time_s / (SETTINGS * seconds) if seconds > 0 else math.inf
    images = MIN_IMAGES
    for more in _numbers():
        if more > min(fitting, available):
            break
        images = more
    return available if fitting >= available else min(images, available)


def _numbers() -> Iterator[int]:
    images = MIN_IMAGES
    while True:
        yield images
        yield images + images // 2
        images *= 2


class Wanted(NamedTuple):
    """A setting to try. rank: 0 where its codec has no answer yet to the question that it is for; 1 where it has one,
    and smaller files may do; 2 where a quicker codec has no answer.
    """

    codec: CodecTrials
    value: Any
    rank: int


@dataclass
class Pace:
    """What fits in the time.

    deadline: of ``time.monotonic``, None for none. slower: how many times longer a round takes than its images were
    timed at, since they are scored, too, and the machine has other work.
    """

    deadline: float | None
    images: int
    workers: int
    slower: float = 1.0

    def within(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Those of the settings that will have been tried in time: the lowest rank first, and the quickest of it; the
        first setting of a codec always.
        """
        if self.deadline is None:
            return list(wanted)
        left = self.deadline - time.monotonic()
        fitting = []
        for one in sorted(wanted, key=lambda one: (one.rank, self._seconds(one.codec, one.value))):
            seconds = self.slower * self._seconds(one.codec, one.value)
            if seconds <= left or not (one.codec.trials or one.codec.failed):
                fitting.append(one)
                left -= seconds
        return fitting

    def learn(self, tried: Sequence[Wanted], seconds: float) -> None:
        """Take in how long a round of settings took."""
        timed = sum(self._seconds(one.codec, one.value) for one in tried)
        self.slower = max(1.0, seconds / timed if timed else 1.0)

    def _seconds(self, codec: CodecTrials, value: Any) -> float:
        """What a setting takes, by the times of the nearest one that was tried; 0 where there is none."""
        nearest = min(
            codec.trials,
            key=lambda tried: abs(codec.scale.place(tried) - codec.scale.place(value)),
            default=None,
        )
        return 0.0 if nearest is None else codec.trials[nearest].seconds * self.images / self.workers
