"""A contact sheet of label maps: for each scene its decoded images, what a head predicts there, and the errors.

scene    original   codec      rival at as many bytes ...     the image
labels   its map    its map    its map                        in the data set's colours
errors   right, wrong as on the original, wrong here alone    with the scores of this scene alone
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import DATASETS, METRICS, Dataset, HasLabelMaps, Metric, MetricFacts, Scene, Task, Truth
from benchmarks.harness.packed_predictions import Relabelling
from benchmarks.harness.truth import covered, lookup, relabelled
from benchmarks.reporting.figures.figure_files import TEXT, pyplot, readable
from benchmarks.reporting.figures.palettes import palette
from benchmarks.reporting.images.sheet_layout import close_layout, save_sheet, show_image
from benchmarks.runs.number_texts import score_text
from benchmarks.stats.metric_facts import facts_of
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
"""Kinds of pixels in the order of ``errors``, with colours that stay distinct for colour-blind readers."""
_MAX_LISTED = 40
"""A legend lists at most this many classes, those of the lowest labels."""


class Maps(NamedTuple):
    """One scene in the classes that are scored: its labels, and the prediction on each tile, the original first."""

    labels: Labels
    predictions: list[Labels]


def draw(scenes: Sequence[Scene], dataset: Dataset, head: Any, task: Task, path: Path) -> None:
    """Write scenes as one sheet. Without labels, the predictions on the originals stand in for them, and the sheet
    names them so.

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
        for place, (scene, scene_maps) in enumerate(zip(scenes, maps, strict=True)):
            block = axes[3 * place : 3 * place + 3]
            _block(block, scene, scene_maps, colours, "labels" if target else "no labels: predictions on the original")
            for axis, prediction in zip(block[2][1:], scene_maps.predictions, strict=True):
                text = scene_scores(scene_maps.labels, prediction, space.classes, task)
                axis.set_xlabel(text, fontsize=7, labelpad=2)
        for axis, tile in zip(axes[0][1:], scenes[0].tiles, strict=True):
            axis.set_title(readable(tile.column), fontsize=9)
        percent = ", in percent" if all(facts.percent for facts in shown_facts(task).values()) else ""
        _legend(figure, maps, space.classes, colours, columns, f"scores of each scene alone{percent}")
        save_sheet(figure, path)


def _scored(scene: Scene, dataset: Dataset, own: LabelSpace, space: LabelSpace, target: LabelSpace | None) -> Maps:
    """A scene's maps in the classes that the harness scores them in."""
    relabel: Any = relabelled(own, space, target)
    predictions: list[Labels] = [relabel(tile.prediction).labels for tile in scene.tiles]
    if target is None:
        return Maps(predictions[0], predictions)
    if not isinstance(dataset, HasLabelMaps):
        raise UsageError(f"the data set {DATASETS.spec(dataset)} has no label maps to draw")
    between = map_between(own, target)
    merge = between.merge if between else {}
    classes = {name: merge.get(name, name) for name in target.classes}
    on_labels: Any = Relabelling(lookup(target, space, classes))
    labels: Labels = on_labels(dataset.label_map(scene.number)).labels
    wrong = next((prediction for prediction in predictions if prediction.shape != labels.shape), None)
    if wrong is not None:
        raise UsageError(
            f"{scene.image_id} has a prediction of shape {wrong.shape} for labels of {labels.shape}; a head answers at "
            f"its image's size"
        )
    return Maps(labels, predictions)


def errors(labels: Labels, prediction: Labels, on_original: Labels) -> Labels:
    """The kind of each pixel: 0 right, 1 wrong here and on the original, 2 wrong here alone, 3 without a label."""
    kind = np.where(prediction == labels, 0, np.where(on_original == labels, 2, 1))
    return np.where(labels == VOID, 3, kind).astype(np.uint8)


def scene_scores(labels: Labels, prediction: Labels, classes: Sequence[str], task: Task) -> str:
    """The first two of the task's scores for one scene alone, by the task's first metric."""
    metric: Metric = METRICS.build(task.metrics[0])
    facts = shown_facts(task)
    truth = Truth(("",), tuple(classes), maps=[SegmentationMap(labels)])
    scores = metric.compute(truth, [SegmentationMap(prediction)])
    values = {score.metric: score.value for score in scores if not score.part}
    return "   ".join(f"{facts[name].title} {score_text(values[name], facts[name])}" for name in facts)


def shown_facts(task: Task) -> dict[str, MetricFacts]:
    """The facts of the scores that stand below a scene's errors, by name: the first two of the task's columns."""
    metric: Metric = METRICS.build(task.metrics[0])
    return {name: facts_of(metric.facts, name) for name in task.columns[:2]}


def _block(axes: Any, scene: Scene, maps: Maps, colours: Labels, labels_name: str) -> None:
    """Three rows of axes: images, maps, errors; in the first column the scene's name and its labels."""
    from matplotlib.colors import to_rgb

    shades = np.array([to_rgb(colour) for colour in _ERRORS.values()])
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
    for axis, text in ((axes[0][0], readable(scene.image_id)), (axes[2][0], "errors")):
        axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes)
        axis.axis("off")
    axes[1][0].imshow(colours[maps.labels], interpolation="nearest")
    axes[1][0].set_xlabel(labels_name, fontsize=7, labelpad=2)
    for column, (tile, prediction) in enumerate(zip(scene.tiles, maps.predictions, strict=True), 1):
        show_image(axes[0][column], tile)
        axes[1][column].imshow(colours[prediction], interpolation="nearest")
        kinds = errors(maps.labels, prediction, maps.predictions[0])
        axes[2][column].imshow(shades[kinds], interpolation="nearest")


def _legend(
    figure: Any, maps: Sequence[Maps], classes: Sequence[str], colours: Labels, columns: int, title: str
) -> None:
    """The classes that any map holds, and the colours of errors."""
    from matplotlib.patches import Patch

    edge: dict[str, Any] = {"edgecolor": "#666666", "linewidth": 0.4}
    held = {int(label) for scene in maps for table in (scene.labels, *scene.predictions) for label in np.unique(table)}
    listed = [label for label in range(len(classes)) if label in held][:_MAX_LISTED]
    marks = [Patch(facecolor=colours[label] / 255, label=readable(classes[label]), **edge) for label in listed]
    marks += [Patch(facecolor=(0, 0, 0), label="void")] if VOID in held else []
    marks += [Patch(facecolor=colour, label=name, **edge) for name, colour in _ERRORS.items()]
    figure.legend(
        handles=marks,
        loc="outside lower center",
        ncols=max(int(1.4 * columns), 2),
        frameon=False,
        title=title,
    )
