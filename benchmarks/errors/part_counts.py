"""Counts of each kind by image and part, and the shares of the whole set with their intervals.

    counts (N images, P parts, K kinds), totals (N, P), per_image (N,) --draws of images--> value, low, high of each

A kind of the truth is a share of its part's labelled objects or pixels. Any other is a share of what ``per_image`` sums
to: of the images for boxes, of all labelled pixels for label maps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.errors.kinds import OF_THE_TRUTH, By
from benchmarks.stats.bootstrap import Draws, interval, why_no_interval

Floats = npt.NDArray[np.float64]


class Part(NamedTuple):
    """A part of what is counted, such as the class "car"; the whole has no name."""

    by: By
    name: str = ""


class PartCounts(NamedTuple):
    """The counts of one head at one operating point.

    kinds: K names, those of the truth first. counts: float64 (N, P, K). totals: float64 (N, P), labelled objects or
    pixels. per_image: float64 (N,). objects: whether objects are counted, else pixels. same_as: int64 (N,), the first
    image with the same pixels as each.
    """

    parts: tuple[Part, ...]
    kinds: tuple[str, ...]
    counts: Floats
    totals: Floats
    per_image: Floats
    objects: bool
    same_as: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Share:
    """A count and what it is a share of. low, high: ends of the 95 % interval of ``value``, NaN where it has none,
    ``reason`` says why.
    """

    part: Part
    kind: str
    count: float
    of: float
    value: float
    low: float = math.nan
    high: float = math.nan
    reason: str = ""


class Difference(NamedTuple):
    """The share of one operating point less that of another, over the same images, paired in every resample."""

    kind: str
    value: float
    low: float
    high: float


def shares(counts: PartCounts, draws: Draws) -> Iterator[Share]:
    """Every part's share of every kind; kinds of a part without any of it are left out."""
    summed, of = counts.counts.sum(0), _of(counts.totals.sum(0), counts.per_image.sum(), counts.kinds)
    samples = resampled(counts, draws)
    whole = _support(counts, 0)
    for p, part in enumerate(counts.parts):
        own = _support(counts, p)
        for k, kind in enumerate(counts.kinds):
            of_truth = kind in OF_THE_TRUTH
            if not summed[p, k] and (of_truth or part.by == "class") and not counts.totals[:, p].any():
                continue
            reason = (own if of_truth else whole) if draws.resamples else ""
            low, high, _ = interval(samples[:, p, k]) if draws.resamples and not reason else (math.nan, math.nan, 0)
            value = summed[p, k] / of[p, k] if of[p, k] else math.nan
            yield Share(part, kind, float(summed[p, k]), float(of[p, k]), float(value), low, high, reason)


def differences(one: PartCounts, other: PartCounts, draws: Draws) -> Iterator[Difference]:
    """The differences of the whole, kind by kind. other: of the same images and kinds."""
    pair = [
        counts._replace(parts=counts.parts[:1], counts=counts.counts[:, :1], totals=counts.totals[:, :1])
        for counts in (one, other)
    ]
    sure = bool(draws.resamples) and not _support(one, 0)
    samples = resampled(pair[0], draws) - resampled(pair[1], draws) if sure else np.zeros((0, 1, len(one.kinds)))
    none = Draws(draws.images, 0, draws.seed)
    values = [{share.kind: share.value for share in shares(counts, none)} for counts in pair]
    for k, kind in enumerate(one.kinds):
        if kind in values[0] and kind in values[1]:
            low, high, _ = interval(samples[:, 0, k]) if sure else (math.nan, math.nan, 0)
            yield Difference(kind, values[0][kind] - values[1][kind], low, high)


def resampled(counts: PartCounts, draws: Draws) -> Floats:
    """The shares on each resample: float64 (R, P, K), NaN where there is nothing to be a share of."""
    images = len(counts.per_image)
    flat = counts.counts.reshape(images, -1)
    blocks = [np.zeros((0, len(counts.parts), len(counts.kinds)))]
    for drawn in draws.blocks():
        weights = drawn.astype(np.float64)
        summed = (weights @ flat).reshape(len(drawn), len(counts.parts), len(counts.kinds))
        of = _of(weights @ counts.totals, (weights @ counts.per_image)[:, None], counts.kinds)
        blocks.append(np.divide(summed, of, out=np.full(summed.shape, np.nan), where=of > 0))
    return np.concatenate(blocks)


def _of(totals: Floats, per_image: Floats, kinds: Sequence[str]) -> Floats:
    """What each count is a share of: (..., P) and (..., 1) or a number -> (..., P, K)."""
    every = np.broadcast_to(per_image, totals.shape)
    return np.stack([totals if kind in OF_THE_TRUTH else every for kind in kinds], -1)


def _support(counts: PartCounts, part: int) -> str:
    """Why the shares of a part have no interval; empty where they may have one."""
    labelled = counts.totals[:, part] > 0
    images = len(np.unique(counts.same_as[labelled]))
    return why_no_interval(images, int(counts.totals[:, part].sum()) if counts.objects else None)


def parts_of(by: By, names: Iterable[str]) -> list[Part]:
    """The parts by one property."""
    return [Part(by, name) for name in names]
