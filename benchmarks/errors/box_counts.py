"""The errors of detections counted by image and part: of all classes, by class, by size and by contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.errors.box_errors import BoxErrors, Judged
from benchmarks.errors.kinds import (
    BOX_KINDS,
    CONTRAST_EDGES,
    CONTRASTS,
    FALSE_KINDS,
    OBJECT_KINDS,
    SIZE_EDGES,
    SIZES,
    SUMS,
)
from benchmarks.errors.part_counts import Part, PartCounts, parts_of
from benchmarks.metrics._coco_matching import Bools, Floats, Ints, Shapes


class Contrasts(NamedTuple):
    """The contrasts on the original image of labelled objects, of coded and of original detections: float64 each."""

    objects: Floats
    coded: Floats
    original: Floats


def box_counts(
    objects: Shapes, original: Judged, coded: Judged, errors: BoxErrors, contrasts: Contrasts, images: Images
) -> PartCounts:
    """The counts of one head at one operating point.

    An object is counted in the class, size and contrast that it is labelled with, a false detection in its own.
    """
    classes = images.classes
    parts = [Part("all"), *parts_of("class", classes), *parts_of("size", SIZES), *parts_of("contrast", CONTRASTS)]
    counts = np.zeros((images.total, len(parts), len(BOX_KINDS)))
    labelled = _Placed(objects, contrasts.objects, len(classes))
    for number, name in enumerate(OBJECT_KINDS):
        labelled.add(counts[:, :, BOX_KINDS.index(name)], errors.objects == number)
    found = _Placed(coded.shapes, contrasts.coded, len(classes))
    for number, name in enumerate(FALSE_KINDS):
        found.add(counts[:, :, BOX_KINDS.index(name)], errors.false == number)
    before = _Placed(original.shapes, contrasts.original, len(classes))
    before.add(counts[:, :, BOX_KINDS.index("cured")], errors.cured)
    for whole, kinds in SUMS.items():
        counts[:, :, BOX_KINDS.index(whole)] = sum(counts[:, :, BOX_KINDS.index(kind)] for kind in kinds)
    totals = np.zeros((images.total, len(parts)))
    labelled.add(totals, errors.objects >= 0)
    return PartCounts(tuple(parts), BOX_KINDS, counts, totals, np.ones(images.total), True, images.same_as)


class Images(NamedTuple):
    """The images of a run. total: how many. same_as: int64 (N,), see ``PartCounts``. classes: those scored."""

    total: int
    same_as: npt.NDArray[np.int64]
    classes: Sequence[str]


class _Placed:
    """Shapes with the places of the parts that each is counted in: that of all, of its class, size and contrast."""

    def __init__(self, shapes: Shapes, contrasts: Floats, classes: int) -> None:
        self._image = shapes.image
        size = 1 + classes + np.searchsorted(SIZE_EDGES, shapes.areas, side="right")
        contrast = 1 + classes + len(SIZES) + np.searchsorted(CONTRAST_EDGES, contrasts, side="right")
        self._parts: list[Ints] = [np.zeros(len(shapes.image), np.int64), 1 + shapes.label, size, contrast]

    def add(self, counts: Floats, which: Bools) -> None:
        """Count the shapes of ``which`` in (images, parts)."""
        for part in self._parts:
            np.add.at(counts, (self._image[which], part[which]), 1)
