"""Batches for networks that take inputs of one size at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from hsc.api import Image


def same_sizes(sizes: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The indices of the inputs of each size, in the order in which the sizes first occur."""
    indices: dict[tuple[int, ...], list[int]] = {}
    for i, size in enumerate(sizes):
        indices.setdefault(size, []).append(i)
    return list(indices.values())


def batches(
    sizes: Sequence[tuple[int, ...]], batch_size: int | Callable[[tuple[int, ...]], int]
) -> Iterator[list[int]]:
    """The indices of inputs that go through a network together: inputs of one size, in order.

    sizes: the size of each input, such as its shape. batch_size: the most inputs in a batch, or a function that gives
    it for a size.

    >>> list(batches([(2, 2), (3, 3), (2, 2), (2, 2)], 2))
    [[0, 2], [3], [1]]
    """
    for indices in same_sizes(sizes):
        step = batch_size if isinstance(batch_size, int) else batch_size(sizes[indices[0]])
        for start in range(0, len(indices), step):
            yield indices[start : start + step]


def as_batch(image: Image) -> Any:
    """An image as a batch of one for torch: float32 (1, 3, H, W), 0 to 255."""
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
