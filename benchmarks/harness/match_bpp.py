"""Each codec at the rates that were asked for: its own quality scale is searched until the whole data set takes that
many bits a pixel.

    ladder --coded--> bpp of each point --+--within 5 % of the target?--yes--> the curve's point
                          ^               +--no--> the value that a straight line through log bpp says
                          +--------------------------coded------------------------------+

Bits never fall along a codec's scale but for small dents, so two neighbouring points with the target between them are
narrowed down:
whole numbers until none is left, real ones in steps of 1/64. Nothing is read by heads before the search is over.

Each rate is searched by itself. A value at which the codec fails ends no search: it is passed over, and what lies on
its two sides is narrowed down instead. Only rates that lie where it fails are not got, and their rows say what failed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.api import Comparison
from benchmarks.harness.answers import why_unavailable
from benchmarks.harness.cache import Store
from benchmarks.harness.conditions import conditions_of
from benchmarks.harness.config import Config
from benchmarks.harness.execute import code
from benchmarks.harness.executors import Executor
from benchmarks.harness.match_bytes import FINEST, rate_range
from benchmarks.harness.operating_points import Curve, point_label
from benchmarks.harness.plan import Cell, Plan, dataset_label, index_images
from benchmarks.harness.progress import Progress
from benchmarks.stats.anchors import members
from benchmarks.stats.bjontegaard import LEAST_POINTS
from hsc.errors import UnavailableError, UsageError

TOLERANCE = 0.05
_MOST = 24
"""Rounds of a search; halving a scale of a thousand values takes ten."""

_MOST_FAILURES = 12
"""Values of one codec that may fail before no more are tried."""


@dataclasses.dataclass
class Search:
    """One curve's scale. bpp: what is known of it, by value of the rate field, of all images; failed: why others cannot
    be coded, by value.
    """

    curve: Curve
    low: Any
    high: Any
    bpp: dict[Any, float] = dataclasses.field(default_factory=dict)
    failed: dict[Any, str] = dataclasses.field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def codec(self, value: Any) -> Any:
        found: Any = self.curve.points[0][1]
        return dataclasses.replace(found, **{found.rate_field: value})

    def nearest(self, target: float) -> Any:
        """The known value whose rate is nearest to the target by ratio."""
        return min(self.bpp, key=lambda value: abs(math.log(self.bpp[value] / target)))

    def reached(self, target: float) -> bool:
        return bool(self.bpp) and abs(self.bpp[self.nearest(target)] / target - 1) <= TOLERANCE

    def next(self, target: float) -> Any:
        """The value to try next, or None where the search is over: reached, or nothing left between, or beyond the end
        of the scale.
        """
        if self.reached(target) or len(self.failed) >= _MOST_FAILURES:
            return None
        if all(
            bpp >= target for bpp in self.bpp.values()
        ):  # the smallest file says at once whether there is anything to find
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
        """Why the values where this rate would lie could not be coded."""
        return [self.failed[value] for value in self._failed_between(target)]

    def _around(self, target: float) -> tuple[Any, Any]:
        """The values next to the target on both sides, as far as they are known, else the ends of the scale."""
        less = [v for v, bpp in self.bpp.items() if bpp < target]
        more = [v for v, bpp in self.bpp.items() if bpp >= target]
        return max(less, key=self._order) if less else self.low, min(more, key=self._order) if more else self.high

    def _failed_between(self, target: float) -> list[Any]:
        """Values that failed where this rate would lie, smallest file first; of a codec that never worked, all."""
        if not self.bpp:
            return list(self.failed)
        start, stop = map(self._place, self._around(target))
        return sorted((v for v in self.failed if start <= self._place(v) <= stop), key=self._place)

    def _share(self, below: Any, above: Any, target: float) -> float:
        """How far from one value to the other the target lies, by the logarithms of their rates; half where one is not
        known.
        """
        if not self.bpp.get(below, math.inf) < target <= self.bpp.get(above, 0.0):
            return 0.5
        rates = [math.log(bpp) for bpp in (self.bpp[below], target, self.bpp[above])]
        return min(max((rates[1] - rates[0]) / (rates[2] - rates[0]), 0.1), 0.9)

    def _place(self, value: Any) -> float:
        """Along the scale, 0 at its low end."""
        return float((value - self.low) / (self.high - self.low))

    def _order(self, value: Any) -> tuple[float, float]:
        """By rate, and where that stands still along the scale, by place."""
        return self.bpp[value], self._place(value)

    def _between(self, below: Any, above: Any, share: float) -> Any:
        """A value between two, ``share`` of the way; the untried end of the scale where nothing is left before it."""
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


def match(config: Config, store: Store, executor: Executor, progress: Progress) -> tuple[Config, list[Comparison]]:
    """The config with each curve at the points found for ``config.match_bpp``, and a row for each of them: got, or not
    and why.

    Curves without a scale of numbers stay as they are, and so do codecs that cannot run here. A curve that reaches none
    of the rates is left out. Differences need four points: with fewer rates there are none.

    Raises:
        UnavailableError, DataError: the data set cannot be used here.
    """
    if reason := why_unavailable(config.dataset):
        raise UnavailableError(reason)
    images = index_images(config, store, executor, progress)
    plan = Plan(config, images, [], {}, conditions=conditions_of(config.repeats, executor))
    searches = {curve.label: found for curve in config.curves if (found := _search(curve))}
    _run(plan, searches.values(), store, executor, progress)
    curves, matched = [], []
    for curve in config.curves:
        search = searches.get(curve.label)
        if search is None:
            curves.append(curve)
            continue
        values = dict.fromkeys(search.nearest(t) for t in config.match_bpp if search.reached(t))
        matched += [_matched_rate(plan, search, target) for target in config.match_bpp]
        if values:
            codecs = [search.codec(value) for value in values]
            curves.append(Curve(curve.label, tuple((point_label(codec), codec) for codec in codecs)))
    labels = [curve.label for curve in curves]
    enough = len(config.match_bpp) >= LEAST_POINTS
    anchors = tuple(
        a for a in config.anchors if enough and set(members(a, [c.label for c in config.curves])) <= set(labels)
    )
    return dataclasses.replace(config, curves=tuple(curves), anchors=anchors), matched


def _search(curve: Curve) -> Search | None:
    codec: Any = curve.points[0][1]
    if not codec.rate_field or why_unavailable(codec):
        return None
    low, high = rate_range(codec)
    return Search(curve, low, high) if all(isinstance(end, int | float) for end in (low, high)) else None


def _run(plan: Plan, searches: Any, store: Store, executor: Executor, progress: Progress) -> None:
    """Code what the searches ask for, round by round, all codecs of a round together."""
    wanted = [(search, getattr(c, c.rate_field)) for search in searches for _, c in search.curve.points]
    for _ in range(_MOST):
        made = [(search, value, codec) for search, value in wanted if (codec := _made(search, value)) is not None]
        coded = code(
            plan,
            [(search.curve.label, point_label(codec), codec) for search, _, codec in made],
            store,
            executor,
            progress,
        )
        for (search, value, _), cell in zip(made, coded.cells, strict=True):
            search.bpp |= {value: rate} if (rate := _bpp(plan, cell, store)) else {}
            if not rate:
                reasons = [coded.failures[k] for k in cell.streams if k in coded.failures] or [
                    "not coded (--overwrite never)"
                ]
                search.failed[value] = f"{point_label(search.codec(value))} failed: {reasons[0]}"
        asked = [(search, search.next(target)) for search in searches for target in plan.config.match_bpp]
        wanted = list({(s.curve.label, v): (s, v) for s, v in asked if v is not None}.values())
        if not wanted:
            return


def _made(search: Search, value: Any) -> Any:
    """The codec at a value of its scale; None, and the reason is kept, where it refuses a value within its own range."""
    try:
        return search.codec(value)
    except Exception as error:  # a plug-in may raise anything
        search.failed[value] = f"{search.curve.label} refuses {value!r}: {error}"
        return None


def _bpp(plan: Plan, cell: Cell, store: Store) -> float | None:
    """All bits over all pixels at one operating point, None where an image is missing."""
    sizes: Mapping[str, tuple[str, tuple[int, int]]] = {
        k: (i, p.image_hw) for k, (_, i, p) in zip(cell.streams, plan.images, strict=True)
    }
    known = store.streams(sizes)
    if any(key not in known for key in cell.streams):
        return None
    records = [known[key] for key in cell.streams]
    return 8 * sum(r.size_bytes for r in records) / sum(r.image_hw[0] * r.image_hw[1] for r in records)


def _matched_rate(plan: Plan, search: Search, target: float) -> Comparison:
    """The rate of the operating point that a search found for a target, or why it found none."""
    config = plan.config
    value = search.nearest(target) if search.bpp else None
    bpp = search.bpp.get(value, math.nan)
    point = "" if value is None else point_label(search.codec(value))
    reached, reason = search.reached(target), ""
    if not reached:
        nearest = f"{point} takes {bpp:.4f}, {bpp / target - 1:+.1%}" if point else "no point could be coded"
        reason = "; ".join([f"no point within 5 % of {target:g} bpp; {nearest}", *search.troubles(target)[:1]])
    return Comparison(
        kind="matched_rate",
        task=getattr(config.task, "spec_name", ""),
        dataset=dataset_label(plan),
        split=config.dataset.split,
        metric="bpp",
        codec=search.curve.label,
        point=point if reached else "",
        at_bpp=target,
        value=bpp,
        unit="bit/pixel",
        seed=config.seed,
        images=len(plan.images),
        status="ok" if reached else "n/a",
        reason=reason,
    )


def checked(targets: Sequence[float]) -> tuple[float, ...]:
    """Rates to match, each once, in the order given.

    Raises:
        UsageError: one of them is no rate.
    """
    for target in targets:
        if not (math.isfinite(target) and target > 0):
            raise UsageError(
                f"a rate to match came as {target:g}, expected bits per pixel above 0, as in --match-bpp 0.05 0.1 0.2"
            )
    return tuple(dict.fromkeys(targets))
