"""A contact sheet of scenes with or without labels, statistics of their content, and their pictures as files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.datasets.roadscenes.frame import Frame
from benchmarks.datasets.roadscenes.materials import OBJECTS, SEMANTIC
from benchmarks.datasets.roadscenes.scene import draw_scene

PALETTE = np.array(
    [
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ],
    np.uint8,
)  # fmt: skip
"""CamVid's colours of the eleven classes."""

BOX_COLOURS = ((255, 210, 0), (255, 90, 0), (60, 255, 60), (0, 220, 255), (255, 60, 255))


@dataclass(frozen=True)
class Statistics:
    """Statistics of some frames.

    objects: scorable instances per image, by class. ignored: other instances per image. areas: shares of the scorable
    instances with an area below 32^2, below 96^2, and above, in pixels. pixels: share of each semantic class, void
    last. images_per_s: rendering speed.
    """

    images: int
    objects: tuple[float, ...]
    ignored: float
    areas: tuple[float, float, float]
    pixels: tuple[float, ...]
    images_per_s: float

    def __str__(self) -> str:
        total = sum(self.objects)
        lines = [
            f"{self.images} images, {self.images_per_s:.1f} a second; {total:.1f} objects an image, "
            f"{self.ignored:.1f} ignored"
        ]
        lines.append(
            "objects an image: "
            + ", ".join(f"{name} {count:.2f}" for name, count in zip(OBJECTS, self.objects, strict=True))
        )
        lines.append("sizes (COCO): small {:.0%}, medium {:.0%}, large {:.0%}".format(*self.areas))
        lines.append(
            "pixels: "
            + ", ".join(f"{name} {share:.1%}" for name, share in zip((*SEMANTIC, "void"), self.pixels, strict=True))
        )
        return "\n".join(lines)


def gather(seed: int, first: int, count: int, size: tuple[int, int]) -> tuple[list[Frame], float]:
    """Render frames: (frames, images a second). The first frame, which may compile the kernels, is not timed."""
    from benchmarks.datasets.roadscenes.renderer import render

    frames = [render(seed, first, size)]
    start = time.perf_counter()
    frames += [render(seed, first + i, size) for i in range(1, count)]
    return frames, (count - 1) / max(time.perf_counter() - start, 1e-9)


def save(frames: Sequence[Frame], seed: int, first: int, folder: Path) -> None:
    """Write frames as ``<index>.png``, and for each condition of their scenes a file of lines ``index,number``."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    lines_by_condition: dict[str, list[str]] = {}
    for index, frame in enumerate(frames, start=first):
        Image.fromarray(frame.image).save(folder / f"{index:06d}.png")
        for name, value in draw_scene(seed, index).conditions.items():
            lines_by_condition.setdefault(name, []).append(f"{index:06d},{value:.6g}\n")
    for name, lines in lines_by_condition.items():
        (folder / f"{name}.csv").write_text("".join(lines))


def statistics(frames: Sequence[Frame], images_per_s: float) -> Statistics:
    """Statistics of some frames."""
    n = len(frames)
    scorable = np.concatenate([f.classes[~f.iscrowd] for f in frames])
    areas = np.concatenate([f.objects.areas[~f.iscrowd] for f in frames])
    shares = np.bincount(np.concatenate([f.semantic.ravel() for f in frames]), minlength=256) / sum(
        f.semantic.size for f in frames
    )
    small, large = float(np.mean(areas < 32**2)), float(np.mean(areas >= 96**2))
    return Statistics(
        images=n,
        objects=tuple(float(c) / n for c in np.bincount(scorable, minlength=len(OBJECTS))),
        ignored=float(sum(f.iscrowd.sum() for f in frames)) / n,
        areas=(small, 1.0 - small - large, large),
        pixels=(*(float(s) for s in shares[: len(SEMANTIC)]), float(shares[255])),
        images_per_s=images_per_s,
    )


def labelled(frame: Frame) -> npt.NDArray[np.uint8]:
    """The image with its label map overlaid, boxes of scorable objects bright and of ignored ones grey."""
    from PIL import Image, ImageDraw

    colours = np.zeros((256, 3), np.uint8)
    colours[: len(PALETTE)] = PALETTE
    picture = Image.fromarray(((frame.image.astype(np.uint16) + colours[frame.semantic]) // 2).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for (left, top, right, bottom), kind, crowd in zip(
        frame.boxes_xyxy.tolist(), frame.classes, frame.iscrowd, strict=True
    ):
        draw.rectangle((left, top, right - 1, bottom - 1), outline=(110, 110, 110) if crowd else BOX_COLOURS[kind])
    return np.asarray(picture)


def write_sheet(frames: Sequence[Frame], path: Path, *, columns: int = 6, labels: bool = False) -> None:
    """Write frames, all of one size, as one picture."""
    from PIL import Image

    height, width = frames[0].semantic.shape
    rows = -(-len(frames) // columns)
    canvas = np.zeros((rows * height, min(columns, len(frames)) * width, 3), np.uint8)
    for i, frame in enumerate(frames):
        y, x = i // columns * height, i % columns * width
        canvas[y : y + height, x : x + width] = labelled(frame) if labels else frame.image
    Image.fromarray(canvas).save(path)
