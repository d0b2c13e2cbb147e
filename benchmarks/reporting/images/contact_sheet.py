"""A sheet to look at: images, what codecs leave of them at the same bytes, what a head finds there. ``python -m
benchmarks.sheet --help``.

original | first layer | codec | rival at as many bytes | ...          one row an image, drawn as its task draws it
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import TASKS, DrawsSheet, Scene, Tile
from benchmarks.harness.match_bytes import match_bytes
from benchmarks.harness.operating_points import curve_label, point_label
from benchmarks.harness.progress import Progress, Silent
from benchmarks.harness.requirements import why_no_masks
from downstream.api import HEADS, routes_of
from downstream.compatibility import why_not
from hsc.api import Codec, Image, Layered
from hsc.errors import UnavailableError, UsageError
from hsc.weights.fetching import fetch_all


class Picture(NamedTuple):
    """What a codec leaves of an image, not yet looked at. size_bytes: of its stream, 0 for the original."""

    column: str
    image: Image
    point: str
    size_bytes: int


def tiles(image: Image, codec: Codec, against: Sequence[Codec]) -> list[Picture]:
    """A row of the sheet, not yet looked at: the original, the first layer where there are layers, the codec, its
    rivals at as many bytes.
    """
    data = codec.encode(image)
    made = [Picture("original", image, "", 0)]
    if isinstance(codec, Layered) and codec.layers:
        first = codec.cut(data, 1)
        made.append(
            Picture(f"{curve_label(codec)}, first layer only", codec.decode(first), codec.layers[0], len(first))
        )
    made.append(Picture(curve_label(codec), codec.decode(data), point_label(codec), len(data)))
    for rival in against:
        matched, stream = match_bytes(rival, image, len(data))
        made.append(Picture(curve_label(rival), matched.decode(stream), point_label(matched), len(stream)))
    return made


def sheet(
    dataset: Any, head: Any, codec: Codec, against: Sequence[Codec], images: Sequence[int], path: Path, **options: Any
) -> None:
    """Code, look, draw. images: indices into the data set. Options: task (detection), score (0.3), progress.

    Raises:
        UsageError: there is no such image, nowhere to write, or the head's answers are not the task's.
        UnavailableError: the data set, the head or a codec cannot be used here.
    """
    task: Any = options.pop("task", None) or TASKS.build("detection")
    score, progress = options.pop("score", 0.3), options.pop("progress", Silent())
    _check(task, head)
    fetch_all([dataset, head, codec, *against])
    for thing in (dataset, head, codec, *against):
        if reason := thing.available():
            raise UnavailableError(reason)
    if reason := why_no_masks(task, head) or why_not(codec, head, dataset, "image"):
        raise UsageError(f"the head {HEADS.spec(head)} does not fit: {reason}")
    wrong = [i for i in images if not 0 <= i < len(dataset)]
    if wrong or not images:  # before anything is coded
        raise UsageError(f"images {wrong or 'none'} were asked for, the data set has 0 to {len(dataset) - 1}")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; make it first")
    if path.suffix.lower() not in {".png", ".jpg", ".jpeg", ".pdf", ".webp"}:
        raise UsageError(f"the sheet would be called {path.name}; end its name in .png, .jpg, .webp or .pdf")
    task.draw_sheet(_scenes(dataset, head, codec, against, images, progress), dataset, head, path, score)


def _check(task: Any, head: Any) -> None:
    """Refuse a head whose answers the task does not draw."""
    name, spec = getattr(task, "spec_name", ""), HEADS.spec(head)
    if "image" not in routes_of(head):
        raise UsageError(f"the head {spec} reads latents, a sheet shows what is seen in images; name another --head")
    if head.output is not task.output:
        fit = ", ".join(other for other in TASKS.names() if TASKS.get(other).output is head.output)
        raise UsageError(
            f"the head {spec} gives {head.output.__name__}, the task {name} draws others; name another --head, or "
            f"--task {fit}"
        )
    if not isinstance(task, DrawsSheet):
        raise UsageError(f"the task {name} draws no sheet")


def _scenes(
    dataset: Any, head: Any, codec: Codec, against: Sequence[Codec], images: Sequence[int], progress: Progress
) -> list[Scene]:
    progress.begin("images", len(images))
    scenes = []
    for index in images:
        sample = dataset.load(index)
        row = tiles(sample.image, codec, against)
        seen = head.predict([np.ascontiguousarray(one.image) for one in row])
        scenes.append(
            Scene(
                index, sample.image_id, tuple(Tile(*one, prediction) for one, prediction in zip(row, seen, strict=True))
            )
        )
        progress.advance("", 1)
    progress.end()
    return scenes
