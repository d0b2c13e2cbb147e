"""What codecs around another codec share: the codec inside, named by a spec, and its rate axis as their own."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.api import CODECS
from benchmarks.codecs._of_each import OfEach
from hsc.api import Codec, Ranged
from hsc.registry import Spec

Value = int | float | str | None
"""A value on the rate axis of the codec inside; None leaves it as the spec has it."""


@dataclass(frozen=True)
class Wrapper:
    """A codec around another one, at one operating point or along the ladder of the codec inside.

    of: the codec. value: a value of its rate field, such as quality or qp. A wrapper says by itself what ``data_only``
    is, and adds its own version to ``provenance``.
    """

    of: str = "jpeg"
    value: Value = None

    rate_field: ClassVar[Any] = OfEach(lambda codec: "value" if _is_swept(codec.of) else "", "value")
    ladder: ClassVar[Any] = OfEach(lambda codec: _ladder(codec.of), (5, 10, 20, 35, 50, 75))
    rate_range: ClassVar[Any] = OfEach(lambda codec: _range(codec.of), (1, 100))

    def __post_init__(self) -> None:
        if isinstance(self.inner, type(self)):
            name = CODECS.spec(self.inner).name
            raise ValueError(f"{self.of} is {name} already; name the codec inside of it alone")

    @property
    def inner(self) -> Codec:
        """The codec inside. Raises UnknownNameError, SpecError where the spec or the value fits no codec."""
        return inner_codec(self.of, self.value)

    def available(self) -> str | None:
        return self.inner.available()

    def provenance(self) -> Mapping[str, str]:
        """That of the codec inside."""
        return self.inner.provenance()


@functools.lru_cache(maxsize=64)
def inner_codec(of: str, value: Value = None) -> Codec:
    """The codec of a spec, with another value of its rate field where one is given.

    Raises:
        UnknownNameError, SpecError: the spec or the value fits no codec.
    """
    spec = CODECS.parse(of)
    field = CODECS.build(spec).rate_field if value is not None else ""
    return CODECS.build(Spec(spec.name, {**spec.arguments, field: value}) if field else spec)


def _is_swept(of: str) -> bool:
    """Whether a spec leaves the codec's rate field open, so that a wrapper has the codec's ladder."""
    return inner_codec(of).rate_field not in ("", *CODECS.parse(of).arguments)


def _ladder(of: str) -> tuple[Any, ...]:
    """The ladder of a spec's codec; empty for one operating point."""
    return tuple(inner_codec(of).ladder) if _is_swept(of) else ()


def _range(of: str) -> tuple[Any, Any]:
    """The range of the rate axis of a spec's codec.

    Raises:
        AttributeError: it has one operating point, so that a wrapper of it is not ``Ranged``.
    """
    if not (ladder := _ladder(of)):
        raise AttributeError(f"{of} is one operating point")
    codec = inner_codec(of)
    return codec.rate_range if isinstance(codec, Ranged) else (ladder[0], ladder[-1])
