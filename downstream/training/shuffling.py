"""The order of the training images: each once an epoch, in a new order each time, from seed and step alone."""

from __future__ import annotations

import numpy as np


def indices_of(seed: int, step: int, batch: int, count: int) -> list[int]:
    """The indices of the images of one step, out of ``count``."""
    indices = []
    for position in range(step * batch, (step + 1) * batch):
        order = np.random.default_rng([seed, 2, position // count]).permutation(count)
        indices.append(int(order[position % count]))
    return indices


def random_of(seed: int, step: int) -> np.random.Generator:
    """The random generator for the views of one step."""
    return np.random.default_rng([seed, 1, step])
