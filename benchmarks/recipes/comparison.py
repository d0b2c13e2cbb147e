"""Published figures beside those of a run, each difference by the rate definition of its source.

    scores.csv --+                                +-- same codec, same setting: value against value
                 +--compare--> PublishedRow ------+-- another codec: ours read at the published rate
    references --+                                +-- uncompressed pictures: the head's own score

A published figure has no interval here and counts as exact, so the interval of a difference is that of our score. A
score read between two operating points is linear in the logarithm of the rate, and so are the ends of its interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.api import RATES
from benchmarks.recipes.recipe import Published, Recipe
from benchmarks.reporting.paper.published_references import PublishedCurve, find_reference
from benchmarks.runs.results import Results
from benchmarks.stats import local_reading
from downstream.api import HEADS
from hsc.registry import parse_spec

ORIGINAL = "original"


@dataclass(frozen=True)
class PublishedRow:
    """One published figure beside ours: the columns of ``published.csv``, in this order.

    reference, curve, point: of the publication. metric: the score compared, or the rate itself. rate: the definition of
    the published rate. bits: what it counts. published_rate: NaN for uncompressed pictures. codec, here_point, head: of
    the run; ``here_point`` is empty where the curve was read between its points. difference: ours less the published
    one; low, high: the ends of its 95 % interval, NaN where our score has none. images: of the run. status: "ok", or
    "n/a" with the reason; where it is "ok", ``reason`` says what differs from the source. differs: the same, one text a
    difference; no column of its own.
    """

    reference: str
    curve: str
    point: str
    metric: str
    rate: str
    bits: str
    published_rate: float
    published: float
    codec: str
    here_point: str = ""
    head: str = ""
    here: float = math.nan
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    images: int = 0
    status: str = "ok"
    reason: str = ""
    differs: tuple[str, ...] = ()


class _Figure(NamedTuple):
    """A score here with the ends of its interval, NaN where there is none; reason: why there is no value."""

    value: float
    low: float
    high: float
    reason: str = ""


def compare(recipe: Recipe, results: Results) -> list[PublishedRow]:
    """Every published figure of a recipe beside that of a run.

    Raises:
        UnknownNameError: a reference or a rate definition is not known.
    """
    return [row for published in recipe.published for row in _Comparison(recipe, published, results).rows()]


class _Comparison:
    """The figures of one reference beside those of a run."""

    def __init__(self, recipe: Recipe, published: Published, results: Results) -> None:
        scores = results.scores
        self.published = published
        self.reference = find_reference(published.reference)
        self.rate_metric = RATES.build(self.reference.rate).metric
        self.scores = scores[(scores["part"] == "") & (scores["ladder"] == "") & (scores["status"] == "ok")]
        self.images = int(scores["images"].max()) if len(scores) else 0
        self.own_head = str(HEADS.spec(HEADS.build(published.head))) if published.head else ""
        other = recipe.images and self.images != recipe.images
        count = f"{self.images:,} images here, {recipe.images:,} in the source" if other else ""
        self.differs = tuple(filter(None, [count, published.note]))

    def rows(self) -> Iterator[PublishedRow]:
        """The rows of the uncompressed pictures, then those of each published point."""
        for metric, value in self.published.original.items():
            blank = self._blank(ORIGINAL, "", metric, value, math.nan, codec=ORIGINAL)
            yield from self._by_heads(blank, self._score)
        for curve in self.reference.curves:
            for number in range(len(curve.bpp)):
                yield from self._of_point(curve, number)

    def _of_point(self, curve: PublishedCurve, number: int) -> Iterator[PublishedRow]:
        """The rows of one published operating point."""
        point, rate = curve.points[number] if curve.points else "", curve.bpp[number]
        scores = {name: (values[number], curve.bpp_of(name)[number]) for name, values in curve.scores.items()}
        same = self.published.here.get(curve.codec)
        if same:
            here_point = self.published.points.get(point, point)
            named = {"codec": self._label(same), "here_point": here_point}
            blank = self._blank(curve.codec, point, self.rate_metric, rate, rate, **named)
            yield self._filled(blank, self._score(blank))
            for metric, (value, own) in scores.items():
                yield from self._by_heads(self._blank(curve.codec, point, metric, value, own, **named), self._score)
            return
        for codec in self.published.beside:
            for metric, (value, own) in scores.items():
                blank = self._blank(curve.codec, point, metric, value, own, codec=self._label(codec))
                yield from self._by_heads(blank, self._reading)

    def _blank(self, curve: str, point: str, metric: str, published: float, rate: float, **ours: str) -> PublishedRow:
        """A row without a number of ours. rate: the published one. ours: the columns of our codec."""
        return PublishedRow(
            reference=self.reference.name,
            curve=curve,
            point=point,
            metric=metric,
            rate=self.reference.rate,
            bits=self.reference.bits,
            published_rate=rate,
            published=published,
            images=self.images,
            **ours,  # type: ignore[arg-type]
        )

    def _by_heads(self, blank: PublishedRow, figure: Callable[[PublishedRow], _Figure]) -> Iterator[PublishedRow]:
        """A row for the source's own head, where the run has it, else one for each that has the metric."""
        heads = list(dict.fromkeys(self.scores.loc[self.scores["metric"] == blank.metric, "head"]))
        for head in [self.own_head] if self.own_head in heads else heads or [self.own_head]:
            row = replace(blank, head=head)
            yield self._filled(row, figure(row))

    def _filled(self, row: PublishedRow, figure: _Figure) -> PublishedRow:
        if figure.reason:
            return replace(row, status="n/a", reason=figure.reason)
        other = row.head and self.own_head not in ("", row.head)
        of_head = (f"the source's head is {self.reference.head}",) if other else ()
        differs = (*of_head, *self.differs)
        return replace(
            row,
            here=figure.value,
            difference=figure.value - row.published,
            low=figure.low - row.published,
            high=figure.high - row.published,
            reason="; ".join(differs),
            differs=differs,
        )

    def _label(self, codec: str) -> str:
        """The label of our curve: that of this name, else the first of this codec."""
        labels = list(dict.fromkeys(self.scores["codec"]))
        if codec in labels:
            return codec
        name = parse_spec(codec).name
        return next((label for label in labels if label and parse_spec(label).name == name), codec)

    def _lines(self, codec: str, head: str, metric: str) -> pd.DataFrame:
        """The rows of a codec's scores by a head, by point in the order of the run; rates have no head."""
        table = self.scores
        chosen = (table["codec"] == codec) & (table["head"] == head) & (table["metric"] == metric)
        return table[chosen].drop_duplicates("point").set_index("point")

    def _score(self, row: PublishedRow) -> _Figure:
        """Our score at one operating point."""
        lines = self._lines(row.codec, row.head, row.metric)
        if row.here_point not in lines.index:
            place = " ".join(filter(None, [row.codec, row.here_point, f"by {row.head}" if row.head else ""]))
            return _nothing(f"this run has no {row.metric} of {place}")
        value, low, high = (float(lines.loc[row.here_point, end]) for end in _ENDS)
        return _Figure(value, low, high)

    def _reading(self, row: PublishedRow) -> _Figure:
        """Our curve's score at the published rate, read between its points."""
        scores = self._lines(row.codec, row.head, row.metric)
        rates = self._lines(row.codec, "", self.rate_metric)["value"].reindex(scores.index)
        if rates.dropna().empty:
            return _nothing(f"this run has no {row.metric} of {row.codec} with its {self.rate_metric}")
        x, log_rate = rates.to_numpy(float)[None], np.log([row.published_rate])
        value, low, high = (
            float(local_reading.value(x, scores[end].to_numpy(float)[None], log_rate)[0]) for end in _ENDS
        )
        if math.isnan(value):
            span = f"{np.nanmin(x):.4g} to {np.nanmax(x):.4g}"
            return _nothing(f"the curve of {row.codec} goes from {span} {self.rate_metric}")
        return _Figure(value, low, high)


_ENDS = ("value", "low", "high")


def _nothing(reason: str) -> _Figure:
    return _Figure(math.nan, math.nan, math.nan, reason)
