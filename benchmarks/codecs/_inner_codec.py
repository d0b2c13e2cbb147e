"""The codec inside a wrapper, named by a spec, and its rate axis as that of the wrapper."""

from __future__ import annotations

import functools
from typing import Any

from benchmarks.api import CODECS
from hsc.api import Codec, Ranged
from hsc.registry import Spec

Value = int | float | str | None
"""A value on the rate axis of the codec inside; None leaves it as the spec has it."""


@functools.lru_cache(maxsize=64)
def inner_codec(of: str, value: Value = None) -> Codec:
    """The codec of a spec, with another value of its rate field where one is given.

    Raises:
        UnknownNameError, SpecError: the spec or the value does not fit a codec.
    """
    spec = CODECS.parse(of)
    field = CODECS.build(spec).rate_field if value is not None else ""
    return CODECS.build(Spec(spec.name, {**spec.arguments, field: value}) if field else spec)


def is_swept(of: str) -> bool:
    """Whether a spec leaves the codec's rate field open, so that a wrapper has the codec's ladder."""
    return inner_codec(of).rate_field not in ("", *CODECS.parse(of).arguments)


def inner_ladder(of: str) -> tuple[Any, ...]:
    """The ladder of a spec's codec; empty for one operating point."""
    return tuple(inner_codec(of).ladder) if is_swept(of) else ()


def inner_range(of: str) -> tuple[Any, Any]:
    """The range of the rate axis of a spec's codec.

    Raises:
        AttributeError: it has one operating point, so that a wrapper of it is not ``Ranged``.
    """
    if not (ladder := inner_ladder(of)):
        raise AttributeError(f"{of} is one operating point")
    codec = inner_codec(of)
    return codec.rate_range if isinstance(codec, Ranged) else (ladder[0], ladder[-1])
