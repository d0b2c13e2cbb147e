"""Bounds on the fields of a profile from a weights file, so that building its networks takes finite time and memory.

A weights file may come from anyone. Its profile is checked here, before the networks are built; the limits are far
beyond any sensible value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MAX_COUNT = 1 << 16
"""Largest value of a count: channels, sides, qualities."""

MAX_STRIDE = 64
"""Pixels per sample of F along a side, where F follows the image size: four of a file's blocks of 16 pixels."""

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
"""Smaller limits for fields that decide the number of layers or the reduction of a side."""

_MAX_ENTRIES = 32
_TEXT, _FLAGS, _REALS = (
    {"name", "form", "norm", "kind"},
    {"patch", "silent", "lapped", "smooth", "semantics", "condition", "shared"},
    {"clamp"},
)
_OPTIONAL = {"clamp", "input_size"}


def require_bounded(fields: Mapping[str, Any]) -> None:
    """Check types and limits of a profile's fields, or of those of a part of it.

    Raises:
        ValueError: a field has another type or is too large; the message names it.
    """
    for name, value in fields.items():
        if isinstance(value, Mapping):
            require_bounded(value)
        # "start" is text in a generator and a quality in a detail network
        elif name in _TEXT or (name == "start" and isinstance(value, str)):
            if not isinstance(value, str) or len(value) > 100:
                raise ValueError(f"{name} came as a {type(value).__name__}, expected up to 100 characters")
        elif name in _FLAGS:
            if not isinstance(value, bool):
                raise ValueError(f"{name} came as {str(value)[:40]}, expected true or false")
        elif value is None and name in _OPTIONAL | {"detail", "coarse_map", "ablation"}:
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
