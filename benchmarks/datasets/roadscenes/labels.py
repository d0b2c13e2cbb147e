"""From samples to labels: the vote of a pixel's four samples, and the visible extent of each object.

An object is scorable if enough of it is visible: at least ``MIN_AREA`` (64) pixels and ``MIN_SIDE`` (5) pixels on both
sides of its box at 384x256 (both scale with the picture), and a quarter of its outline inside the picture. The others
are ``iscrowd``: detections on them count neither as right nor as wrong.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.datasets.roadscenes.frame import Objects
from benchmarks.datasets.roadscenes.jit import kernel

MIN_AREA, MIN_SIDE, MIN_VISIBLE = 64.0, 5.0, 0.25


@kernel
def vote(winner, semantic_of, instance_of, semantic, instances):  # type: ignore[no-untyped-def]
    """Write each pixel's label: the most frequent (semantic, instance) pair of its four samples, the first on a tie."""
    height, width = semantic.shape
    keys = np.empty(4, np.int64)
    for row in range(height):
        for column in range(width):
            for k in range(4):
                t = winner[2 * row + (k >> 1), 2 * column + (k & 1)]
                keys[k] = 0 if t < 0 else instance_of[t] * 256 + semantic_of[t]
            chosen, most = keys[0], 0
            for k in range(4):
                same = 0
                for j in range(4):
                    same += keys[j] == keys[k]
                if same > most:
                    chosen, most = keys[k], same
            semantic[row, column] = chosen % 256
            instances[row, column] = chosen // 256


@kernel
def extents(instances, count):  # type: ignore[no-untyped-def]
    """int64 (count + 1, 5): left, top, right, bottom (exclusive) and area of each instance number."""
    extent = np.empty((count + 1, 5), np.int64)
    height, width = instances.shape
    for k in range(count + 1):
        extent[k, 0], extent[k, 1], extent[k, 2], extent[k, 3], extent[k, 4] = width, height, 0, 0, 0
    for row in range(height):
        for column in range(width):
            k = instances[row, column]
            if k > 0:
                extent[k, 0], extent[k, 1] = min(extent[k, 0], column), min(extent[k, 1], row)
                extent[k, 2], extent[k, 3] = max(extent[k, 2], column + 1), max(extent[k, 3], row + 1)
                extent[k, 4] += 1
    return extent


def measure(
    instances: npt.NDArray[np.int32], classes: npt.NDArray[np.int64], amodal: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], Objects]:
    """Renumber the visible instances as 1 to N and describe them.

    amodal: the samples that each instance would have if nothing hid it, four a pixel.
    """
    extent = extents(instances, len(classes))
    seen = np.flatnonzero(extent[:, 4] > 0)
    renumber = np.zeros(len(classes) + 1, np.int32)
    renumber[seen] = np.arange(1, len(seen) + 1)
    boxes, areas = extent[seen, :4].astype(np.float32), extent[seen, 4]
    visible = np.minimum(4.0 * areas / np.maximum(amodal[seen], 1), 1.0).astype(np.float32)
    height, width = instances.shape
    scale = (width * height / (384.0 * 256.0)) ** 0.5
    sides = boxes[:, 2:] - boxes[:, :2]
    small = (areas < MIN_AREA * scale * scale) | (sides.min(axis=1, initial=1e9) < MIN_SIDE * scale)
    return renumber[instances], Objects(boxes, classes[seen - 1], areas, visible, small | (visible < MIN_VISIBLE))
