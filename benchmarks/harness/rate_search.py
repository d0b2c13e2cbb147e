"""The search of a codec's quality scale for a rate: which value to try next, given the rates that are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.harness.match_bytes import FINEST
from benchmarks.harness.operating_points import Curve

TOLERANCE = 0.05
"""How far, relative to the target, a rate may lie from it and still count as reached."""
_MAX_FAILURES = 12
"""Values of one codec that may fail before no more are tried."""


@dataclass
class RateSearch:
    """The search along one curve's scale.

    low, high: the ends of the scale, smallest file first. bpp: rates over all images that are known, by value of the
    rate field. failed: reasons of values that cannot be coded.
    """

    curve: Curve
    low: Any
    high: Any
    bpp: dict[Any, float] = field(default_factory=dict)
    failed: dict[Any, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def codec(self, value: Any) -> Any:
        """The curve's codec at a value of its scale."""
        first: Any = self.curve.points[0].codec
        return replace(first, **{first.rate_field: value})

    def nearest(self, target: float) -> Any:
        """The known value whose rate is nearest to the target by ratio."""
        return min(self.bpp, key=lambda value: abs(math.log(self.bpp[value] / target)))

    def reached(self, target: float) -> bool:
        return bool(self.bpp) and abs(self.bpp[self.nearest(target)] / target - 1) <= TOLERANCE

    def next(self, target: float) -> Any:
        """The value to try next, or None where the search is over: the target is reached, no value is left around it,
        or it lies beyond the end of the scale.
        """
        if self.reached(target) or len(self.failed) >= _MAX_FAILURES:
            return None
        if all(bpp >= target for bpp in self.bpp.values()):  # the smallest file shows whether the target can be reached
            if not self._tried(self.low):
                return self.low
            if not self.bpp or self.low in self.bpp:
                return None
        below, above = self._around(target)
        failed = self._failed_between(target)
        if not failed:
            return self._between(below, above, self._share(below, above, target))
        gaps = [(below, failed[0]), (failed[-1], above)]
        return next((value for start, stop in gaps if (value := self._between(start, stop, 0.5)) is not None), None)

    def troubles(self, target: float) -> list[str]:
        """The reasons of the values around this rate that could not be coded."""
        return [self.failed[value] for value in self._failed_between(target)]

    def _around(self, target: float) -> tuple[Any, Any]:
        """The known values next to the target on both sides; the ends of the scale where none is known."""
        less = [v for v, bpp in self.bpp.items() if bpp < target]
        more = [v for v, bpp in self.bpp.items() if bpp >= target]
        return max(less, key=self._order) if less else self.low, min(more, key=self._order) if more else self.high

    def _failed_between(self, target: float) -> list[Any]:
        """Values around this rate that failed, smallest file first; all that failed of a codec that never worked."""
        if not self.bpp:
            return list(self.failed)
        start, stop = map(self._place, self._around(target))
        return sorted((v for v in self.failed if start <= self._place(v) <= stop), key=self._place)

    def _share(self, below: Any, above: Any, target: float) -> float:
        """The share of the way from one value to the other at which the target lies, by the logarithms of their rates;
        a half where one is not known.
        """
        if not self.bpp.get(below, math.inf) < target <= self.bpp.get(above, 0.0):
            return 0.5
        rates = [math.log(bpp) for bpp in (self.bpp[below], target, self.bpp[above])]
        return min(max((rates[1] - rates[0]) / (rates[2] - rates[0]), 0.1), 0.9)

    def _place(self, value: Any) -> float:
        """Along the scale, 0 at its low end."""
        return float((value - self.low) / (self.high - self.low))

    def _order(self, value: Any) -> tuple[float, float]:
        """A value's rank: by rate, values of equal rate by place."""
        return self.bpp[value], self._place(value)

    def _between(self, below: Any, above: Any, share: float) -> Any:
        """A value ``share`` of the way between two; one of the two, if untried, where no value is left between them."""
        if abs(above - below) > (1 if self.whole else FINEST):
            value = below + share * (above - below)
            inner = sorted((below, above))
            unit = 1 if self.whole else FINEST
            value = min(max(round(value / unit) * unit, inner[0] + unit), inner[1] - unit)
            if not self._tried(value):
                return value
        return next((end for end in (below, above) if not self._tried(end)), None)

    def _tried(self, value: Any) -> bool:
        return value in self.bpp or value in self.failed
