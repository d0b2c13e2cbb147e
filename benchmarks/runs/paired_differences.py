"""Differences of two runs in the same score, on the same images: each with an interval from the same resamples of both.

records.csv of both  --images of equal pixels, drawn for both alike--> difference of rates
predictions/ of both --the same images, drawn for both alike---------> difference of a head's scores
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.api import ScoreRow
from benchmarks.harness.executors import Executor
from benchmarks.harness.progress import Silent
from benchmarks.runs import records
from benchmarks.runs.kept_samples import resampled
from benchmarks.runs.run_folder import Run
from benchmarks.stats.bootstrap import RESAMPLES, Bootstrap, interval
from hsc.errors import ResultsError


class Paired(NamedTuple):
    """The second run's score less the first's, over the images that both have. low, high: NaN without an interval."""

    images: int
    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        """The difference for people, after the two numbers that differ."""
        sure = "" if math.isnan(self.low) else f", 95 % interval {self.low:+.3g} to {self.high:+.3g}"
        return f"{self.difference:+.3g} paired over {self.images:,} images{sure}"


class _Pair(NamedTuple):
    """The same score of one operating point in two runs."""

    first: ScoreRow
    second: ScoreRow


def paired(
    first: Run, second: Run, differing: Mapping[str, tuple[ScoreRow, ScoreRow]], executor: Executor
) -> dict[str, Paired]:
    """The paired differences of scores that differ, by their name; those that cannot be paired are left out.

    differing: the rows of both runs by name. Rates need the records of both, heads' scores the predictions of both.
    """
    pairs = {name: _Pair(*rows) for name, rows in differing.items() if all(row.status == "ok" for row in rows)}
    rates = {name: pair for name, pair in pairs.items() if pair.first.metric == "bpp" and not pair.first.head}
    scores = {name: pair for name, pair in pairs.items() if pair.first.head and not pair.first.part}
    return {**_rates(first, second, rates), **_scores(first, second, scores, executor)}


def _rates(first: Run, second: Run, pairs: Mapping[str, _Pair]) -> dict[str, Paired]:
    pixels = [run.about["dataset"].get("pixels_sha256") for run in (first, second)]
    if not pairs or None in pixels:
        return {}
    try:
        lines = [records.by_cell(records.read(run.folder)) for run in (first, second)]
    except ResultsError:
        return {}
    named = [dict(zip(run.images, hashes, strict=True)) for run, hashes in zip((first, second), pixels, strict=True)]
    images = [image for image, sha256 in named[0].items() if named[1].get(image) == sha256]
    bootstrap = Bootstrap.of([named[0][image] for image in images], RESAMPLES, int(first.about["seed"]))
    found = {}
    for name, pair in pairs.items():
        of_image = [{line.image: line for line in of_run[row.cell]} for of_run, row in zip(lines, pair, strict=True)]
        if not images or not all(image in one for one in of_image for image in images):
            continue
        sizes = [[one[image].size_bytes for image in images] for one in of_image]
        areas = [[one[image].height * one[image].width for image in images] for one in of_image]
        values = [8 * sum(size) / sum(area) for size, area in zip(sizes, areas, strict=True)]
        samples = [bootstrap.rate(size, area) for size, area in zip(sizes, areas, strict=True)]
        low, high, _ = interval(samples[1] - samples[0])
        found[name] = Paired(len(images), values[1] - values[0], low, high)
    return found


def _scores(first: Run, second: Run, pairs: Mapping[str, _Pair], executor: Executor) -> dict[str, Paired]:
    pixels = first.about["dataset"].get("pixels_sha256")
    if not pairs or pixels is None or pixels != second.about["dataset"].get("pixels_sha256"):
        return {}
    bootstrap = Bootstrap.of(pixels, RESAMPLES, int(first.about["seed"]))
    if not bootstrap.resamples:
        return {}
    samples = [
        resampled(run, bootstrap, executor, Silent(), {pair[number].cell for pair in pairs.values()}).scores
        for number, run in enumerate((first, second))
    ]
    found = {}
    for name, pair in pairs.items():
        keys = [(row.head, row.route, row.metric, row.codec, row.ladder, row.point) for row in pair]
        if all(key in of_run for key, of_run in zip(keys, samples, strict=True)):
            low, high, _ = interval(samples[1][keys[1]] - samples[0][keys[0]])
            found[name] = Paired(len(pixels), pair.second.value - pair.first.value, low, high)
    return found
