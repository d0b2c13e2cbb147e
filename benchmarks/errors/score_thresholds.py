"""The score from which a detection counts: of each class the one at which F1 on the originals is best.

    F1 = 2 * hits / (labelled objects + detections)          at IoU .5, over all images of the run

It is chosen on the originals alone and holds for all codecs, so that a codec cannot move it. A class with few labelled
objects takes the threshold of all classes together, since a few objects say little about its own.
"""

from __future__ import annotations

import numpy as np

from benchmarks.metrics._coco_matching import Bools, Floats, Ints, Taken

MIN_OBJECTS = 20
"""With fewer labelled objects a class has no threshold of its own."""


def best_thresholds(labels: Ints, scores: Floats, taken: Taken, objects: Ints) -> Floats:
    """The threshold of each class: float64 (C,), infinite where no detection of any class is right.

    labels, scores, taken: class, score and taken object of every detection on the originals. objects: int64 (C,), the
    labelled objects of each class.
    """
    counts = taken.counts
    labels, scores, right = labels[counts], scores[counts], taken.objects[counts] >= 0
    of_all = _best(scores, right, int(objects.sum()))
    own = [_best(scores[labels == k], right[labels == k], int(count)) for k, count in enumerate(objects)]
    return np.where((objects >= MIN_OBJECTS) & np.isfinite(own), own, of_all).astype(np.float64)


def _best(scores: Floats, right: Bools, objects: int) -> float:
    """The threshold of some classes together; of equally good ones the highest. right: bool, one a score."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(right[order])
    if not len(hits) or not hits[-1]:
        return float("inf")
    f1 = 2 * hits / (objects + np.arange(1, len(hits) + 1))
    whole = np.append(ranked[1:] < ranked[:-1], True)  # equal scores count together
    return float(ranked[int(np.argmax(np.where(whole, f1, -1)))])
