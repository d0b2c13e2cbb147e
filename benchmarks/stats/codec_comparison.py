"""Which codec is best at a rate or against an anchor, and how far it leads each other, with intervals of the difference
itself.

a head's curves, or its points at matched rates --> at_rate(ap): scores at common rates --best less each other-->
d_at_rate(ap) Bjontegaard differences against an anchor -------------------------------------------------best less each
other--> d_bd_rate(ap), d_bd_ap

Two intervals that overlap say nothing about their difference; both codecs on the same resamples do (as in
``bootstrap``). What is printed in bold as the best rests on these rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.api import Row
from benchmarks.stats.anchors import members
from benchmarks.stats.bd_comparison import Measured, anchor_of, measured, refusals, views
from benchmarks.stats.bjontegaard import Axis, Curves, bd_metric, bd_rate
from benchmarks.stats.bjontegaard import differences as of_resamples
from benchmarks.stats.bootstrap import Bootstrap, Floats, interval
from benchmarks.stats.design import Design
from benchmarks.stats.metric_facts import scale_of

COMMON_BPP = tuple(digit * 10.0**power for power in range(-3, 2) for digit in (1, 2, 5))
"""Bits per pixel at which codecs are compared where a run names no rates itself: round numbers, so that nobody chose
them for a codec.
"""
LESS = "less "
"""How the part of a row begins that says whose difference against the anchor was taken off."""


class Entry(NamedTuple):
    """A codec in a comparison. point: where it was measured, empty where its curve was read between points; samples:
    (R,).

    value, samples: negative where less is better, so that the most is the best.
    """

    codec: str
    point: str
    value: float
    samples: Floats
    reason: str = ""


def leads(design: Design, rows: Sequence[Row], bootstrap: Bootstrap) -> list[Row]:
    """Scores at common rates, and by how much the best of each comparison is better than every other codec in it.

    rows: of the run, with those of the search where rates were matched.
    """
    second = {curve.label for curve in design.curves if curve.second_of}
    found: list[Row] = []
    for base in views(design, rows):
        metric, scale = base.metric, scale_of(base.metric)
        seen = {
            label: one
            for label, one in measured(design, rows, bootstrap, base.head, base.route).items()
            if label not in second
        }
        for part, entries in _at_rates(design, rows, bootstrap, base, seen):
            at = replace(base, part=part, unit=scale.unit, metric=f"at_rate({metric})")
            found += [
                _row(
                    replace(at, codec=one.codec, point=one.point),
                    scale.sign * one.value,
                    scale.sign * one.samples,
                    one.reason,
                )
                for one in entries
            ]
            at = replace(at, metric="d_" + at.metric)
            found += [
                _row(replace(at, codec=best.codec, anchor=other.codec), *_apart(best, other, scale.sign))
                for best, other in _pairs(entries)
            ]
        for anchor in design.anchors:
            for name, unit, entries in _against(design, seen, anchor, metric):
                at = replace(base, metric="d_" + name, unit=unit, anchor=anchor)
                sign = -1 if unit == "%" else scale.sign
                for best, other in _pairs(entries):
                    found.append(
                        _row(replace(at, codec=best.codec, part=LESS + other.codec), *_apart(best, other, sign))
                    )
    return found


def _pairs(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """The best entry beside each other; none where it is alone."""
    if not entries:
        return []
    best = max(entries, key=lambda one: one.value)
    return [(best, other) for other in entries if other is not best]


def _apart(best: Entry, other: Entry, sign: int) -> tuple[float, Floats, str]:
    return sign * (best.value - other.value), sign * (best.samples - other.samples), ""


def _row(base: Row, value: float, samples: Floats, reason: str) -> Row:
    low, high, refused = interval(samples)
    said = [reason, refusals(samples) if refused and len(samples) else ""]
    return replace(base, value=value, low=low, high=high, reason="; ".join(filter(None, said)))


def _at_rates(
    design: Design, rows: Sequence[Row], bootstrap: Bootstrap, base: Row, seen: Mapping[str, Measured]
) -> Iterator[tuple[str, list[Entry]]]:
    if design.match_bpp:
        yield from _at_points(rows, bootstrap, base)
        return
    ladders = {curve.label for curve in design.curves if curve.points[0]}
    curves = {label: one for label, one in seen.items() if label in ladders}
    for bpp in COMMON_BPP:
        entries = [
            entry for label, one in curves.items() if (entry := _read(label, one, bpp, scale_of(base.metric).bounds))
        ]
        if len(entries) > 1:
            yield f"{bpp:g} bpp", entries


def _read(label: str, one: Measured, bpp: float, bounds: tuple[float, float]) -> Entry | None:
    """A curve's score at a rate between its points; None where it does not reach so far."""
    curve, at = Curves.of(one.points, bounds), math.log(bpp)
    value = float(curve.at(np.array([at]))[0])
    if math.isnan(value):
        return None
    return Entry(label, "", value, one.curves.at(np.full(len(one.rates), at)), "fit" if curve.fitted[0] else "pchip")


def _at_points(rows: Sequence[Row], bootstrap: Bootstrap, base: Row) -> Iterator[tuple[str, list[Entry]]]:
    """The scores of the points that a search found for each rate."""
    scores = {
        (r.codec, r.point): r
        for r in rows
        if (r.metric, r.head, r.route, r.part) == (base.metric, base.head, base.route, "") and not r.anchor
    }
    found: dict[str, list[Entry]] = {}
    sign = scale_of(base.metric).sign
    for row in (r for r in rows if r.metric == "matched_bpp" and r.status == "ok"):
        score = scores.get((row.codec, row.point))
        if score and score.status == "ok" and not math.isinf(score.value):
            samples = sign * bootstrap.scores.get((base.head, base.route, row.codec, row.point), np.empty(0))
            found.setdefault(row.part, []).append(
                Entry(row.codec, row.point, sign * score.value, samples, f"at {row.value:.4f} bpp")
            )
    yield from found.items()


def _against(
    design: Design, seen: Mapping[str, Measured], anchor: str, metric: str
) -> Iterator[tuple[str, str, list[Entry]]]:
    """The Bjontegaard differences that have a value, by name and unit."""
    known = design.labels
    within = {label: seen[label] for label in members(anchor, known) if label in seen}
    labels = [
        curve.label for curve in design.curves if curve.points[0] and curve.label in seen and curve.label not in within
    ]
    if not within:
        return
    scale = scale_of(metric)
    points, curves = anchor_of(list(within.values()), scale.bounds)
    ways: tuple[tuple[str, str, Axis], ...] = (
        (f"bd_rate({metric})", "%", "quality"),
        (f"bd_{metric}", scale.unit, "log_rate"),
    )
    for name, unit, over in ways:
        entries, sign = [], -1 if unit == "%" else 1
        for label in labels:
            value = (bd_rate if unit == "%" else bd_metric)(points, seen[label].points, scale.bounds).value
            if value is not None:
                entries.append(
                    Entry(label, "", sign * value, sign * of_resamples(curves, seen[label].curves, over).value)
                )
        yield name, unit, entries
