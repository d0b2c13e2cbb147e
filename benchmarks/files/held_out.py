"""Pictures held out of training, chosen by a hash of their names, so that everybody leaves out the same ones."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

from hsc.errors import UsageError


def held_out(names: Sequence[str], count: int) -> frozenset[str]:
    """The names whose SHA-256, as hexadecimal digits of the name in UTF-8, are the ``count`` smallest.

    A picture that is added takes at most the place of one other.

    Raises:
        UsageError: the count is below 0, or not below the number of names.

    >>> sorted(held_out(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], 2))
    ['a.jpg', 'd.jpg']
    """
    if not 0 <= count < max(1, len(names)):
        raise UsageError(f"{count} pictures to hold out of {len(names)}; expected 0 to {max(0, len(names) - 1)}")
    return _held_out(tuple(names), count)


@functools.lru_cache(maxsize=8)
def _held_out(names: tuple[str, ...], count: int) -> frozenset[str]:
    return frozenset(sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:count])
