"""Random draws that all parts of a scene use, faster than numpy's own for single values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options; name one twice to make it twice as likely."""
    return options[int(rng.integers(len(options)))]


def muted(rng: np.random.Generator, low: float, high: float) -> npt.NDArray[np.float64]:
    """A linear colour (3,) of any brightness between low and high, seldom vivid."""
    colour = rng.uniform(low, high, 3)
    grey = colour.mean()
    return np.asarray(grey + (colour - grey) * float(rng.uniform(0.1, 0.9)))
