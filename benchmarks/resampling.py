"""AP of many resamples of one set of images, from a single matching.

Matching happens inside an image, so drawing images anew (Efron 1979) only changes how often each image's hits, misses and
boxes count. A detection drawn c times stands c times in a row in the ranking; the precision envelope at 101 recall levels is
then what the official evaluator would find on the copied images.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

LEVELS = 101
_EPSILON = float(np.spacing(1))


def resampled_ap(hit: npt.NDArray[np.bool_], miss: npt.NDArray[np.bool_], image: npt.NDArray[np.int64], boxes: Any, draws: Any) -> Any:
    """AP at each IoU threshold of each resample: float64 (R, T), NaN where no true box was drawn.

    hit, miss: (T, D) of one class's detections, best score first, neither where ignored. image: (D,) index of the image.
    boxes: (N,) true boxes an image. draws: int64 (R, N) times each image was drawn.
    """
    return _compiled()(np.ascontiguousarray(hit), np.ascontiguousarray(miss), image, np.asarray(boxes, np.int64), np.asarray(draws, np.int64))


@functools.cache
def _compiled() -> Callable[..., Any]:
    import numba

    return numba.njit(cache=True, nogil=True)(_loop)


def _loop(hit, miss, image, boxes, draws):  # type: ignore[no-untyped-def]
    thresholds, count = hit.shape
    found = np.full((draws.shape[0], thresholds), np.nan)
    recall, precision = np.empty(count), np.empty(count)
    levels = np.linspace(0.0, 1.0, LEVELS)
    for r in range(draws.shape[0]):
        total = 0
        for i in range(boxes.shape[0]):
            total += boxes[i] * draws[r, i]
        if total == 0:
            continue
        for t in range(thresholds):
            right, wrong = 0, 0
            for d in range(count):
                times = draws[r, image[d]]
                right += times * hit[t, d]
                wrong += times * miss[t, d]
                recall[d] = right / total
                precision[d] = right / (right + wrong + _EPSILON)
            for d in range(count - 1, 0, -1):
                precision[d - 1] = max(precision[d - 1], precision[d])
            area, d = 0.0, 0
            for level in levels:
                while d < count and recall[d] < level:
                    d += 1
                if d == count:
                    break
                area += precision[d]
            found[r, t] = area / LEVELS
    return found
