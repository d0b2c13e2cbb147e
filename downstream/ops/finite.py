"""Answers of networks that hold NaN or infinity are refused: the largest of NaN is a class like any other, and a score
like any other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hsc.errors import HeadError


def require_finite(values: Any, what: str) -> None:
    """See that an array, or a tensor of torch's, holds only finite numbers. what: they are, for the message.

    Raises:
        HeadError: it does not.
    """
    finite = np.isfinite(values) if isinstance(values, np.ndarray) else values.isfinite()
    count = math.prod(values.shape)
    bad = count - int(finite.sum())
    if bad:
        raise HeadError(
            f"{bad} of the network's {count} {what} are not finite (NaN or infinite), expected numbers; its weights "
            f"are damaged, "
            "or its input overflows (check its scale, and half precision)"
        )
