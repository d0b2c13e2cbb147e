"""Images of any size fitted into a segmenter's fixed input, and its answer mapped back onto the image.

image --fitted--> canvas --segmenter--> logits or classes of the canvas --labels_from_...--> classes of the image
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from downstream.ops.finite import require_finite
from downstream.ops.letterbox import resize_bilinear
from hsc.api import Image
from hsc.errors import DataError

Fit = Literal["stretch", "longest"]


class Fitted(NamedTuple):
    """An image on a canvas.

    canvas: uint8 (h, w, 3), with the image at its top left. used_hw: height and width of the part that the image
    covers. image_hw: the size of the image before it was fitted.
    """

    canvas: Image
    used_hw: tuple[int, int]
    image_hw: tuple[int, int]


def fitted(image: Image, height: int, width: int, *, fit: Fit, pad_value: int, smooth: bool) -> Fitted:
    """Put an image on a canvas of (height, width).

    fit: "stretch" fills the canvas and changes the aspect ratio; "longest" keeps the ratio and fills the rest with
    ``pad_value``. smooth: as in ``resize_bilinear``.
    """
    own = image.shape[0], image.shape[1]
    scale = min(height / own[0], width / own[1])
    used = (height, width) if fit == "stretch" else (max(1, int(own[0] * scale)), max(1, int(own[1] * scale)))
    return _placed(resize_bilinear(image, *used, smooth=smooth), height, width, pad_value, own)


def padded(image: Image, multiple: int, *, pad_value: int) -> Fitted:
    """Put an image at its own size on a canvas with sides that are multiples of ``multiple``."""
    height, width = (-(-side // multiple) * multiple for side in image.shape[:2])
    return _placed(image, height, width, pad_value, (image.shape[0], image.shape[1]))


def _placed(image: Image, height: int, width: int, pad_value: int, own: tuple[int, int]) -> Fitted:
    canvas = np.full((height, width, 3), pad_value, np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    return Fitted(canvas, (image.shape[0], image.shape[1]), own)


def labels_from_logits(logits: npt.NDArray[Any], placed: Fitted) -> npt.NDArray[np.uint8]:
    """The classes of an image's pixels, uint8 (H, W): logits resized bilinearly, then the largest.

    logits: (classes, h, w), of the canvas, at any stride.

    Raises:
        HeadError: a logit is not finite.
    """
    import torch
    from torch.nn.functional import interpolate

    require_finite(logits, "logits")
    planes = torch.from_numpy(np.array(logits, np.float32))[None]  # (1, classes, h, w)
    planes = interpolate(planes, size=placed.canvas.shape[:2], mode="bilinear", align_corners=False)
    planes = planes[:, :, : placed.used_hw[0], : placed.used_hw[1]]
    if placed.used_hw != placed.image_hw:
        planes = interpolate(planes, size=placed.image_hw, mode="bilinear", align_corners=False)
    labels: npt.NDArray[np.uint8] = planes[0].argmax(0).to(torch.uint8).numpy()
    return labels


def labels_from_classes(classes: npt.NDArray[Any], placed: Fitted) -> npt.NDArray[np.uint8]:
    """The classes of an image's pixels, uint8 (H, W), from those of the canvas by nearest neighbour.

    classes: (h, w), at any stride.

    Raises:
        DataError: a class is not a whole number, or does not fit into 8 bits.
        HeadError: a class is not finite.
    """
    require_finite(classes, "classes")
    if not np.array_equal(classes, np.trunc(classes)):
        raise DataError(
            "the model answers classes that are not whole numbers; check that it answers classes, not scores"
        )
    if classes.min(initial=0) < 0 or classes.max(initial=0) > 255:
        raise DataError(
            f"the model answers classes {classes.min()} to {classes.max()}, expected 0 to 255; check that it answers "
            f"classes, not scores"
        )
    shares = [used / canvas for used, canvas in zip(placed.used_hw, placed.canvas.shape[:2], strict=True)]
    # The centre of each pixel of the image, on the grid of the answer.
    rows, columns = (
        np.minimum(((np.arange(own) + 0.5) / own * share * side).astype(np.int64), side - 1)
        for own, share, side in zip(placed.image_hw, shares, classes.shape, strict=True)
    )
    labels: npt.NDArray[np.uint8] = classes[rows[:, None], columns[None]].astype(np.uint8)
    return labels
