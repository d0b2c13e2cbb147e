"""Checksums of the store's records; a record that differs from its checksum counts as unknown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def checksum(values: Iterable[str | bytes | int | float | None]) -> str:
    """32 hex digits over the values with their types and lengths, so that different lists never hash the same text.

    >>> checksum(["a", 1]) == checksum(["a", 1]) != checksum(["a1"])
    True
    """
    digest = hashlib.sha256()
    for value in values:
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
        digest.update(f"{type(value).__name__} {len(data)} ".encode())
        digest.update(data)
    return digest.hexdigest()[:32]
