"""Detections on a coded image beside those of the same head on the original, both judged by the labels.

    labels, detections --evaluator's matching at IoU .5--> Judged: the object that each takes, and which are false
    Judged of the originals, Judged of coded images -----> BoxErrors: the kind of each object and of each false one

An object is found where a detection takes it. A false detection was false already if the head has a false one of the
same class and place (IoU .5) on the original; these are paired one to one, best score first. What is new is sorted
as in TIDE, in its order: a box of the right class at IoU .1 to .5 of an object, a box on an object of another class, a
second box on an object that is taken, a box at IoU .1 or less of every object (hallucinated), and the rest.

Bolya, Foley, Hays, Hoffman, "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020, section 2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.errors.kinds import (
    ALREADY_FALSE,
    BOX_MOVED,
    CLASS_CHANGED,
    DUPLICATE,
    GAINED,
    HALLUCINATED,
    KEPT,
    MISSED,
    VANISHED,
    WRONG_BOTH,
    WRONG_BOX,
    WRONG_CLASS,
)
from benchmarks.metrics._coco_matching import Bools, Floats, Ints, Shapes, countable, ious, take

FOREGROUND = 0.5
"""The IoU from which a detection takes an object, and is in the same place as another one."""
BACKGROUND = 0.1
"""The IoU up to which a detection lies on no object."""
Kinds = npt.NDArray[np.int8]


class Judged(NamedTuple):
    """Detections that count, judged by the labels. scores: float64 (D,). objects: int64 (D,), the place of the object
    that each takes, -1 for none. false: bool (D,), those that take none; what takes a crowd is neither.
    """

    shapes: Shapes
    scores: Floats
    objects: Ints
    false: Bools


class BoxErrors(NamedTuple):
    """objects: int8 (N,), the number of each labelled object's kind in ``OBJECT_KINDS``, -1 for one that does not
    count. false: int8 (D,), of each coded detection's kind in ``FALSE_KINDS``, -1 for one that is not false. cured:
    bool (E,), the detections on the originals that are false there and not on coded images.
    """

    objects: Kinds
    false: Kinds
    cured: Bools


def judge(objects: Shapes, crowd: Bools, found: Shapes, scores: Floats, classes: int) -> Judged:
    """Judge the detections that count at a head's thresholds. crowd: bool, one an object."""
    taken = take(objects, crowd, found, scores, classes)
    return Judged(found, scores, taken.objects, taken.counts & (taken.objects < 0))


def compare(objects: Shapes, crowd: Bools, original: Judged, coded: Judged) -> BoxErrors:
    """The kinds of all objects and false detections. original, coded: of the same images, judged by these objects."""
    counts = countable(objects, crowd)
    before, after = _found(original, len(crowd)), _found(coded, len(crowd))
    false, lies_on = np.full(len(coded.false), -1, np.int8), np.full(len(coded.false), -1, np.int64)
    cured = original.false.copy()
    for old, new, near in _images(original, coded, np.flatnonzero(counts), objects):
        pairs = _paired(original, coded, old, new)
        cured[old[pairs >= 0]] = False
        already = np.zeros(len(new), bool)
        already[pairs[pairs >= 0]] = True
        kinds, places = _why_false(coded.shapes.taken(new), objects.taken(near), after[near])
        false[new] = np.where(already, ALREADY_FALSE, kinds)
        on_object = ~already & (places >= 0)
        lies_on[new[on_object]] = near[places[on_object]]
    kinds = np.select([before & after, before, after], [KEPT, VANISHED, GAINED], MISSED).astype(np.int8)
    for number, reason in ((WRONG_CLASS, CLASS_CHANGED), (WRONG_BOX, BOX_MOVED)):  # the nearer reason last
        under = np.zeros(len(crowd), bool)
        under[lies_on[(false == number) & (lies_on >= 0)]] = True
        kinds[under & before & ~after] = reason
    return BoxErrors(np.where(counts, kinds, -1).astype(np.int8), false, cured)


def _found(judged: Judged, objects: int) -> Bools:
    found = np.zeros(objects, bool)
    found[judged.objects[judged.objects >= 0]] = True
    return found


def _images(original: Judged, coded: Judged, counting: Ints, objects: Shapes) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Of each image with a false coded detection: the places of false ones on the original and on the coded image,
    best score first, and of its objects. counting: the places of the objects that count.
    """
    old, new = np.flatnonzero(original.false), np.flatnonzero(coded.false)
    old = old[np.lexsort((-original.scores[old], original.shapes.image[old]))]
    new = new[np.lexsort((-coded.scores[new], coded.shapes.image[new]))]
    near = counting[np.argsort(objects.image[counting], kind="stable")]
    images = [original.shapes.image[old], coded.shapes.image[new], objects.image[near]]
    for image in np.unique(images[1]):
        parts = [slice(*np.searchsorted(numbers, [image, image + 1])) for numbers in images]
        yield old[parts[0]], new[parts[1]], near[parts[2]]


def _paired(original: Judged, coded: Judged, old: Ints, new: Ints) -> Ints:
    """The number in ``new`` of the detection that each of ``old`` is paired with, -1 for none: int64 (len(old),)."""
    overlaps = ious(coded.shapes.taken(new), original.shapes.taken(old))
    overlaps[coded.shapes.label[new][:, None] != original.shapes.label[old][None]] = 0
    pairs = np.full(len(old), -1, np.int64)
    for number, row in enumerate(overlaps):
        free = np.where(pairs < 0, row, 0)
        if free.max(initial=0) >= FOREGROUND:
            pairs[int(free.argmax())] = number
    return pairs


def _why_false(found: Shapes, objects: Shapes, taken: Bools) -> tuple[Kinds, Ints]:
    """The kind of each false detection of one image, and the number of the object it lies on, -1 for none. taken: bool,
    whether a detection of the coded image takes each object.
    """
    if not len(objects.image):
        return np.full(len(found.image), HALLUCINATED, np.int8), np.full(len(found.image), -1, np.int64)
    overlaps = ious(found, objects)
    same = found.label[:, None] == objects.label[None]
    right, wrong = np.where(same, overlaps, 0), np.where(same, 0, overlaps)
    duplicate = np.where(taken[None], right, 0).max(1) >= FOREGROUND
    wrong_box = (right.max(1) >= BACKGROUND) & (right.max(1) < FOREGROUND)
    wrong_class = wrong.max(1) >= FOREGROUND
    conditions = [wrong_box, wrong_class, duplicate, overlaps.max(1) <= BACKGROUND]
    kinds = np.select(conditions, [WRONG_BOX, WRONG_CLASS, DUPLICATE, HALLUCINATED], WRONG_BOTH).astype(np.int8)
    places = np.where(wrong_box, right.argmax(1), np.where(wrong_class, wrong.argmax(1), -1))
    return kinds, places
