"""Reading the store's columns back as values; each function raises where columns cannot be such a value's.

They raise ValueError, TypeError, OverflowError, RecursionError or DataError, which the store takes for damage.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness.conditions import Conditions
from benchmarks.harness.indexed_image import Pixels
from downstream.api import Prediction, from_bytes

_LARGEST = 1 << 62


def count_of(value: Any) -> int:
    """A count from 0 on."""
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError(f"{value!r} is no count")
    return value


def stream_counts_of(size_bytes: Any, squared_error: Any) -> tuple[int, int]:
    """Size in bytes and squared error of a stream."""
    return count_of(size_bytes), count_of(squared_error)


def stream_bytes_of(size_bytes: Any, data: Any) -> tuple[bytes | None]:
    """The coded bytes of a stream, None where they were not kept; in a tuple, since None stands for damage."""
    if data is not None and (not isinstance(data, bytes) or len(data) != count_of(size_bytes)):
        raise ValueError(f"not {size_bytes} bytes")
    return (data,)


def pixels_of(sha256: Any, height: Any, width: Any, source_bytes: Any) -> Pixels:
    """The facts about an image's pixels."""
    if not isinstance(sha256, str) or len(sha256) != 64:
        raise ValueError(f"{sha256!r} is no sha256")
    return Pixels(sha256, (count_of(height), count_of(width)), None if source_bytes is None else count_of(source_bytes))


def prediction_of(blob: Any) -> Prediction:
    """A head's prediction."""
    return from_bytes(blob)


def seconds_of(key: Any, kind: Any, conditions: Any, seconds: Any) -> float:
    """A time in seconds; the other columns are part of its checksum alone."""
    if not isinstance(seconds, float) or not 0 <= seconds < math.inf:
        raise ValueError(f"{seconds!r} is no time")
    return seconds


def conditions_of(text: Any) -> Conditions | None:
    """Conditions of times, None where they are not written as this version writes them."""
    try:
        return Conditions(**json.loads(text))
    except (TypeError, ValueError):
        return None


def scores_of(text: Any) -> list[list[Any]]:
    """Scores as [metric, value, part]."""
    loaded = json.loads(text)
    for metric, value, part in loaded:
        if not (isinstance(metric, str) and isinstance(value, float | int) and isinstance(part, str)):
            raise TypeError(f"{metric!r}, {value!r}, {part!r} is no score")
    return list(loaded)


def samples_of(names: Any, data: Any) -> dict[str, npt.NDArray[np.float64]]:
    """The values of every resample by metric, float64 (R,) each."""
    metrics = json.loads(names)
    return dict(zip(metrics, np.frombuffer(data, "<f8").reshape(len(metrics), -1), strict=True))


def counts_of(shape: Any, data: Any) -> npt.NDArray[np.int64]:
    """An array of counts."""
    return np.frombuffer(data, "<i8").reshape(json.loads(shape)).astype(np.int64)
