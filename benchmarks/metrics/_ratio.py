"""Ratios of counts, where a count may be zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
