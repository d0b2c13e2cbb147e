"""Inputs of many sizes for what takes one size at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hsc.api import Image


def same_sizes(sizes: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The places of the inputs of each size, in the order the sizes come."""
    found: dict[tuple[int, ...], list[int]] = {}
    for i, size in enumerate(sizes):
        found.setdefault(size, []).append(i)
    return list(found.values())


def as_batch(image: Image) -> Any:
    """float32 (1, 3, H, W), 0 to 255."""
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
