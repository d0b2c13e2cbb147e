"""The search of a codec's quality scale for the border between settings that miss an aim and those that reach it.

    smallest file  x  x  x  .  .  o  .  o  o  largest file       x misses, o reaches, . not tried
                         ^        ^
                       below   reached: it and all larger ones that were tried reach the aim

An aim is given by margins: of each value tried, how far it lies above the aim, 0 or more where it reaches it. The first
values are those of the codec's ladder, its largest file before all others, so that a search that is ended early has an
answer; then the part of the scale between ``below`` and ``reached`` is narrowed down, until their files differ by no
more than 5 % or no value is left between them. Where a guess of the border is given, the search begins there in place
of the ladder, and goes away from it in growing steps until the border is passed.

With margins that rise along the scale this is a fixed-sequence test from the largest file down, which stops at the
first value that misses: each value could be tested in that order, and those that are skipped would have passed. Such a
test needs no correction for the number of values (Maurer, Hothorn, Lehmacher, "Multiple comparisons in drug clinical
trials and preclinical assays: a-priori ordered hypotheses", 1995; Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then
test", 2021). Where margins dip, a dip that was met counts: nothing below a value that misses is taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from benchmarks.harness.match_bytes import FINEST, rate_range
from benchmarks.harness.operating_points import Curve
from benchmarks.harness.rate_search import TOLERANCE
from hsc.api import Codec

_MAX_FAILURES = 12
"""Values of one codec that may fail before no more are tried."""
_LEAST_STEP = 0.25
"""The share of an interval that each new value takes off it at least."""
_FIRST_STEP = 1 / 32
"""The part of the scale between a guess of the border and the second value tried."""


class Border(NamedTuple):
    """The two values around the aim, None where there is none on that side."""

    below: Any
    reached: Any


@dataclass(frozen=True)
class Scale:
    """The settings of one curve, smallest file first.

    ladder: the values to begin with: of the codec's rate field, or the places of the curve's points where its codec
    has no scale of numbers. ends: those of a scale of numbers, else None.
    """

    curve: Curve
    ladder: tuple[Any, ...]
    ends: tuple[float, float] | None

    @classmethod
    def of(cls, curve: Curve) -> Scale:
        """The scale of a curve; of one without a scale of numbers, its points in their order."""
        codec: Any = curve.points[0].codec
        low: Any
        high: Any
        low, high = rate_range(codec) if codec.rate_field else (None, None)
        if low == high or not (_is_number(low) and _is_number(high)):
            return cls(curve, tuple(range(len(curve.points))), None)
        scale = cls(curve, (), (low, high))
        values = {getattr(point.codec, codec.rate_field) for point in curve.points}
        return replace(scale, ladder=tuple(sorted(values, key=scale.place)))

    def codec(self, value: Any) -> Codec:
        """The curve's codec at a value. Raises what the codec raises where it refuses the value."""
        if self.ends is None:
            return self.curve.points[int(value)].codec
        first: Any = self.curve.points[0].codec
        changed: Codec = replace(first, **{first.rate_field: value})
        return changed

    def place(self, value: Any) -> float:
        """Where a value lies, 0 at the end of small files and 1 at that of large ones."""
        if self.ends is None:
            return float(value / max(1, len(self.curve.points) - 1))
        low, high = self.ends
        return float((value - low) / (high - low))

    def at(self, place: float) -> Any:
        """The value of a scale of numbers at a place, or the next one of larger files; places beyond an end are that
        end.
        """
        assert self.ends is not None
        low, high = self.ends
        if not 0 < place < 1:
            return self.ends[int(place >= 1)]
        unit = 1 if self._whole else FINEST
        steps = (low + place * (high - low)) / unit
        step = math.ceil(steps - 1e-9) if high > low else math.floor(steps + 1e-9)
        return step if self._whole else step * unit

    def border(self, margins: Mapping[Any, float]) -> Border:
        """The largest value that misses the aim, and the smallest above all that miss it."""
        reached = None
        for value in sorted(margins, key=self.place, reverse=True):
            if not margins[value] >= 0:
                return Border(value, reached)
            reached = value
        return Border(None, reached)

    def next(
        self, margins: Mapping[Any, float], sizes: Mapping[Any, float], failed: Mapping[Any, str], guess: Any = None
    ) -> Any:
        """The value to try next, or None where the border is found or lies beyond an end of the scale.

        margins, sizes: of the values tried, the sizes in bytes. failed: reasons of values that could not be coded.
        guess: a value near which the border is thought to lie, None for none.
        """
        below, reached = self.border(margins)
        untried = [value for value in self.ladder if value not in margins and value not in failed]
        if len(failed) >= _MAX_FAILURES:
            return None
        if guess is not None and self.ends is not None and not self._narrow(below, reached, sizes):
            value = self._near(guess, below, reached, {*margins, *failed})
            if value is not None:
                return value
            untried = []
        if not margins:
            return untried[-1] if untried else self._end(1, margins, failed)
        low, high = (-1.0 if below is None else self.place(below), 2.0 if reached is None else self.place(reached))
        inside = [value for value in untried if low < self.place(value) < high]
        if reached is None:
            return inside[-1] if inside else self._beyond(below, margins, failed)
        if below is None:
            return inside[len(inside) // 2] if inside else self._end(0, margins, failed)
        if self._narrow(below, reached, sizes):
            return None
        rise = margins[reached] - margins[below]
        share = min(max(-margins[below] / rise if rise > 0 else 0.5, _LEAST_STEP), 1 - _LEAST_STEP)
        wanted = low + share * (high - low)
        if inside:
            return min(inside, key=lambda value: abs(self.place(value) - wanted))
        return self._nearest(wanted, (below, reached), {*margins, *failed})

    @property
    def _whole(self) -> bool:
        """Whether the values are whole numbers."""
        return self.ends is not None and all(isinstance(end, int) for end in self.ends)

    def _narrow(self, below: Any, reached: Any, sizes: Mapping[Any, float]) -> bool:
        """Whether the two values around the border are known, and their files differ by little."""
        return below is not None and reached is not None and sizes[reached] <= (1 + TOLERANCE) * sizes[below]

    def _near(self, guess: Any, below: Any, reached: Any, tried: set[Any]) -> Any:
        """The value to try next around a guess: the guess itself, and then away from it, towards the border, each step
        twice as long as the one before; None once the border was passed.
        """
        place = self.place(guess)
        low, high = (-1.0 if below is None else self.place(below), 2.0 if reached is None else self.place(reached))
        if low < place < high:
            if guess not in tried:
                return guess
        elif place >= high:
            place -= 2 * (place - high) + _FIRST_STEP
        else:
            place += 2 * (low - place) + _FIRST_STEP
        if not low < place < high:
            return None
        assert self.ends is not None
        if not 0 < place < 1:
            end = self.ends[int(place >= 1)]
            return None if end in tried else end
        around = (self.ends[0] if below is None else below, self.ends[1] if reached is None else reached)
        return self._nearest(place, around, tried)

    def _beyond(self, below: Any, margins: Mapping[Any, float], failed: Mapping[Any, str]) -> Any:
        """A value above all that were tried: halfway to the scale's end, and where that misses too, the end itself, so
        that an aim out of reach costs two of the slowest settings and no more.
        """
        if self.ends is None:
            return None
        top = self.ladder[-1]
        if self.place(below) <= self.place(top) < 1:
            halfway = self._nearest((self.place(below) + 1) / 2, (below, self.ends[1]), {*margins, *failed})
            if halfway is not None:
                return halfway
        return self._end(1, margins, failed)

    def _end(self, which: int, margins: Mapping[Any, float], failed: Mapping[Any, str]) -> Any:
        value = self.ends[which] if self.ends else None
        return None if value in margins or value in failed else value

    def _nearest(self, place: float, around: tuple[Any, Any], tried: set[Any]) -> Any:
        """The untried value strictly between two that lies nearest to a place; None where there is none."""
        if self.ends is None:
            return None
        whole = self._whole
        unit = 1 if whole else FINEST
        first, last = sorted(around)
        steps = range(int(first / unit) + 1, int(-(-last // unit)))
        values = [step if whole else step * unit for step in steps if first < step * unit < last]
        values = [value for value in values if value not in tried]
        return min(values, key=lambda value: abs(self.place(value) - place), default=None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
