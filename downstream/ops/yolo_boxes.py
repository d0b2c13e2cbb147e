"""Boxes and scores from the raw outputs of YOLOX and of the newer Ultralytics detectors.

yolox    (anchors, 5 + classes): x, y, log w, log h relative to the cell, or decoded already; objectness, class scores
yolov8   (4 + classes, anchors): centre x, centre y, width, height in input pixels or as fractions; class scores
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from downstream.ops.onnx_outputs import Encoding, sigmoid
from hsc.errors import DataError

Floats = npt.NDArray[np.float32]

_AS_TRAINED, _DECODED = Encoding("raw", logits=False), Encoding("decoded", logits=False)
_TOLERANCE = 0.5
"""Scores of quantised models lie outside of 0 to 1 by up to this much and are clipped; others are refused."""


def decode_yolox(
    raw: Floats, classes: int, input_hw: tuple[int, int], strides: tuple[int, ...], encoding: Encoding = _AS_TRAINED
) -> tuple[Floats, Floats]:
    """Boxes (anchors, 4) in input pixels and scores (anchors, classes), from raw (anchors, 5 + classes).

    Raises:
        DataError: raw is not of this shape, or its scores are not probabilities.
    """
    levels = [_cells(input_hw[0] // s, input_hw[1] // s, s) for s in strides]
    corner = np.concatenate([corners for corners, _ in levels])  # (anchors, 2)
    stride = np.concatenate([steps for _, steps in levels])  # (anchors, 1)
    if raw.shape != (len(corner), 5 + classes):
        raise DataError(
            f"the model's output is {raw.shape}, yolox with strides {strides} and {classes} classes on {input_hw} "
            f"gives {(len(corner), 5 + classes)}; check format, strides and classes"
        )
    scores = _probabilities(raw[:, 4:], encoding)
    scores = scores[:, 1:] * scores[:, :1]
    if encoding.boxes != "raw":
        return _corners(raw[:, :2], raw[:, 2:4], input_hw, encoding), scores
    centre = raw[:, :2] * stride + corner
    with np.errstate(over="ignore"):
        half = np.exp(raw[:, 2:4]) * stride / 2
    return np.concatenate([centre - half, centre + half], 1), scores


def decode_yolov8(
    raw: Floats, classes: int, input_hw: tuple[int, int], strides: tuple[int, ...], encoding: Encoding = _DECODED
) -> tuple[Floats, Floats]:
    """Boxes (anchors, 4) in input pixels and scores (anchors, classes), from raw (4 + classes, anchors).

    Raises:
        DataError: raw is not of this shape, or its scores are not probabilities.
    """
    if raw.ndim != 2 or raw.shape[0] != 4 + classes:
        raise DataError(
            f"the model's output is {raw.shape}, yolov8 with {classes} classes gives ({4 + classes}, anchors); check "
            f"format and classes"
        )
    return _corners(raw[:2].T, raw[2:4].T, input_hw, encoding), _probabilities(raw[4:].T, encoding)


def _cells(rows: int, columns: int, stride: int) -> tuple[Floats, Floats]:
    """Top left corners (rows * columns, 2) of a level's cells in input pixels, and their stride (rows * columns, 1)."""
    y, x = np.mgrid[:rows, :columns]
    corners = np.stack([x, y], -1).reshape(-1, 2).astype(np.float32) * stride  # (rows, columns, 2) -> (cells, 2)
    return corners, np.full((rows * columns, 1), stride, np.float32)


def _corners(centre: Floats, size: Floats, input_hw: tuple[int, int], encoding: Encoding) -> Floats:
    """Boxes (anchors, 4) in input pixels, from centres and sizes (anchors, 2), x and width first."""
    scale = np.array(input_hw[::-1], np.float32) if encoding.boxes == "normalised" else np.ones(2, np.float32)
    centre, half = centre * scale, size * scale / 2
    return np.concatenate([centre - half, centre + half], 1)


def _probabilities(scores: Floats, encoding: Encoding) -> Floats:
    """Scores between 0 and 1: the sigmoid of logits, or else scores clipped to the range.

    Raises:
        DataError: scores lie far outside of the range.
    """
    if encoding.logits:
        return sigmoid(scores)
    if scores.size and (scores.min() < -_TOLERANCE or scores.max() > 1 + _TOLERANCE):
        raise DataError(
            f"the model's scores are {scores.min():.3g} to {scores.max():.3g}, expected 0 to 1; export it with its "
            f"last sigmoid"
        )
    return np.clip(scores, 0, 1)
