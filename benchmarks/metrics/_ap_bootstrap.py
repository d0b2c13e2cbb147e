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

LEVELS = 101
_EPSILON = float(np.spacing(1))


def resampled_ap(
    hit: npt.NDArray[np.bool_], miss: npt.NDArray[np.bool_], image: npt.NDArray[np.int64], boxes: Any, draws: Any
) -> Any:
    """AP at each IoU threshold of each resample: float64 (R, T), NaN where no true box was drawn.

    hit, miss: (T, D) of the detections of one class, best score first; both False where a detection is ignored. image:
    (D,) index of the image. boxes: (N,) true boxes of each image. draws: int64 (R, N) times each image was drawn.
    """
    threshold, detection = np.nonzero(~miss)
    first = np.searchsorted(threshold, np.arange(len(hit) + 1))
    events = first, detection, hit[threshold, detection]
    return _compiled()(*events, image, np.asarray(boxes, np.int64), np.asarray(draws, np.int64))


@functools.cache
def _compiled() -> Callable[..., Any]:
    import numba

    return numba.njit(cache=True, nogil=True)(_loop)


def _loop(first, detection, hits, image, boxes, draws):  # type: ignore[no-untyped-def]
    """detection: indices of detections that are hits or ignored, those of threshold t from ``first[t]`` on; all others
    are misses.

    The envelope has its corners at hits, so precision is needed only there; the misses before a hit are all detections
    drawn before it, which all thresholds share, less hits and ignored ones.
    """
    thresholds = len(first) - 1
    ap = np.full((draws.shape[0], thresholds), np.nan)
    drawn, recall, precision = np.empty(len(image), np.int64), np.empty(len(image)), np.empty(len(image))
    levels = np.linspace(0.0, 1.0, LEVELS)
    for r in range(draws.shape[0]):
        total = np.sum(boxes * draws[r])
        if total == 0:
            continue
        before = 0
        for d in range(len(image)):
            before += draws[r, image[d]]
            drawn[d] = before
        for t in range(thresholds):
            right, ignored, corners = 0, 0, 0
            for e in range(first[t], first[t + 1]):
                times = draws[r, image[detection[e]]]
                if hits[e]:
                    right += times
                    recall[corners] = right / total
                    precision[corners] = right / (drawn[detection[e]] - ignored + _EPSILON)
                    corners += 1
                else:
                    ignored += times
            for c in range(corners - 1, 0, -1):
                precision[c - 1] = max(precision[c - 1], precision[c])
            area, c = 0.0, 0
            for level in levels:
                while c < corners and recall[c] < level:
                    c += 1
                if c == corners:
                    break
                area += precision[c]
            ap[r, t] = area / LEVELS
    return ap
