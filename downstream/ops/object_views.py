"""Square views of objects for small classifiers: the longer side fills the view, the rest is grey.

image or crop (h, w) --bilinear, averaged where it shrinks--> longer side = side, centred on middle grey --> view
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from downstream.ops.batching import as_batch
from hsc.api import Image

if TYPE_CHECKING:
    from torch import Tensor

MIDDLE_GREY = 115.0


def square_view(image: Image, side: int) -> Tensor:
    """One picture as float32 (3, side, side), 0 to 255, at its own aspect ratio.

    image: uint8 (H, W, 3) of any size from 1x1 on. A side that would vanish keeps one pixel.
    """
    from torch.nn.functional import interpolate

    height, width = image.shape[:2]
    longer = max(height, width)
    size = max(1, round(side * height / longer)), max(1, round(side * width / longer))
    planes: Tensor = as_batch(image)  # (H, W, 3) -> (1, 3, H, W)
    if size != (height, width):
        shrinks = longer > side
        planes = interpolate(planes, size=size, mode="bilinear", align_corners=False, antialias=shrinks)
    top, left = (side - size[0]) // 2, (side - size[1]) // 2
    view = planes.new_full((3, side, side), MIDDLE_GREY)
    view[:, top : top + size[0], left : left + size[1]] = planes[0]
    return view
