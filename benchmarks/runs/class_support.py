"""How much of the data set each class takes: objects of a class in boxes, masks and classifications, pixels in maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.api import Counts
from benchmarks.formats.coco_table import CocoTable
from benchmarks.harness.guard import guarded
from benchmarks.harness.plan import Plan
from benchmarks.harness.reader_truth import label_truth
from benchmarks.harness.truth import scored_classes
from downstream.api import Classification, Detections
from hsc.errors import HscError

NAME = "class_support"
"""The field of ``run.json``."""


def class_support(plan: Plan, counts: Sequence[Counts]) -> dict[str, Any]:
    """{"unit": "objects" or "pixels", "counts": number by class}; empty where the data set has no such labels.

    counts: those of the run, from which pixels are known without reading the labels again. Crowds are left out.
    """
    if counts:
        pixels: dict[str, int] = {}
        for matrix in counts:
            for name, number in zip(matrix.classes, matrix.counted.sum(1).tolist(), strict=True):
                pixels[name] = int(number)
        return {"unit": "pixels", "counts": pixels}
    objects: dict[str, int] = {}
    for reader in plan.config.readers:
        if reader.head.output in (Detections, Classification) and plan.cells_of(reader):
            for name, number in _objects(plan, reader).items():
                objects.setdefault(name, number)
    return {"unit": "objects", "counts": objects} if objects else {}


def _objects(plan: Plan, reader: Any) -> dict[str, int]:
    """The labelled objects of each class that a head is scored in; none without labels, or where they do not load."""
    try:
        truth = guarded(label_truth, plan.config, plan.images, reader, scored_classes(plan.config, reader.head))
    except HscError:  # the scores of that head are missing for the same reason, and say it
        return {}
    if truth is not None and truth.labels is not None:
        labels = np.concatenate([np.zeros(0, np.int64), *truth.labels])
        of_classes = np.bincount(labels[labels >= 0], minlength=len(truth.classes)).tolist()
        return dict(zip(truth.classes, of_classes, strict=True))
    if truth is None or truth.coco is None:
        return {}
    table = CocoTable.of(truth.coco)
    numbers = np.bincount(table.category_ids[~table.crowd], minlength=len(truth.classes) + 1)
    return {name: int(numbers[label]) for label, name in enumerate(truth.classes, 1)}
