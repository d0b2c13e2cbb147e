"""The size of a picture after the resize of two-stage detectors: by its shorter side, with a limit to the longer one.

The rule is that of Detectron2's ResizeShortestEdge: sides are rounded half up.
"""

from __future__ import annotations

LONGEST_SIDE = 1 << 16
"""The most pixels that a side may be asked to have."""


def check_sides(short: int, most: int) -> None:
    """Raises ValueError unless 1 <= short <= most <= LONGEST_SIDE, as a resize to them needs."""
    if not 1 <= short <= most <= LONGEST_SIDE:
        raise ValueError(
            f"short came as {short} and most as {most}, expected 1 pixel or more, most not below short, and at most "
            f"{LONGEST_SIDE:,}"
        )


def resized_hw(height: int, width: int, short: int, most: int) -> tuple[int, int]:
    """Height and width after the resize, each at least 1 pixel.

    short: the length of the shorter side. most: the most that the longer side may have.

    >>> resized_hw(480, 640, 800, 1333), resized_hw(300, 900, 800, 1333)
    ((800, 1067), (444, 1333))
    """
    scale = short / min(height, width)
    new_height, new_width = (float(short), scale * width) if height < width else (scale * height, float(short))
    if (longest := max(new_height, new_width)) > most:
        new_height, new_width = new_height * (most / longest), new_width * (most / longest)
    return max(1, int(new_height + 0.5)), max(1, int(new_width + 0.5))
