"""A head that scores about nothing before any codec touched the images is a fault of the set-up, and is said to be one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchmarks.api import Control, Counts, ScoreRow
from benchmarks.harness.plan import Plan
from benchmarks.harness.truth import labels_of
from downstream.api import SegmentationMap

LEAST = 0.02
"""A main score, of 1, below which a head is said to score about nothing."""

_BOXES = (
    "boxes decoded twice or not at all (its format), class names in another order, another class map, blue taken for "
    "red, another "
    "normalisation than it was trained with, photographs turned against their labels, a high score threshold"
)
_MAPS = (
    "class names in another order, another class map, blue taken for red, another normalisation than it was trained "
    "with, photographs "
    "turned against their labels"
)


def scores_nothing(plan: Plan, rows: Sequence[ScoreRow], counts: Sequence[Counts]) -> Iterator[str]:
    """One sentence for each head whose main score says that something is wrong, with the usual causes.

    It goes by the originals, or by the best point of a head that does not read them. A data set that is a control,
    whose labels are wrong on purpose, is passed over, and so are runs without labels.
    """
    config = plan.config
    if isinstance(config.dataset, Control) and config.dataset.at_chance:
        return
    for number, (label, head) in enumerate(config.heads):
        route = config.routes[number]
        if labels_of(config, head.output) is None:
            continue
        points = [
            row
            for row in rows
            if (row.head, row.route, row.part, row.ladder, row.status) == (label, route, "", "", "ok")
        ]
        metric = config.design.main_metric_of({row.metric for row in points})
        points = [row for row in points if row.metric == metric and not math.isnan(row.value)]
        original = [row for row in points if row.codec == config.curves[0].label]
        best = max(original or points, key=lambda row: row.value, default=None)
        if best is None:
            continue
        constant = _constant(counts, label, route) if head.output is SegmentationMap else 0.0
        if best.value < LEAST or best.value <= constant:
            where = "on the originals" if original else f"at its best point, {best.codec} {best.point}".rstrip()
            much = (
                "about nothing"
                if best.value < LEAST
                else f"no more than one class everywhere would ({100 * constant:.1f})"
            )
            yield (
                f"head {label} has {config.design.facts_of(metric).title} {100 * best.value:.1f} {where}, {much}: "
                f"its numbers "
                f"tell of the set-up and not of "
                f"codecs; usual causes: {_MAPS if head.output is SegmentationMap else _BOXES}"
            )


def _constant(counts: Sequence[Counts], head: str, route: str) -> float:
    """The mIoU of the best answer of one class everywhere, 0 where less than two classes are labelled or nothing was
    counted.
    """
    counted = next((one.counted for one in counts if (one.head, one.route, one.original) == (head, route, True)), None)
    if counted is None:
        return 0.0
    pixels = counted.sum(1)
    labelled = pixels[pixels > 0]
    return float(labelled.max() / labelled.sum() / len(labelled)) if len(labelled) > 1 else 0.0
