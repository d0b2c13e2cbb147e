"""A sheet of label maps: for each scene what codecs leave of it, what a head sees there, and where that is wrong.

scene    original   codec      rival at as many bytes ...     the picture
labels   its map    its map    its map                        in the data set's colours
errors   right, wrong as on the original, wrong here alone    with the score of this scene alone
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, Dataset, HasLabelMaps, Scene, Task, Truth
from benchmarks.harness.truth import covered, lookup, relabelled
from benchmarks.reporting.figures.palettes import palette
from benchmarks.reporting.figures.rate_curves import TEXT, pyplot, readable
from benchmarks.reporting.images.boxes import close_layout, save_sheet, show_image
from benchmarks.stats.metric_facts import TITLES
from downstream.api import VOID, LabelSpace, SegmentationMap
from downstream.class_maps import map_between
from hsc.errors import UsageError

Labels = npt.NDArray[np.uint8]

_TILE = 2.3  # inches
_ERRORS = {
    "right": "#E8E8E8",
    "wrong, as on the original": "#E69F00",
    "wrong here alone": "#B2182B",
    "no label": "#303030",
}
"""Grey, orange and red that stay apart for colour-blind eyes too."""
_MOST = 40
"""A legend names at most so many classes, those that are seen first."""


class Maps(NamedTuple):
    """One scene as it is scored: true labels, and those found in each of its tiles, the original first."""

    true: Labels
    found: list[Labels]


def draw(scenes: Sequence[Scene], dataset: Dataset, head: Any, task: Task, path: Path) -> None:
    """Write scenes as one picture. Without labels, what the head sees in the original stands in for them, and the sheet
    says so.

    Raises:
        UsageError: the data set has label classes and no maps, or a map is not of its image's size.
    """
    target = dataset.label_space(SegmentationMap)
    own: LabelSpace = head.label_space
    space = covered(own, target or own)
    maps = [_scored(scene, dataset, own, space, target) for scene in scenes]
    colours = palette(target or own, space.classes)
    columns = len(scenes[0].tiles) + 1
    height, width = scenes[0].tiles[0].image.shape[:2]
    plt = pyplot()
    with plt.rc_context({**TEXT, "font.size": 8}):
        size = (_TILE * columns, (_TILE * height / width + 0.2) * 3 * len(scenes) + 1.0)
        figure, axes = plt.subplots(3 * len(scenes), columns, figsize=size, squeeze=False, layout=close_layout())
        for place, (scene, seen) in enumerate(zip(scenes, maps, strict=True)):
            _block(
                axes[3 * place : 3 * place + 3], scene, seen, space.classes, task, colours, labelled=target is not None
            )
        for axis, one in zip(axes[0][1:], scenes[0].tiles, strict=True):
            axis.set_title(readable(one.column), fontsize=9)
        _legend(figure, maps, space.classes, colours, columns)
        save_sheet(figure, path)


def _scored(scene: Scene, dataset: Dataset, own: LabelSpace, space: LabelSpace, target: LabelSpace | None) -> Maps:
    """A scene's maps in the classes they are scored in, as the harness has them."""
    relabel = relabelled(own, space, target)
    found = [relabel(one.prediction).labels for one in scene.tiles]
    if target is None:
        return Maps(found[0], found)
    if not isinstance(dataset, HasLabelMaps):
        raise UsageError(f"the data set {getattr(dataset, 'spec_name', '')} has no label maps to draw")
    between = map_between(own, target)
    merge = between.merge if between else {}
    true = lookup(target, space, {c: merge.get(c, c) for c in target.classes})[dataset.label_map(scene.number).labels]
    wrong = next((one for one in found if one.shape != true.shape), None)
    if wrong is not None:
        raise UsageError(
            f"{scene.image_id} has a prediction of shape {wrong.shape} for labels of {true.shape}; a head answers at "
            f"its image's size"
        )
    return Maps(true, found)


def errors(true: Labels, found: Labels, original: Labels) -> Labels:
    """What became of each pixel: 0 right, 1 wrong and so on the original, 2 wrong here alone, 3 without a label."""
    kind = np.where(found == true, 0, np.where(original == true, 2, 1))
    return np.where(true == VOID, 3, kind).astype(np.uint8)


def said(true: Labels, found: Labels, classes: Sequence[str], task: Task) -> str:
    """The main score and pixel accuracy of one scene alone, by the task's own metric."""
    metric: Any = METRICS.build(task.metrics[0])
    scores = metric.compute(Truth(("",), tuple(classes), maps=[SegmentationMap(true)]), [SegmentationMap(found)])
    value = {one.metric: one.value for one in scores if not one.part}
    return "   ".join(f"{TITLES.get(name, name)} {100 * value[name]:.1f}" for name in task.columns[:2])


def _block(
    axes: Any, scene: Scene, seen: Maps, classes: Sequence[str], task: Task, colours: Labels, *, labelled: bool
) -> None:
    """Three lines of axes: pictures, maps, errors; in the first column the scene's name and its labels."""
    from matplotlib.colors import to_rgb

    shades = np.array([to_rgb(colour) for colour in _ERRORS.values()])
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0][0].text(0.5, 0.5, readable(scene.image_id), ha="center", va="center", transform=axes[0][0].transAxes)
    axes[2][0].text(0.5, 0.5, "errors", ha="center", va="center", transform=axes[2][0].transAxes)
    for axis in (axes[0][0], axes[2][0]):
        axis.axis("off")
    axes[1][0].imshow(colours[seen.true], interpolation="nearest")
    axes[1][0].set_xlabel("labels" if labelled else "no labels: the original's stand in", fontsize=7, labelpad=2)
    for column, (one, found) in enumerate(zip(scene.tiles, seen.found, strict=True), 1):
        show_image(axes[0][column], one)
        axes[1][column].imshow(colours[found], interpolation="nearest")
        axes[2][column].imshow(shades[errors(seen.true, found, seen.found[0])], interpolation="nearest")
        axes[2][column].set_xlabel(said(seen.true, found, classes, task), fontsize=7, labelpad=2)


def _legend(figure: Any, maps: Sequence[Maps], classes: Sequence[str], colours: Labels, columns: int) -> None:
    """The classes that are seen anywhere, and the colours of errors."""
    from matplotlib.patches import Patch

    seen = set(
        np.unique(np.concatenate([np.unique(one) for scene in maps for one in (scene.true, *scene.found)])).tolist()
    )
    shown = [label for label in range(len(classes)) if label in seen][:_MOST]
    marks = [
        Patch(facecolor=colours[label] / 255, edgecolor="#666666", linewidth=0.4, label=readable(classes[label]))
        for label in shown
    ]
    marks += [Patch(facecolor=(0, 0, 0), label="void")] if VOID in seen else []
    wrong = [
        Patch(facecolor=colour, edgecolor="#666666", linewidth=0.4, label=name) for name, colour in _ERRORS.items()
    ]
    said = "scores in percent, of each scene alone"
    figure.legend(
        handles=[*marks, *wrong],
        loc="outside lower center",
        ncols=max(int(1.4 * columns), 2),
        frameon=False,
        title=said,
    )
