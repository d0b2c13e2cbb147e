"""AP of many resamples of one set of images, from a single matching.

Matching happens within an image, so drawing images with replacement (Efron 1979) only changes how often the hits,
misses and boxes of each image count. A detection drawn c times stands c times in a row in the ranking; the precision
envelope at 101 recall levels then equals that of the official evaluator on the copied images.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.metrics._coco_matching import IOU_THRESHOLDS, Matched

LEVELS = 101
_EPSILON = float(np.spacing(1))


def resampled_ap(matched: Matched, draws: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
    """AP of one class at each IoU threshold of each resample: float64 (R, T), NaN where no true box was drawn.

    draws: (R, N), times each image was drawn.
    """
    ap = np.full((len(draws), len(IOU_THRESHOLDS)), np.nan)
    counted = np.flatnonzero(matched.hit | matched.ignored)  # all others are misses at every threshold
    bits = (1 << np.arange(len(IOU_THRESHOLDS)))[:, None]
    hits, ignored = ((flags[counted] & bits) > 0 for flags in (matched.hit, matched.ignored))  # (T, E)
    threshold, event = np.nonzero(hits | ignored)
    first = np.searchsorted(threshold, np.arange(len(bits) + 1))
    events = first, event.astype(np.int32), hits[threshold, event]
    image = matched.image[: counted[-1] + 1] if len(counted) else matched.image[:0]  # later ones change nothing
    rows = np.ascontiguousarray(draws, np.int32)
    _compiled()(*events, counted.astype(np.int32), image, matched.labelled, rows, ap)
    return ap


@functools.cache
def _compiled() -> Callable[..., None]:
    import numba

    compiled: Callable[..., None] = numba.njit(cache=True, nogil=True)(_loop)
    return compiled


def _loop(first, event, hits, counted, image, labelled, draws, ap):  # type: ignore[no-untyped-def]
    """counted: the detections that are hits or ignored at any threshold. event: places in it, those of threshold t from
    ``first[t]`` on. ap: filled.

    The envelope has its corners at hits, so precision is needed only there; the misses before a hit are all detections
    drawn before it, which all thresholds share, less hits and ignored ones.
    """
    drawn, times = np.empty(len(counted), np.int32), np.empty(len(counted), np.int32)
    right_at, precision = np.empty(len(counted), np.int32), np.empty(len(counted))
    needed = np.empty(LEVELS, np.int32)
    levels = np.linspace(0.0, 1.0, LEVELS)
    for r in range(draws.shape[0]):
        row = draws[r]
        total = 0
        for o in range(len(labelled)):
            total += row[labelled[o]]
        if total == 0:
            continue
        for k in range(LEVELS):  # the fewest hits whose recall reaches the level, as floats are compared
            hits_needed = int(levels[k] * total)
            while hits_needed / total < levels[k]:
                hits_needed += 1
            while hits_needed > 0 and (hits_needed - 1) / total >= levels[k]:
                hits_needed -= 1
            needed[k] = hits_needed
        before, d = 0, 0
        for e in range(len(counted)):
            while d <= counted[e]:
                before += row[image[d]]
                d += 1
            drawn[e], times[e] = before, row[image[counted[e]]]
        for t in range(ap.shape[1]):
            right, ignored, corners = 0, 0, 0
            for k in range(first[t], first[t + 1]):
                e = event[k]
                if hits[k]:
                    right += times[e]
                    right_at[corners] = right
                    precision[corners] = right / (drawn[e] - ignored + _EPSILON)
                    corners += 1
                else:
                    ignored += times[e]
            for c in range(corners - 1, 0, -1):
                precision[c - 1] = max(precision[c - 1], precision[c])
            area, c = 0.0, 0
            for k in range(LEVELS):
                while c < corners and right_at[c] < needed[k]:
                    c += 1
                if c == corners:
                    break
                area += precision[c]
            ap[r, t] = area / LEVELS
