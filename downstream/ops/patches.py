"""Square patches of images, as distances between sets of features take them."""

from __future__ import annotations

from hsc.api import Image


def patch_corners(height: int, width: int, side: int) -> list[tuple[int, int]]:
    """The top left corners (y, x) of the whole patches of an image, in pixels: a grid from its own corner, then a grid
    shifted by half a patch right and down. None where the image is smaller than one patch.

    Source: Mentzer, Toderici, Tschannen, Agustsson, "High-fidelity generative image compression", NeurIPS 2020,
    appendix A.7.

    >>> patch_corners(5, 4, 4), patch_corners(6, 6, 4), patch_corners(3, 9, 4)
    ([(0, 0)], [(0, 0), (2, 2)], [])
    """
    return [
        (top, left)
        for offset in (0, side // 2)
        for top in range(offset, height - side + 1, side)
        for left in range(offset, width - side + 1, side)
    ]


def patches(image: Image, side: int) -> list[Image]:
    """The patches at ``patch_corners``; an image that is smaller than one patch is its own only patch."""
    height, width = image.shape[:2]
    corners = patch_corners(height, width, side)
    return [image[top : top + side, left : left + side] for top, left in corners] or [image]


def patch_count(height: int, width: int, side: int) -> int:
    """How many patches an image of this size has.

    >>> patch_count(256, 384, 128), patch_count(3, 9, 4)
    (8, 1)
    """
    return len(patch_corners(height, width, side)) or 1
