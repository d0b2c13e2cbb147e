"""COCO's matching of detections to labels within each image and class, in arrays, for sizes of all areas.

    objects, detections --sorted by image, class, score; the best 100--> pairs of an image and class
                        --IoU of each pair--> greedy matching at ten thresholds --> Matched, a class each

The rules are those of the official evaluator (pycocotools, Dollár and Lin): the best detection takes the free object of
the highest IoU, one that counts before one that does not; crowds may be taken many times, and neither they nor what
takes them count. Our tests hold the matches equal to those that hotcoco's evaluator writes down image by image.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MOST_DETECTIONS = 100
"""Of an image and class; those of lower scores are left out."""
_LARGEST_AREA = 1e10
"""Objects and detections beyond it do not count, in the official evaluator's range of all areas."""


class Shapes(NamedTuple):
    """Boxes or masks of all images, one after another in the images' order.

    image, label: int64 (N,), indices of the image and the class. boxes: float64 (N, 4), left, top, width, height.
    areas: float64 (N,). runs: of masks, one an object in COCO's form, which are matched then; None for boxes.
    """

    image: Ints
    label: Ints
    boxes: Floats
    areas: Floats
    runs: Sequence[Any] | None = None

    def taken(self, places: Ints) -> Shapes:
        """The shapes at these places, in their order."""
        runs = None if self.runs is None else [self.runs[place] for place in places.tolist()]
        return Shapes(self.image[places], self.label[places], self.boxes[places], self.areas[places], runs)


class Matched(NamedTuple):
    """The matches of one class, best score first; of equal scores in the order of the images.

    hit, ignored: uint16 (D,) of its detections, bit t for IoU threshold t; a miss has neither. image: int32 (D,).
    labelled: int32 (L,), the image of each object that counts.
    """

    hit: npt.NDArray[np.uint16]
    ignored: npt.NDArray[np.uint16]
    image: npt.NDArray[np.int32]
    labelled: npt.NDArray[np.int32]


class Taken(NamedTuple):
    """What each detection takes at IoU .5, in the order that the detections came in.

    objects: int64 (D,), the place of the object that it takes, -1 where it takes none that counts. counts: bool (D,),
    False for a detection that is neither right nor wrong: it takes a crowd, or is none of its image's and class's best.
    """

    objects: Ints
    counts: Bools


class _Matching(NamedTuple):
    """Matches of all classes. best, order: the places of detections and objects before they were sorted. first: int64
    (D,), the sorted object that each detection takes at the first threshold, -1 for none.
    """

    objects: Shapes
    ignore: Bools
    found: Shapes
    scores: Floats
    hit: npt.NDArray[np.uint16]
    ignored: npt.NDArray[np.uint16]
    first: Ints
    best: Ints
    order: Ints


def match(objects: Shapes, crowd: Bools, found: Shapes, scores: Floats, classes: int) -> list[Matched]:
    """The matches of each class.

    crowd: bool, one an object. scores: float64, one a detection.
    """
    matching = _matching(objects, crowd, found, scores, classes)
    return [_of_class(label, matching) for label in range(classes)]


def take(objects: Shapes, crowd: Bools, found: Shapes, scores: Floats, classes: int) -> Taken:
    """The object that each detection takes at IoU .5, by the same matching. Arguments as of ``match``."""
    matching = _matching(objects, crowd, found, scores, classes)
    hit = (matching.hit & 1) > 0
    taken, counts = np.full(len(scores), -1, np.int64), np.zeros(len(scores), bool)
    taken[matching.best[hit]] = matching.order[matching.first[hit]]
    counts[matching.best] = (matching.ignored & 1) == 0
    return Taken(taken, counts)


def countable(objects: Shapes, crowd: Bools) -> Bools:
    """The objects that count, bool (N,): all but crowds and areas beyond the evaluator's range."""
    return ~(crowd | (objects.areas < 0) | (objects.areas > _LARGEST_AREA))


def ious(found: Shapes, objects: Shapes) -> Floats:
    """The IoU of each of N shapes with each of M, for boxes or masks of one image: float64 (N, M)."""
    shape = len(found.image), len(objects.image)
    if 0 in shape:
        return np.zeros(shape)
    pairs = np.array([[0, shape[1], 0, shape[0]]], np.int64)
    return _pair_ious(objects, found, np.zeros(shape[1], bool), pairs).reshape(shape)


def _matching(objects: Shapes, crowd: Bools, found: Shapes, scores: Floats, classes: int) -> _Matching:
    best = _best(found, scores, classes)
    found, scores = found.taken(best), scores[best]
    ignore = ~countable(objects, crowd)
    order = np.lexsort((ignore, objects.label, objects.image))  # stable: equal ones stay in the file's order
    objects, crowd, ignore = objects.taken(order), crowd[order], ignore[order]
    pairs = _pairs(objects, found, classes)
    hit, ignored = np.zeros(len(scores), np.uint16), np.zeros(len(scores), np.uint16)
    first = np.full(len(scores), -1, np.int64)
    unmatched = (found.areas < 0) | (found.areas > _LARGEST_AREA)
    ignored[unmatched] = (1 << len(IOU_THRESHOLDS)) - 1
    _compiled(_take)(
        _pair_ious(objects, found, crowd, pairs), pairs, crowd, ignore, IOU_THRESHOLDS, hit, ignored, first
    )
    return _Matching(objects, ignore, found, scores, hit, ignored, first, best, order)


