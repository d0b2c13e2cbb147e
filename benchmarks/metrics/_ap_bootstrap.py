"""AP of many resamples of one set of images, from a single matching.

Matching happens within an image, so drawing images with replacement (Efron 1979) only changes how often the hits,
misses and boxes of each image count. A detection drawn c times stands c times in a row in the ranking; the precision
envelope at 101 recall levels then equals that of the official evaluator on the copied images.

``LANES`` resamples are counted side by side, so that a processor's vector instructions do the sums and divisions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.metrics._coco_matching import IOU_THRESHOLDS, Matched

LEVELS = 101
LANES = 64
_STEP = 0.01
"""Between two levels of recall: numpy's ``linspace`` gives the very products of it."""
_EPSILON = float(np.spacing(1))


def resampled_ap(matched: Sequence[Matched], draws: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
    """AP of each class at each IoU threshold of each resample: float64 (R, C, T), NaN where no true box was drawn.

    matched: of each class. draws: (R, N), times each image was drawn.
    """
    ap = np.full((len(draws), len(matched), len(IOU_THRESHOLDS)), np.nan)
    events = [_events(of_class) for of_class in matched]
    for start in range(0, len(draws), LANES):
        rows = np.ascontiguousarray(draws[start : start + LANES].T, np.int32)  # (N, lanes)
        for number, of_class in enumerate(events):
            _compiled()(*of_class, rows, ap[start : start + LANES, number])
    return ap


class _Events(NamedTuple):
    """The detections of one class that are hits or ignored at any threshold; all others are misses everywhere.

    place: int32 (E,), their places among the detections. first: int64 (T + 1,), where each threshold's events begin.
    event, hit: int32, bool, of each event the index in ``place``, and whether it is a hit or ignored. image: int32, of
    the detections up to the last event. labelled: int32, the image of each object.
    """

    place: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64]
    event: npt.NDArray[np.int32]
    hit: npt.NDArray[np.bool_]
    image: npt.NDArray[np.int32]
    labelled: npt.NDArray[np.int32]


def _events(matched: Matched) -> _Events:
    places = np.flatnonzero(matched.hit | matched.ignored)
    bits = (1 << np.arange(len(IOU_THRESHOLDS)))[:, None]
    hits, ignored = ((flags[places] & bits) > 0 for flags in (matched.hit, matched.ignored))  # (T, E)
    threshold, event = np.nonzero(hits | ignored)
    first = np.searchsorted(threshold, np.arange(len(bits) + 1))
    image = matched.image[: places[-1] + 1 if len(places) else 0]
    hit = hits[threshold, event]
    return _Events(places.astype(np.int32), first, event.astype(np.int32), hit, image, matched.labelled)


@functools.cache
def _compiled() -> Callable[..., None]:
    import numba

    compiled: Callable[..., None] = numba.njit(cache=True, nogil=True, error_model="numpy")(_loop)
    return compiled


def _loop(places, first, event, hit, image, labelled, rows, ap):  # type: ignore[no-untyped-def]
    """rows: (N, lanes), how often each resample drew each image. ap: (lanes, T), filled.

    The envelope has its corners at hits, so precision is needed only there; the misses before a hit are all detections
    drawn before it, which all thresholds share, less hits and ignored ones. Each corner counts for the recall levels
    that it is the first to reach, and they are added level by level, as by the official evaluator.
    """
    lanes = rows.shape[1]
    total, before = np.zeros(lanes, np.int32), np.zeros(lanes, np.int32)
    for o in range(len(labelled)):
        for r in range(lanes):
            total[r] += rows[labelled[o], r]
    drawn = np.empty((len(places), lanes), np.int32)
    d = 0
    for e in range(len(places)):
        while d <= places[e]:
            for r in range(lanes):
                before[r] += rows[image[d], r]
            d += 1
        for r in range(lanes):
            drawn[e, r] = before[r]
    reached, precision = np.empty((len(places), lanes), np.int32), np.empty((len(places), lanes))
    right, ignored = np.empty(lanes, np.int32), np.empty(lanes, np.int32)
    counted, gained, area = np.empty(lanes, np.int32), np.empty(lanes, np.int32), np.empty(lanes)
    for t in range(ap.shape[1]):
        right[:] = 0
        ignored[:] = 0
        corners = 0
        for k in range(first[t], first[t + 1]):
            e = event[k]
            row = image[places[e]]
            if hit[k]:
                for r in range(lanes):
                    right[r] += rows[row, r]
                    precision[corners, r] = right[r] / (np.float64(drawn[e, r] - ignored[r]) + _EPSILON)
                for r in range(lanes):  # how many of the levels 0, .01, ..., 1 the recall reaches, each as a float
                    recall = right[r] / np.float64(max(total[r], 1))
                    level = np.floor(recall * (LEVELS - 1))
                    if (level + 1) * _STEP <= recall:
                        level += 1
                    if level * _STEP > recall:
                        level -= 1
                    reached[corners, r] = np.int32(level) + 1
                corners += 1
            else:
                for r in range(lanes):
                    ignored[r] += rows[row, r]
        for c in range(corners - 1, 0, -1):
            for r in range(lanes):
                precision[c - 1, r] = max(precision[c - 1, r], precision[c, r])
        counted[:] = 0
        area[:] = 0
        for c in range(corners):
            most = np.int32(0)
            for r in range(lanes):
                gained[r] = reached[c, r] - counted[r]
                counted[r] = reached[c, r]
                most = max(most, gained[r])
            for n in range(most):
                for r in range(lanes):
                    area[r] += precision[c, r] if gained[r] > n else 0.0
        for r in range(lanes):
            if total[r] > 0:
                ap[r, t] = area[r] / LEVELS
