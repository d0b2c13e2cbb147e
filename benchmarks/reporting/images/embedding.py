"""Images, boxes and label maps as a gallery holds them: small files as text, each with its own loss."""

from __future__ import annotations

import base64
import io
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.imaging.psnr import psnr
from downstream.api import VOID, Detections, Masks, SegmentationMap
from downstream.ops.masks import unpack
from hsc.api import Image

LARGEST_HW = (480, 640)
"""Of a larger image the middle is shown, never a smaller copy: coding artefacts are as small as pixels."""
MIN_DB = 40.0
"""The least PSNR of a picture against the image it shows, so that the artefacts seen are the codec's."""
MIN_SCORE, MAX_BOXES = 0.2, 60
"""Boxes of lower scores are not kept, nor more boxes than these; the page can hide more of them."""
_OUTLINE_LOSS = 0.4
"""Pixels by which an outline may deviate from that of the mask, so that it is short."""
_QUALITIES = (50, 60, 70, 80, 86, 92, 96)


class Window(NamedTuple):
    """The part of an image that is shown, in its pixels."""

    top: int
    left: int
    height: int
    width: int


def window(image_hw: tuple[int, int]) -> Window:
    """The whole image, or its middle where it is larger than ``LARGEST_HW``."""
    (height, width), (most_high, most_wide) = image_hw, LARGEST_HW
    if height > width:
        most_high, most_wide = most_wide, most_high
    shown = min(height, most_high), min(width, most_wide)
    return Window((height - shown[0]) // 2, (width - shown[1]) // 2, *shown)


def packed_picture(image: Image) -> dict[str, Any]:
    """A picture as a small file: its kind, its PSNR in dB against ``image``, and the file in base64.

    AVIF with full chroma, or WebP where Pillow has no AVIF, at the lowest of a few qualities whose PSNR is at least
    ``MIN_DB``.
    """
    from PIL import Image as Pictures
    from PIL import features

    kind, settings = (
        ("avif", {"subsampling": "4:4:4", "speed": 8, "max_threads": 1})
        if features.check("avif")
        else ("webp", {"method": 6})
    )
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        Pictures.fromarray(image).save(buffer, kind, quality=quality, **settings)
        with Pictures.open(buffer) as decoded:
            fidelity = psnr(np.asarray(decoded.convert("RGB")), image)
        if fidelity is None or fidelity >= MIN_DB:
            break
    return {
        "kind": f"image/{kind}",
        "quality": quality,
        "psnr": fidelity,
        "data": base64.b64encode(buffer.getvalue()).decode(),
    }


def boxes_of(detections: Detections, own: npt.NDArray[np.int64], cut: Window) -> dict[str, Any]:
    """Boxes as [left, top, right, bottom, score, class] in the window's pixels, best first, and outlines of their masks
    where there are some.

    own: the gallery's number of each class.
    """
    edges = np.array([cut.left, cut.top, cut.left, cut.top], np.float64)
    size = np.array([cut.width, cut.height, cut.width, cut.height], np.float64)
    boxes: list[list[float]] = []
    indices: list[int] = []
    for index in np.argsort(-detections.scores, kind="stable"):
        left, top, right, bottom = np.clip(detections.boxes_xyxy[index].astype(np.float64) - edges, 0, size)
        score = float(detections.scores[index])
        if score >= MIN_SCORE and right > left and bottom > top and len(boxes) < MAX_BOXES:
            corners = (round(float(corner), 1) for corner in (left, top, right, bottom))
            boxes.append([*corners, round(score, 3), int(own[detections.labels[index]])])
            indices.append(int(index))
    if detections.masks is None:
        return {"boxes": boxes}
    masks = Masks(tuple(detections.masks.counts[index] for index in indices), detections.masks.image_hw)
    rows, columns = slice(cut.top, cut.top + cut.height), slice(cut.left, cut.left + cut.width)
    return {"boxes": boxes, "outlines": [outline(mask[rows, columns]) for mask in unpack(masks)]}


def outline(mask: npt.NDArray[np.bool_]) -> str:
    """The outlines of a mask, bool (H, W), as the path of an SVG in its pixels, correct to about half a pixel; the path
    of an empty mask is empty.

    Even-odd filling gives the mask again: holes have outlines of their own.
    """
    from contourpy import contour_generator
    from matplotlib.path import Path as Outline

    lines: Any = contour_generator(z=np.pad(mask, 1).astype(np.float64)).lines(0.5)
    paths = []
    for line in lines:
        path = Outline(line - 0.5)  # the middle of the first pixel, which the padding puts at 1, lies at 0.5
        path.simplify_threshold = _OUTLINE_LOSS
        corners = np.asarray(path.cleaned(simplify=True, curves=False).vertices)[:-1]
        paths.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "Z")
    return "".join(paths)


def map_of(prediction: SegmentationMap, own: npt.NDArray[np.int64], cut: Window) -> dict[str, Any]:
    """A label map as a grey, lossless WebP in base64; its values are the gallery's numbers of classes, or ``VOID``.

    own: the gallery's number of each class.
    """
    table = np.full(256, VOID, np.uint8)
    table[: len(own)] = own
    labels = table[prediction.labels[cut.top : cut.top + cut.height, cut.left : cut.left + cut.width]]
    return {"map": packed_map(labels)}


def packed_map(labels: npt.NDArray[np.uint8]) -> str:
    """uint8 (H, W) as a lossless WebP in base64."""
    from PIL import Image as Pictures

    buffer = io.BytesIO()
    Pictures.fromarray(np.ascontiguousarray(labels)).convert("RGB").save(
        buffer, "WEBP", lossless=True, quality=80, method=4
    )
    return base64.b64encode(buffer.getvalue()).decode()


def check_picture(packed: str, image_hw: tuple[int, int]) -> None:
    """Refuse a packed picture that is damaged or of another size, before its pixels are decoded.

    Raises:
        ValueError: it is not base64, not WebP or AVIF, or not of ``image_hw``.
    """
    from PIL import Image as Pictures

    try:
        with Pictures.open(io.BytesIO(base64.b64decode(packed, validate=True)), formats=("WEBP", "AVIF")) as picture:
            width, height = picture.size
    except Exception as error:  # Pillow's plug-ins raise errors of any kind on damaged files
        raise ValueError(f"a picture cannot be read: {error}") from error
    if (height, width) != image_hw:
        raise ValueError(f"a picture has {width}x{height} pixels, expected the window's {image_hw[1]}x{image_hw[0]}")


def coloured_map(packed: str, colours: npt.NDArray[np.uint8]) -> str:
    """A packed map painted: lossless WebP in base64, ``VOID`` transparent. colours: uint8 (256, 4) RGBA of each class.

    Raises:
        ValueError, OSError: it is not such a map.
    """
    return painted_map(map_labels(packed), colours)


def map_labels(packed: str) -> npt.NDArray[np.uint8]:
    """The labels of a packed map: uint8 (H, W).

    Raises:
        ValueError, OSError: it is not such a map.
    """
    from PIL import Image as Pictures

    with Pictures.open(io.BytesIO(base64.b64decode(packed, validate=True)), formats=("WEBP",)) as grey:
        return np.asarray(grey.convert("RGB"))[:, :, 0]


def painted_map(labels: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8]) -> str:
    """Labels, uint8 (H, W), painted: lossless WebP in base64. colours: uint8 (256, 4) RGBA of each label."""
    from PIL import Image as Pictures

    buffer = io.BytesIO()
    Pictures.fromarray(colours[labels]).save(buffer, "WEBP", lossless=True, quality=60, method=4)
    return base64.b64encode(buffer.getvalue()).decode()
