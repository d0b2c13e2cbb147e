"""A contact sheet of images with the classes that a head gives their objects: one row a scene, one column a codec.

A box has the colour of a right or of a wrong answer; a wrong one is named. Without labels the answers on the original
stand in for them. An image that is classified as a whole has its class below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.api import Dataset, HasClassLabels, HasRegions, Region, Scene, Task, Tile
from benchmarks.harness.truth import ScoredClasses, class_labels_in, likeliest, scored_classes
from benchmarks.reporting.figures.figure_files import TEXT, pyplot, readable
from benchmarks.reporting.images.sheet_layout import close_layout, save_sheet, show_image
from downstream.api import Classification, Prediction

_TILE = 2.4  # inches
_RIGHT, _WRONG = "#30D158", "#FF453A"


@dataclass(frozen=True)
class _TaskOnData:
    """As ``benchmarks.harness.truth.TaskOnData``."""

    task: Task
    dataset: Dataset


@dataclass(frozen=True)
class _Answers:
    """The classes of a scene's objects. regions: None where the image is taken whole. labels: int64 (N,), -1 for those
    that are not scored. tiles: the likeliest classes of each tile's, alike.
    """

    regions: Sequence[Region] | None
    labels: npt.NDArray[np.int64]
    tiles: Sequence[npt.NDArray[np.int64]]


def draw(scenes: Sequence[Scene], dataset: Dataset, head: Any, task: Task, path: Path) -> None:
    """Write scenes as one sheet, in a format that matplotlib writes. Raises DataError where labels cannot be read."""
    from matplotlib.lines import Line2D

    scored = scored_classes(_TaskOnData(task, dataset), head)
    classes = scored.space.classes
    answers = [_answers(scene, dataset, scored) for scene in scenes]
    height, width = scenes[0].tiles[0].image.shape[:2]
    columns = len(scenes[0].tiles)
    size = (_TILE * columns, (_TILE * height / width + 0.22) * len(scenes) + 0.45)
    plt = pyplot()
    with plt.rc_context({**TEXT, "font.size": 8}):
        figure, axes = plt.subplots(len(scenes), columns, figsize=size, squeeze=False, layout=close_layout())
        for line, scene, of_scene in zip(axes, scenes, answers, strict=True):
            for axis, tile, found in zip(line, scene.tiles, of_scene.tiles, strict=True):
                _draw_tile(axis, tile, of_scene, found, classes)
        for axis, tile in zip(axes[0], scenes[0].tiles, strict=True):
            axis.set_title(readable(tile.column), fontsize=9)
        marks = [Line2D([], [], color=colour, label=text) for colour, text in ((_RIGHT, "right"), (_WRONG, "wrong"))]
        figure.legend(handles=marks, loc="outside lower center", ncols=2, frameon=False, title="likeliest class")
        save_sheet(figure, path)


def _answers(scene: Scene, dataset: Dataset, scored: ScoredClasses) -> _Answers:
    """The labels and answers of a scene, in the scored classes."""
    tiles = [_likeliest(scored.relabel(tile.prediction)) for tile in scene.tiles]
    regions = dataset.regions(scene.number) if isinstance(dataset, HasRegions) else None
    if scored.target is None or not isinstance(dataset, HasClassLabels):
        return _Answers(regions, tiles[0], tiles)
    return _Answers(regions, class_labels_in(dataset, scene.number, scored.label_table), tiles)


def _likeliest(prediction: Prediction) -> npt.NDArray[np.int64]:
    assert isinstance(prediction, Classification)
    return likeliest(prediction)


def _draw_tile(axis: Any, tile: Tile, answers: _Answers, found: npt.NDArray[np.int64], classes: Sequence[str]) -> None:
    """One picture with its answers. found: the likeliest class of each object."""
    from matplotlib.patches import Rectangle

    show_image(axis, tile)
    if answers.regions is None:
        name = readable(classes[found[0]]) if found[0] >= 0 else "none of the classes"
        axis.set_xlabel(f"{name}\n{axis.get_xlabel()}", fontsize=7, labelpad=2)
        axis.xaxis.label.set_color("black" if found[0] == answers.labels[0] else _WRONG)
        return
    for (left, top, right, bottom), label, answer in zip(answers.regions, answers.labels, found, strict=True):
        if label < 0:
            continue
        colour = _RIGHT if label == answer else _WRONG
        box = Rectangle((left, top), right - left, bottom - top, fill=False, linewidth=0.9, edgecolor=colour)
        axis.add_patch(box)
        if label != answer and answer >= 0:
            axis.text(left, top, readable(classes[answer]), color=colour, fontsize=6, va="bottom", clip_on=True)
