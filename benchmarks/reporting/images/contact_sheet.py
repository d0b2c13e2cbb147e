"""A contact sheet: images as several codecs decode them at the same bytes, with the predictions of a head.

original | first layer | codec | rival at as many bytes | ...          one row an image, drawn as its task draws it

A column that shows about the same picture in every row, as a first layer of a few bytes does, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import TASKS, DrawsSheet, HasRegions, Scene, Tile
from benchmarks.harness.head_calls import ask
from benchmarks.harness.match_bytes import match_bytes
from benchmarks.harness.operating_points import curve_label, point_label
from benchmarks.harness.progress import Progress, Silent
from benchmarks.harness.requirements import why_no_masks
from benchmarks.reporting.images.sheet_columns import write_columns
from benchmarks.runs.display_names import display_names
from downstream.api import HEADS, routes_of
from downstream.compatibility import why_not
from hsc.api import Codec, Image, Layered
from hsc.errors import UnavailableError, UsageError
from hsc.weights.fetching import fetch_all

ALIKE = 0.25
"""Pictures of different scenes are alike where they differ by less than this share of what their originals do."""
_FORMATS = {".png", ".jpg", ".jpeg", ".pdf", ".webp"}


class Decoded(NamedTuple):
    """An image as a codec decodes it, without a prediction yet. column: the codec's name on the sheet. size_bytes: of
    the bitstream, 0 for the original.
    """

    column: str
    image: Image
    point: str
    size_bytes: int


def tiles(image: Image, codec: Codec, against: Sequence[Codec], names: Mapping[str, str]) -> list[Decoded]:
    """A row of the sheet without predictions: the original, the first layer where the codec has layers, the codec, and
    its rivals at as many bytes or just above. names: what codecs are called, by label.
    """
    called = names[curve_label(codec)]
    data = codec.encode(image)
    row = [Decoded("original", image, "", 0)]
    if isinstance(codec, Layered) and codec.layers:
        first = codec.cut(data, 1)
        column = f"{called}, first layer only"
        row.append(Decoded(column, codec.decode(first), codec.layers[0], len(first)))
    row.append(Decoded(called, codec.decode(data), point_label(codec), len(data)))
    for rival in against:
        matched, stream = match_bytes(rival, image, len(data))
        row.append(Decoded(names[curve_label(rival)], matched.decode(stream), point_label(matched), len(stream)))
    return row


def sheet(
    dataset: Any,
    head: Any,
    codec: Codec,
    against: Sequence[Codec],
    images: Sequence[int],
    path: Path,
    *,
    task: Any = None,
    score: float = 0.3,
    names: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Code some images, run the head on them, and write the sheet; returns the columns that were left out of it because
    they show about the same picture in every row.

    images: indices into the data set. task: what draws the sheet, by default detection. score: boxes of a lower score
    are not drawn. names: those that codecs were given, by label. A JPEG says in its comment which codecs it shows.

    Raises:
        UsageError: an index or the path is wrong, or the head's predictions are not the task's.
        UnavailableError: the data set, the head or a codec cannot be used here.
    """
    task = task or TASKS.build("detection")
    _check_head(task, head)
    fetch_all([dataset, head, codec, *against])
    for plugin in (dataset, head, codec, *against):
        if reason := plugin.available():
            raise UnavailableError(reason)
    if reason := why_no_masks(task, head) or why_not(codec, head, dataset, "image"):
        raise UsageError(f"the head {HEADS.spec(head)} does not fit: {reason}")
    wrong = [index for index in images if not 0 <= index < len(dataset)]
    if wrong or not images:  # before anything is coded
        raise UsageError(f"images {wrong or 'none'} were asked for, the data set has 0 to {len(dataset) - 1}")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; make it first")
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"the sheet would be called {path.name}; end its name in .png, .jpg, .webp or .pdf")
    shown = display_names(map(curve_label, (codec, *against)), names)
    scenes = _scenes(dataset, head, codec, against, images, shown, progress or Silent())
    alike = columns_alike(scenes)
    task.draw_sheet([_without(scene, alike) for scene in scenes], dataset, head, path, score)
    write_columns(path, shown)
    return [scenes[0].tiles[place].column for place in alike]


def columns_alike(scenes: Sequence[Scene]) -> list[int]:
    """The places of the columns that show about the same picture in every row; none of sheets of one row or of images
    of different sizes.
    """
    if len(scenes) < 2 or len({tile.image.shape for scene in scenes for tile in scene.tiles}) > 1:
        return []
    spread = [_spread([scene.tiles[place].image for scene in scenes]) for place in range(len(scenes[0].tiles))]
    return [place for place, apart in enumerate(spread) if place and apart < ALIKE * spread[0]]


def _spread(images: Sequence[Image]) -> float:
    """The mean difference, in levels, between all pictures and their mean."""
    stack = np.stack(images).astype(np.float32)
    return float(np.abs(stack - stack.mean(0)).mean())


def _without(scene: Scene, places: Sequence[int]) -> Scene:
    return scene._replace(tiles=tuple(tile for place, tile in enumerate(scene.tiles) if place not in places))


def _check_head(task: Any, head: Any) -> None:
    """Refuse a head whose predictions the task does not draw. Raises UsageError."""
    name, spec = TASKS.spec(task).name, HEADS.spec(head)
    if "image" not in routes_of(head):
        raise UsageError(f"the head {spec} reads latents, and a sheet shows decoded images; name another --head")
    if head.output is not task.output:
        fitting = ", ".join(other for other in TASKS.names() if TASKS.get(other).output is head.output)
        raise UsageError(
            f"the head {spec} gives {head.output.__name__}, the task {name} draws others; name another --head, or "
            f"--task {fitting}"
        )
    if not isinstance(task, DrawsSheet):
        raise UsageError(f"the task {name} draws no sheet")


def _scenes(
    dataset: Any,
    head: Any,
    codec: Codec,
    against: Sequence[Codec],
    images: Sequence[int],
    names: Mapping[str, str],
    progress: Progress,
) -> list[Scene]:
    progress.begin("images", len(images))
    scenes = []
    for index in images:
        sample = dataset.load(index)
        row = tiles(sample.image, codec, against, names)
        images_of_row = [np.ascontiguousarray(decoded.image) for decoded in row]
        regions = dataset.regions(index) if isinstance(dataset, HasRegions) else None
        of_image = None if regions is None else tuple(regions)
        predictions = ask(head, "image", images_of_row, [], [of_image] * len(row))
        drawn = tuple(Tile(*decoded, prediction) for decoded, prediction in zip(row, predictions, strict=True))
        scenes.append(Scene(index, sample.image_id, drawn))
        progress.advance("", 1)
    progress.end()
    return scenes
