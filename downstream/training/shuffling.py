"""The order in which training sees its images: each once an epoch, in a new order, from seed and step alone."""

from __future__ import annotations

import numpy as np


def indices_of(seed: int, step: int, batch: int, count: int) -> list[int]:
    """The images of one step, out of ``count``."""
    found = []
    for position in range(step * batch, (step + 1) * batch):
        order = np.random.default_rng([seed, 2, position // count]).permutation(count)
        found.append(int(order[position % count]))
    return found


def random_of(seed: int, step: int) -> np.random.Generator:
    """What the views of one step are drawn with."""
    return np.random.default_rng([seed, 1, step])
