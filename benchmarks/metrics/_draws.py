"""The draws of images that scores are resampled with, as metrics are given them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hsc.errors import UsageError


def check_draws(draws: npt.NDArray[np.integer[Any]], images: int) -> None:
    """Refuse draws that are not (R, N). images: N. Raises UsageError."""
    if draws.ndim != 2 or draws.shape[1] != images:
        raise UsageError(f"draws of shape {draws.shape} came, expected (resamples, {images} images)")
