"""Strict reader of JSON from untrusted sources: everything but ordinary JSON raises ``ValueError``.

Python's own reader also accepts NaN and Infinity, turns 1e999 into an infinity, keeps integers of any length, and
raises RecursionError where brackets are nested too deep.
"""

from __future__ import annotations

import json
import math
from typing import Any

_MAX_INTEGER = 1 << 63


def read_json(text: str | bytes) -> Any:
    """The value of JSON text, with finite floats and integers of at most 64 bits.

    >>> read_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}

    Raises:
        ValueError: the text is no JSON, is nested too deep, or holds other numbers.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None


def read_object(text: str | bytes) -> dict[str, Any]:
    """The value of JSON text that must be one object.

    Raises:
        ValueError: as for ``read_json``, or the value is no object.
    """
    value = read_json(text)
    if not isinstance(value, dict):
        raise ValueError(f"the JSON is a {type(value).__name__}, expected an object")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"the JSON holds {name}, expected finite numbers")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the JSON holds {digits[:20]}, which is too large for a float")
    return number


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -_MAX_INTEGER <= (number := int(digits)) < _MAX_INTEGER:
        raise ValueError(f"the JSON holds a whole number of {len(digits)} digits, expected 64 bits at most")
    return number
