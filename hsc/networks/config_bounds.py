"""What a profile in a weights file may say: plain values of the right kinds, none so large that making its networks
would never end.

A profile is a stranger's text. Its networks are described here and made later, so the limits are far beyond any that
make sense.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MAX_COUNT = 1 << 16
"""Channels, sides, qualities: nothing a profile counts is more."""

MAX_STRIDE = 64
"""Pixels of an image along a sample of F, where F follows the image: a file's blocks are of 16, and 4 of those a side
is enough.
"""

_MAX_BY_FIELD = {
    "resolution": 1 << 12,
    "mapping_layers": 32,
    "depth": 64,
    "depths": 64,
    "passes": 3,
    "n_styles": 64,
    "stem_stride": 16,
    "feature_stride": 16,
}
"""Fields that decide how many layers there are, or by how much a side shrinks."""

_MAX_ENTRIES = 32
_TEXT, _FLAGS, _REALS = {"name", "form", "norm", "kind"}, {"patch"}, {"clamp"}
_OPTIONAL = {"clamp", "input_size"}


def require_bounded(fields: Mapping[str, Any]) -> None:
    """See that a profile's fields, or those of a part of it, are of their kinds and within their limits.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name, value in fields.items():
        if isinstance(value, Mapping):
            require_bounded(value)
        elif name in _TEXT or (
            name == "start" and isinstance(value, str)
        ):  # of a generator; a detail network's is a quality
            if not isinstance(value, str) or len(value) > 100:
                raise ValueError(f"{name} came as a {type(value).__name__}, expected up to 100 characters")
        elif name in _FLAGS:
            if not isinstance(value, bool):
                raise ValueError(f"{name} came as {str(value)[:40]}, expected true or false")
        elif value is None and name in _OPTIONAL | {"detail"}:
            continue
        elif name in _REALS:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
                raise ValueError(f"{name} came as {str(value)[:40]}, expected a number above 0 or none")
        else:
            _require_counts(name, value, _MAX_BY_FIELD.get(name, MAX_COUNT))


def _require_counts(name: str, value: Any, most: int) -> None:
    if isinstance(value, list | tuple):
        if len(value) > _MAX_ENTRIES:
            raise ValueError(f"{name} came with {len(value)} entries, expected at most {_MAX_ENTRIES}")
        for entry in value:
            _require_counts(name, entry, most)
    elif isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{name} came as {str(value)[:40]}, expected whole numbers from 0 to {most}")
