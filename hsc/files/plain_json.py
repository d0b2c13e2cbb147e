"""JSON that strangers wrote, as plain values: whatever is no ordinary JSON is one ``ValueError``.

Python's own reader also takes NaN and Infinity, makes an infinity of 1e999, keeps whole numbers of any length, and
leaves the tree of errors where brackets are nested too deep.
"""

from __future__ import annotations

import json
import math
from typing import Any

_MAX_INTEGER = 1 << 63


def read_json(text: str | bytes) -> Any:
    """What JSON text says: finite numbers, whole ones of 64 bits at most.

    >>> read_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}

    Raises:
        ValueError: it is no JSON, is nested too deep, or holds other numbers.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None


def read_object(text: str | bytes) -> dict[str, Any]:
    """The same of text that must be one JSON object.

    Raises:
        ValueError: as ``read_json``, or it is another value.
    """
    content = read_json(text)
    if not isinstance(content, dict):
        raise ValueError(f"the JSON is a {type(content).__name__}, expected an object")
    return content


def _no_constant(name: str) -> Any:
    raise ValueError(f"the JSON holds {name}, expected finite numbers")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the JSON holds {digits[:20]}, which is beyond any float")
    return number


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -_MAX_INTEGER <= (number := int(digits)) < _MAX_INTEGER:
        raise ValueError(f"the JSON holds a whole number of {len(digits)} digits, expected 64 bits at most")
    return number
