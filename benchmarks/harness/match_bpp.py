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
from benchmarks.harness.match_bytes import rate_range
from benchmarks.harness.operating_points import Curve, point_label, point_of
from benchmarks.harness.plan import Cell, Plan
from benchmarks.harness.progress import Progress
from benchmarks.harness.rate_search import RateSearch
from benchmarks.stats.anchors import members
from benchmarks.stats.bjontegaard import MIN_POINTS
from hsc.errors import UnavailableError, UsageError

_MAX_ROUNDS = 24
"""Rounds of a search; halving a scale of a thousand values takes ten."""


class Matched(NamedTuple):
    """A config with its curves at the points found, and a comparison for each codec and rate that was asked for."""

    config: Config
    comparisons: list[Comparison]


def match(config: Config, store: Store, executor: Executor, progress: Progress) -> Matched:
    """Search each curve for the points that take ``config.match_bpp``.

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
    return Matched(dataclasses.replace(config, curves=tuple(curves), anchors=anchors), matched)


def _search(curve: Curve) -> RateSearch | None:
    """The search of a curve; None where its codec has no scale of numbers, or cannot run here."""
    codec: Any = curve.points[0].codec
    if not codec.rate_field or why_unavailable(codec):
        return None
    low, high = rate_range(codec)
    return RateSearch(curve, low, high) if all(isinstance(end, int | float) for end in (low, high)) else None


class _Trial(NamedTuple):
    """A value to be tried in a search."""

    search: RateSearch
    value: Any


def _run(coder: Coder, searches: Sequence[RateSearch]) -> Plan:
    """Code what the searches ask for, round by round, all codecs of a round together. The answer is the last plan."""
    trials = [
        _Trial(search, getattr(point.codec, point.codec.rate_field))
        for search in searches
        for point in search.curve.points
        if point.codec.rate_field
    ]
    for _ in range(_MAX_ROUNDS):
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


def _matched_rate(plan: Plan, search: RateSearch, target: float) -> Comparison:
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
        dataset=plan.dataset_label,
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
