"""Notices on heads that score about nothing before any codec touched the images: the set-up is wrong, not a codec."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchmarks.api import Control, Counts, ScoreRow
from benchmarks.harness.plan import Plan
from benchmarks.harness.readers import Reader
from benchmarks.harness.truth import labels_of, scored_classes
from downstream.api import Classification, SegmentationMap

MIN_SCORE = 0.02
"""A main score, of 1, below which a head counts as scoring about nothing."""

NEAR_CHANCE = 1.2
"""Of classifications: how many times the accuracy of guessing that is."""

_BOXES = (
    "boxes decoded twice or not at all (its format), class names in another order, another class map, blue taken for "
    "red, another normalisation than it was trained with, photographs turned against their labels, a high score "
    "threshold"
)
_CLASSES = (
    "class names in another order, another class map, a background that is counted or not, blue taken for red, another "
    "normalisation or input size than it was trained with"
)
_MAPS = (
    "class names in another order, another class map, blue taken for red, another normalisation than it was trained "
    "with, photographs turned against their labels"
)


def scores_nothing(plan: Plan, rows: Sequence[ScoreRow], counts: Sequence[Counts]) -> Iterator[str]:
    """One sentence for each head with a main score that shows a wrong set-up, with the usual causes.

    A head is judged on the originals, or at its best point if it does not read them. Runs without labels are passed
    over, and so are controls: data sets with wrong labels on purpose.
    """
    config = plan.config
    if isinstance(config.dataset, Control) and config.dataset.at_chance:
        return
    for reader in config.readers:
        if labels_of(config, reader.head.output) is not None:
            yield from _notice(plan, reader, rows, counts)


def _notice(plan: Plan, reader: Reader, rows: Sequence[ScoreRow], counts: Sequence[Counts]) -> Iterator[str]:
    """The sentence on one reader, if its main score is too low."""
    config, maps = plan.config, reader.head.output is SegmentationMap
    named = (reader.label, reader.route, "", "", "ok")
    scores = [row for row in rows if (row.head, row.route, row.part, row.ladder, row.status) == named]
    metric = config.design.main_metric_of({row.metric for row in scores})
    scores = [row for row in scores if row.metric == metric and not math.isnan(row.value)]
    on_originals = [row for row in scores if row.codec == config.curves[0].label]
    best = max(on_originals or scores, key=lambda row: row.value, default=None)
    if best is None:
        return
    constant = _constant(counts, reader) if maps else 0.0
    least, nothing = MIN_SCORE, "about nothing"
    if reader.head.output is Classification:
        least, nothing = (
            NEAR_CHANCE / len(scored_classes(config, reader.head).space.classes),
            "no more than guessing does",
        )
    if best.value >= least and best.value > constant:
        return
    causes = {SegmentationMap: _MAPS, Classification: _CLASSES}.get(reader.head.output, _BOXES)
    where = "on the originals" if on_originals else f"at its best point, {best.codec} {best.point}".rstrip()
    level = nothing if best.value < least else f"no more than one class everywhere would ({100 * constant:.1f})"
    yield (
        f"head {reader.label} has {config.design.facts_of(metric).title} {100 * best.value:.1f} {where}, {level}: its "
        f"numbers tell of the set-up and not of codecs; usual causes: {causes}"
    )


def _constant(counts: Sequence[Counts], reader: Reader) -> float:
    """The mIoU of the best prediction of one class everywhere; 0 where fewer than two classes are labelled, or nothing
    was counted.
    """
    on_originals = (row.counted for row in counts if (row.head, row.route) == reader.name and row.original)
    counted = next(on_originals, None)
    if counted is None:
        return 0.0
    pixels = counted.sum(1)
    labelled = pixels[pixels > 0]
    return float(labelled.max() / labelled.sum() / len(labelled)) if len(labelled) > 1 else 0.0