def _best(found: Shapes, scores: Floats, classes: int) -> Ints:
    """The places of the detections that count, by image, class and falling score; equal scores stay in their order."""
    pair = found.image * classes + found.label
    order = np.lexsort((-scores, pair))
    group = np.flatnonzero(np.diff(pair[order], prepend=-1))
    lengths = np.diff(group, append=len(order))
    rank = np.arange(len(order)) - np.repeat(group, lengths)
    return np.asarray(order[rank < MOST_DETECTIONS])


def _pairs(objects: Shapes, found: Shapes, classes: int) -> Ints:
    """Where an image and class has objects and detections: int64 (P, 4), first and last + 1 of both, in their order."""
    keys = objects.image * classes + objects.label
    keys_found = found.image * classes + found.label
    both = np.intersect1d(keys, keys_found)
    first, first_found = np.searchsorted(keys, both), np.searchsorted(keys_found, both)
    end, end_found = np.searchsorted(keys, both, "right"), np.searchsorted(keys_found, both, "right")
    return np.asarray(np.stack([first, end, first_found, end_found], 1), np.int64)


def _pair_ious(objects: Shapes, found: Shapes, crowd: Bools, pairs: Ints) -> Floats:
    """The IoU of boxes or masks, flat: for each pair (detections, objects) in rows."""
    ious_of = _ious_of_boxes if found.runs is None else _ious_of_masks
    return ious_of(objects, found, crowd, pairs)


def _ious_of_masks(objects: Shapes, found: Shapes, crowd: Bools, pairs: Ints) -> Floats:
    from hotcoco import mask

    assert objects.runs is not None
    assert found.runs is not None
    parts = [
        np.asarray(mask.iou(found.runs[e:f], objects.runs[a:b], crowd[a:b].tolist()), np.float64).ravel()
        for a, b, e, f in pairs.tolist()
    ]
    return np.concatenate([np.zeros(0), *parts])


def _ious_of_boxes(objects: Shapes, found: Shapes, crowd: Bools, pairs: Ints) -> Floats:
    sizes = (pairs[:, 1] - pairs[:, 0]) * (pairs[:, 3] - pairs[:, 2])
    ious = np.zeros(int(sizes.sum()))
    _compiled(_overlap)(objects.boxes, found.boxes, crowd, pairs, ious)
    return ious


def _of_class(label: int, matching: _Matching) -> Matched:
    places = np.flatnonzero(matching.found.label == label)  # by image, then by score
    places = places[np.argsort(-matching.scores[places], kind="stable")]
    labelled = matching.objects.image[(matching.objects.label == label) & ~matching.ignore].astype(np.int32)
    image = matching.found.image[places].astype(np.int32)
    return Matched(matching.hit[places], matching.ignored[places], image, labelled)


@functools.cache
def _compiled(loop: Callable[..., None]) -> Callable[..., None]:
    import numba

    compiled: Callable[..., None] = numba.njit(cache=True, nogil=True)(loop)
    return compiled


def _overlap(objects, found, crowd, pairs, ious):  # type: ignore[no-untyped-def]
    """Fills ``ious``; for crowds the union is the detection alone, as in the official evaluator."""
    k = 0
    for p in range(len(pairs)):
        for d in range(pairs[p, 2], pairs[p, 3]):
            area = found[d, 2] * found[d, 3]
            for o in range(pairs[p, 0], pairs[p, 1]):
                width = min(found[d, 0] + found[d, 2], objects[o, 0] + objects[o, 2]) - max(found[d, 0], objects[o, 0])
                height = min(found[d, 1] + found[d, 3], objects[o, 1] + objects[o, 3]) - max(found[d, 1], objects[o, 1])
                if width > 0 and height > 0:
                    inside = width * height
                    union = area if crowd[o] else area + objects[o, 2] * objects[o, 3] - inside
                    ious[k] = inside / union
                k += 1


def _take(ious, pairs, crowd, ignore, thresholds, hit, ignored, taken_first):  # type: ignore[no-untyped-def]
    """Fills ``hit``, ``ignored`` and ``taken_first``: within each pair and threshold, detections take objects one after
    another.
    """
    start = 0
    for p in range(len(pairs)):
        first, count = pairs[p, 0], pairs[p, 1] - pairs[p, 0]
        taken = np.zeros(count, np.bool_)
        for t in range(len(thresholds)):
            taken[:] = False
            bit = np.uint16(1 << t)
            k = start
            for d in range(pairs[p, 2], pairs[p, 3]):
                best, chosen = min(thresholds[t], 1 - 1e-10), -1
                for o in range(count):
                    if taken[o] and not crowd[first + o]:
                        continue
                    if chosen >= 0 and not ignore[first + chosen] and ignore[first + o]:
                        break  # those that do not count come last
                    if ious[k + o] >= best:
                        best, chosen = ious[k + o], o
                k += count
                if chosen >= 0:
                    taken[chosen] = True
                    if t == 0:
                        taken_first[d] = first + chosen
                    if ignore[first + chosen]:
                        ignored[d] |= bit
                    else:
                        hit[d] |= bit
                        ignored[d] &= ~bit
        start += count * (pairs[p, 3] - pairs[p, 2])
