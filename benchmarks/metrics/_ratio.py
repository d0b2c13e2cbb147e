"""Ratios of counts, where a count may be zero, and means of values, where some may be undefined."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def defined_mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The mean of the values that are not NaN, over all but the first axis: (R, ...) -> (R,)."""
    flat = values.reshape(len(values), -1)
    defined = ~np.isnan(flat)
    return np.where(defined.any(1), np.where(defined, flat, 0).sum(1) / np.maximum(defined.sum(1), 1), np.nan)
