"""The errors of label maps counted by image and part: of all classes, by class and by distance to a class boundary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.errors.kinds import DISTANCES, PIXEL_KINDS
from benchmarks.errors.map_errors import MapErrors
from benchmarks.errors.part_counts import Floats, Part, PartCounts, parts_of

_TRUE = 4
"""How many kinds of labelled pixels there are, the first of ``PIXEL_KINDS``."""


def map_counts(errors: Sequence[MapErrors], classes: Sequence[str], same_as: npt.NDArray[np.int64]) -> PartCounts:
    """The counts of one head at one operating point. errors: one an image. same_as: see ``PartCounts``.

    A labelled pixel is counted in the class of its label, a false one in the class it was given.
    """
    parts = (Part("all"), *parts_of("class", classes), *parts_of("distance", DISTANCES))
    by_image: list[Floats] = [np.concatenate([one.true, one.false, one.cured]).astype(np.float64) for one in errors]
    table = np.stack(by_image) if by_image else np.zeros((0, len(PIXEL_KINDS), len(classes), len(DISTANCES)))
    # (N, K, C, 3) -> (N, K, 1 + C + 3): of all, by class, by distance
    counted = np.concatenate([table.sum((2, 3))[:, :, None], table.sum(3), table.sum(2)], 2)
    counts = counted.transpose(0, 2, 1)
    totals = counts[:, :, :_TRUE].sum(2)
    return PartCounts(parts, PIXEL_KINDS, counts, totals, totals[:, 0], False, same_as)
