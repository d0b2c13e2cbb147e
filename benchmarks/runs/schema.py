"""What JSON of others must look like before anything is made of it: types, lengths and bounds, each refused by the name
of its place.

RUN = Fields({"seed": Whole(0, 2**63), "images": ListOf(TEXT, 10**6)})
check(json.loads(text), RUN, "run.json")
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.text import one_line

MOST_DEPTH = 20
_SHOWN = 60


class Shape(Protocol):
    """One kind of value."""

    def check(self, value: Any, where: str) -> None:
        """Raises ValueError where ``value`` is another."""


def check(value: Any, shape: Shape, where: str) -> None:
    """Refuse a value that is not of this shape.

    Raises:
        ValueError: what came, what was expected, and where.
    """
    shape.check(value, where)


def _refuse(value: Any, expected: str, where: str) -> None:
    came = (
        f"a {type(value).__name__} of {len(value)}"
        if isinstance(value, list | dict)
        else one_line(repr(value)[:_SHOWN])
    )
    raise ValueError(f"{one_line(where, 120)} is {came}, expected {expected}")


@dataclass(frozen=True)
class Text:
    """A text of so many characters."""

    most: int = 10_000
    least: int = 0

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, str):
            _refuse(value, "text", where)
        if not self.least <= len(value) <= self.most:
            raise ValueError(
                f"{one_line(where, 120)} is a text of {len(value):,} characters, expected {self.least} to {self.most:,}"
            )


@dataclass(frozen=True)
class Matching:
    """A text of at most so many characters that a pattern matches as a whole."""

    pattern: str
    most: int

    def check(self, value: Any, where: str) -> None:
        Text(self.most).check(value, where)
        if not re.fullmatch(self.pattern, value):
            _refuse(value, f"text of the form {self.pattern}", where)


@dataclass(frozen=True)
class OneOf:
    """One of a few texts."""

    allowed: tuple[str, ...]

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, str) or value not in self.allowed:
            _refuse(value, "one of " + ", ".join(self.allowed), where)


@dataclass(frozen=True)
class Truth:
    """True or false."""

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, bool):
            _refuse(value, "true or false", where)


@dataclass(frozen=True)
class Whole:
    """A whole number, both ends in."""

    low: int
    high: int

    def check(self, value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            _refuse(value, f"a whole number from {self.low} to {self.high}", where)


@dataclass(frozen=True)
class Number:
    """A number, both ends in; endless: infinities and NaN, too."""

    low: float
    high: float
    endless: bool = False

    def check(self, value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse(value, "a number", where)
        if isinstance(value, float) and not math.isfinite(value):
            if not self.endless:
                _refuse(value, "a finite number", where)
        elif not self.low <= value <= self.high:
            _refuse(value, f"a number from {self.low:g} to {self.high:g}", where)


@dataclass(frozen=True)
class Maybe:
    """A value, or null."""

    shape: Shape

    def check(self, value: Any, where: str) -> None:
        if value is not None:
            self.shape.check(value, where)


@dataclass(frozen=True)
class ListOf:
    """A list of at most so many values of one shape."""

    shape: Shape
    most: int
    least: int = 0

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            _refuse(value, f"a list of {self.least} to {self.most:,}", where)
        for number, one in enumerate(value):
            self.shape.check(one, f"{where}[{number}]")


@dataclass(frozen=True)
class Row:
    """A list of so many values, each of a shape of its own."""

    shapes: tuple[Shape, ...]

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, list) or len(value) != len(self.shapes):
            _refuse(value, f"a list of {len(self.shapes)}", where)
        for number, (one, shape) in enumerate(zip(value, self.shapes, strict=True)):
            shape.check(one, f"{where}[{number}]")


@dataclass(frozen=True)
class MapOf:
    """An object of at most so many values of one shape, under names of at most so many characters."""

    shape: Shape
    most: int
    longest: int = 1000

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, dict) or len(value) > self.most:
            _refuse(value, f"an object of at most {self.most:,}", where)
        for name, one in value.items():
            if len(name) > self.longest:
                raise ValueError(
                    f"{one_line(where, 120)} has a name of {len(name):,} characters, expected at most {self.longest:,}"
                )
            self.shape.check(one, f"{where}.{name}")


@dataclass(frozen=True)
class Plain:
    """Settings as plug-ins have them: any plain values of at most so many parts, numbers within 2^53, nested at most
    ``MOST_DEPTH`` deep.
    """

    most: int = 10_000
    endless: bool = True

    def check(self, value: Any, where: str) -> None:
        left = [self.most]
        self._part(value, where, 0, left)

    def _part(self, value: Any, where: str, depth: int, left: list[int]) -> None:
        left[0] -= 1
        if left[0] < 0 or depth > MOST_DEPTH:
            raise ValueError(
                f"{one_line(where, 120)} has more than {self.most:,} parts, or is nested more than {MOST_DEPTH} deep"
            )
        if isinstance(value, dict):
            for name, one in value.items():
                Text().check(name, where)
                self._part(one, f"{where}.{name}" if depth < 3 else where, depth + 1, left)
        elif isinstance(value, list):
            for one in value:
                self._part(one, where, depth + 1, left)
        elif isinstance(value, str):
            Text(100_000).check(value, where)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            Number(-(2**53), 2**53, endless=self.endless).check(value, where)


@dataclass(frozen=True)
class Fields:
    """An object with these fields, and perhaps ``maybe``; what else is in it is plain."""

    needed: Mapping[str, Shape]
    maybe: Mapping[str, Shape] = field(default_factory=dict)

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            _refuse(value, "an object", where)
        if missing := [name for name in self.needed if name not in value]:
            raise ValueError(f"{one_line(where, 120)} is cut: it has no {', '.join(missing)}")
        for name, one in value.items():
            shape = self.needed.get(name) or self.maybe.get(name) or _ANYTHING
            shape.check(one, f"{where}.{name}")


_ANYTHING = Plain(1_000_000)
