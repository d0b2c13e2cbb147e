"""Inputs of many sizes for what takes one size at a time."""

from __future__ import annotations

from collections.abc import Sequence


def same_sizes(sizes: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The places of the inputs of each size, in the order the sizes come."""
    found: dict[tuple[int, ...], list[int]] = {}
    for i, size in enumerate(sizes):
        found.setdefault(size, []).append(i)
    return list(found.values())
