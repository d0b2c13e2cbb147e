"""The demands of a task on data sets and heads beyond their classes: masks where it scores masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.api import HasBoxes, HasMasks, ScoresMasks, Task
from benchmarks.harness.keys import registered_name
from downstream.api import GivesMasks
from hsc.errors import UsageError

PSEUDO_SCORE = 0.5
"""Where a data set has no labels, detections on the originals at or above this score stand in for them."""


def boxes_of(dataset: HasBoxes, task: Task) -> Mapping[str, Any]:
    """The labels of a data set that a task on boxes scores: with masks where it scores those.

    Raises:
        UsageError: masks are scored and the data set has none.
        AnnotationError: some of its masks are missing or damaged.
    """
    if not isinstance(task, ScoresMasks):
        return dataset.coco()
    if not isinstance(dataset, HasMasks):
        raise UsageError(
            f"the task {registered_name(task)} scores masks, the data set {registered_name(dataset)} has none"
        )
    return dataset.coco_with_masks()


def why_no_masks(task: Task, head: Any) -> str | None:
    """One sentence where a task scores masks and a head, which is available, gives none."""
    if not isinstance(task, ScoresMasks) or (isinstance(head, GivesMasks) and head.gives_masks):
        return None
    return (
        f"it gives boxes without masks, and the task {registered_name(task)} scores masks; take a head that gives "
        f"them, such as Mask R-CNN"
    )
