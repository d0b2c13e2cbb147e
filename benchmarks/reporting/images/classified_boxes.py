"""Classes of regions, or of a whole image, as boxes that galleries and sheets draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.api import Region
from benchmarks.harness.truth import likeliest
from downstream.api import Classification, Detections


def likeliest_boxes(
    prediction: Classification, regions: Sequence[Region] | None, image_hw: tuple[int, ...]
) -> Detections:
    """The likeliest class of each region as a box of score 1; a region whose ranking holds no class has none.

    regions: None where the image is taken whole, which is then one box.
    """
    return labelled_regions(likeliest(prediction), regions, image_hw)


def labelled_regions(
    labels: npt.NDArray[np.int64], regions: Sequence[Region] | None, image_hw: tuple[int, ...]
) -> Detections:
    """The regions with these labels, int64 (N,), as boxes of score 1; those of label -1 are left out."""
    height, width = image_hw[:2]
    boxes = np.array([(0, 0, width, height)] if regions is None else regions, np.float32).reshape(-1, 4)
    kept = labels >= 0
    return Detections(boxes[kept], np.ones(int(kept.sum()), np.float32), labels[kept])
