"""Codecs matched in rate: each codec's quality scale is searched until the data set takes the bits a pixel asked for.

    ladder --coded--> bpp of each point --+--within 5 % of the target?--yes--> the curve's point
                          ^               +--no--> the value on a straight line through log bpp
                          +--------------------------coded------------------------------+

Bits never fall along a codec's scale but for small dents, so the interval between two neighbouring points around the
target is narrowed down: whole numbers until none is left, real ones in steps of 1/64. No head reads anything before the
search is over.

Each rate is searched by itself. A value at which the codec fails ends no search: it is passed over, and the intervals
on its two sides are narrowed down instead. Only rates that lie where it fails are missed, and their rows say what
failed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.api import Comparison
from benchmarks.harness.cache import Store
from benchmarks.harness.config import Config
from benchmarks.harness.execute import Coder
from benchmarks.harness.executors import Executor
from benchmarks.harness.guard import why_unavailable
from benchmarks.harness.index_images import index_images
from benchmarks.harness.keys import registered_name
from benchmarks.harness.match_bytes import FINEST, rate_range
from benchmarks.harness.operating_points import Curve, point_label, point_of
from benchmarks.harness.plan import Cell, Plan, dataset_label
from benchmarks.harness.progress import Progress
from benchmarks.stats.anchors import members
from benchmarks.stats.bjontegaard import MIN_POINTS
from hsc.errors import UnavailableError, UsageError

TOLERANCE = 0.05
_MOST = 24
"""Rounds of a search; halving a scale of a thousand values takes ten."""

_MOST_FAILURES = 12
"""Values of one codec that may fail before no more are tried."""


@dataclasses.dataclass
class Search:
    """The search along one curve's scale.

    low, high: the ends of the scale, smallest file first. bpp: rates over all images that are known, by value of the
    rate field. failed: reasons of values that cannot be coded.
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
        """The curve's codec at a value of its scale."""
        first: Any = self.curve.points[0].codec
        return dataclasses.replace(first, **{first.rate_field: value})

    def nearest(self, target: float) -> Any:
        """The known value whose rate is nearest to the target by ratio."""
        return min(self.bpp, key=lambda value: abs(math.log(self.bpp[value] / target)))

    def reached(self, target: float) -> bool:
        return bool(self.bpp) and abs(self.bpp[self.nearest(target)] / target - 1) <= TOLERANCE

    def next(self, target: float) -> Any:
        """The value to try next, or None where the search is over: the target is reached, no value is left around it,
        or it lies beyond the end of the scale.
        """
        if self.reached(target) or len(self.failed) >= _MOST_FAILURES:
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


def match(config: Config, store: Store, executor: Executor, progress: Progress) -> tuple[Config, list[Comparison]]:
    """The config with each curve at the points found for ``config.match_bpp``, and a comparison for each rate.

    Curves without a scale of numbers stay as they are, and so do codecs that cannot run here. A curve that reaches none
    of the rates is left out. Differences need four points; with fewer rates the config has no anchors.

    Raises:
        UnavailableError, DataError: the data set cannot be used here.
    """
    if reason := why_unavailable(config.dataset):
        raise UnavailableError(reason)
    images = index_images(config, store, executor, progress)
    searches = {curve.label: search for curve in config.curves if (search := _search(curve))}
    plan = _run(Coder(config, images, store, executor, progress), list(searches.values()))
    curves, matched = [], []
    for curve in config.curves:
        search = searches.get(curve.label)
        if search is None:
            curves.append(curve)
            continue
        values = dict.fromkeys(search.nearest(t) for t in config.match_bpp if search.reached(t))
        matched += [_matched_rate(plan, search, target) for target in config.match_bpp]
        if values:
            curves.append(Curve(curve.label, tuple(point_of(search.codec(value)) for value in values)))
    labels = [curve.label for curve in curves]
    enough = len(config.match_bpp) >= MIN_POINTS
    anchors = tuple(
        a for a in config.anchors if enough and set(members(a, [c.label for c in config.curves])) <= set(labels)
    )
    return dataclasses.replace(config, curves=tuple(curves), anchors=anchors), matched


def _search(curve: Curve) -> Search | None:
    """The search of a curve; None where its codec has no scale of numbers, or cannot run here."""
    codec: Any = curve.points[0].codec
    if not codec.rate_field or why_unavailable(codec):
        return None
    low, high = rate_range(codec)
    return Search(curve, low, high) if all(isinstance(end, int | float) for end in (low, high)) else None


class _Trial(NamedTuple):
    """A value to be tried in a search."""

    search: Search
    value: Any


def _run(coder: Coder, searches: Sequence[Search]) -> Plan:
    """Code what the searches ask for, round by round, all codecs of a round together. The answer is the last plan."""
    trials = [
        _Trial(search, getattr(point.codec, point.codec.rate_field))
        for search in searches
        for point in search.curve.points
        if point.codec.rate_field
    ]
    for _ in range(_MOST):
        plan = _try(coder, trials)
        asked = [_Trial(search, search.next(target)) for search in searches for target in coder.config.match_bpp]
        trials = list({(t.search.curve.label, t.value): t for t in asked if t.value is not None}.values())
        if not trials:
            break
    return plan


def _try(coder: Coder, trials: Sequence[_Trial]) -> Plan:
    """Code all values of a round, and write rates and failures into their searches."""
    valid = [(trial, codec) for trial in trials if (codec := _codec_at(trial)) is not None]
    plan = coder.code([Curve(trial.search.curve.label, (point_of(codec),)) for trial, codec in valid])
    for (trial, codec), cell in zip(valid, plan.cells, strict=True):
        if rate := _bpp(plan, cell, coder.store):
            trial.search.bpp[trial.value] = rate
        else:
            reasons = [plan.failures[key] for key in cell.streams if key in plan.failures]
            reason = reasons[0] if reasons else "not coded (--overwrite never)"
            trial.search.failed[trial.value] = f"{point_label(codec)} failed: {reason}"
    return plan


def _codec_at(trial: _Trial) -> Any:
    """The codec at a value of its scale; None where it refuses the value, and the search keeps the reason."""
    try:
        return trial.search.codec(trial.value)
    except Exception as error:  # a plug-in may raise anything
        trial.search.failed[trial.value] = f"{trial.search.curve.label} refuses {trial.value!r}: {error}"
        return None


def _bpp(plan: Plan, cell: Cell, store: Store) -> float | None:
    """All bits over all pixels at one operating point, None where an image is missing."""
    known = store.streams(dict(zip(cell.streams, plan.images, strict=True)))
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
        task=registered_name(config.task),
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
        UsageError: one of them is not finite or not above 0.
    """
    for target in targets:
        if not (math.isfinite(target) and target > 0):
            raise UsageError(
                f"a rate to match came as {target:g}, expected bits per pixel above 0, as in --match-bpp 0.05 0.1 0.2"
            )
    return tuple(dict.fromkeys(targets))
