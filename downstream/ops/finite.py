"""Refuses network outputs that hold NaN or infinity: their argmax would silently pass as an ordinary class or score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hsc.errors import HeadError


def require_finite(values: Any, noun: str) -> None:
    """Check that a numpy array or torch tensor holds only finite numbers. noun: of the values, in the message.

    Raises:
        HeadError: some numbers are NaN or infinite.
    """
    finite = np.isfinite(values) if isinstance(values, np.ndarray) else values.isfinite()
    count = math.prod(values.shape)
    not_finite = count - int(finite.sum())
    if not_finite:
        raise HeadError(
            f"{not_finite} of the network's {count} {noun} are not finite (NaN or infinite), expected numbers; its "
            "weights are damaged, or its input overflows (check its scale, and half precision)"
        )
