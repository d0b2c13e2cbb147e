"""The images in which a codec costs a head most, as pictures: the original beside the coded image, errors marked.

    errors of a run --most lost and newly false--> images --decoded apart--> worst.jpg, a row an image

Of each codec the operating point nearest to one rate is shown, that of the figure of confusions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.errors.decompose import PointErrors
from benchmarks.errors.kinds import FALSE_KINDS, OBJECT_KINDS
from benchmarks.errors.map_errors import kinds_of
from benchmarks.errors.reader_errors import BoxDetail
from benchmarks.harness.cache import Store
from benchmarks.harness.codec_answers import checked_image
from benchmarks.harness.executors import Executor, Processes
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.plan import Cell, Plan
from benchmarks.harness.worker import step
from benchmarks.metrics._coco_matching import Shapes
from benchmarks.reporting.figures.common_points import common_points
from benchmarks.reporting.figures.figure_files import TEXT, pyplot, readable
from benchmarks.reporting.images.sheet_layout import close_layout, save_sheet
from benchmarks.runs.display_names import Naming
from hsc.api import Image
from hsc.errors import HscError
from hsc.networks.network_holder import HOLDER

FILE = "worst.jpg"
MOST_ROWS = 8
"""Rows of the sheet; with fewer codecs than half of it, each has several images."""
COLOURS = {
    "kept": "#FFFFFF",
    "missed on both": "#9A9A9A",
    "gained": "#30D158",
    "lost": "#FF2D2D",
    "hallucinated": "#FF9F0A",
    "another new false one": "#FFE14D",
    "false already": "#5AC8FA",
}
"""What marks are drawn in, on both images: objects by their labels, false detections on the coded image alone."""
_PIXELS = {"missed": "missed on both", "gained": "gained", "lost": "lost"}
_TILE = 4.2  # inches


class Worst(NamedTuple):
    """An image of one operating point. place: of the image in the plan."""

    point: PointErrors
    place: int


@dataclass(frozen=True)
class Decoding:
    """A job: an image and what a codec's kept stream gives. data: None where it was not kept."""

    dataset: Any
    index: int
    cell: Cell
    data: bytes | None


class Pair(NamedTuple):
    """An original and what was decoded."""

    original: Image
    decoded: Image
    size_bytes: int


def worst_images(points: Sequence[PointErrors], bpp_of: Mapping[tuple[str, str], float]) -> list[Worst]:
    """The worst images of each codec by the first head, codec by codec; none where no rate is known.

    points: of a run. bpp_of: bits per pixel by codec and point.
    """
    first = {(p.cell.curve, p.cell.point): p for p in points if p.reader == points[0].reader}
    shown = common_points({name: bpp for name, bpp in bpp_of.items() if name in first})
    worst = []
    for name in list(shown.items())[:MOST_ROWS]:
        point = first[name]
        columns = [point.counts.kinds.index("lost"), point.counts.kinds.index("new_false")]
        errors = point.counts.counts[:, 0, columns].sum(1)
        order = np.argsort(-errors, kind="stable")[: max(MOST_ROWS // 2 // len(shown), 1)]
        worst += [Worst(point, int(place)) for place in order if errors[place]]
    return worst


def draw(
    plan: Plan, store: Store, worst: Sequence[Worst], path: Path, naming: Naming, executor: Executor | None = None
) -> list[str]:
    """Write the sheet, or nothing where no image can be decoded; returns a sentence for each that cannot.

    executor: where codecs decode, by default a process of its own.
    """
    pairs: list[tuple[Worst, Pair]] = []
    troubles = []
    jobs = [_job(plan, store, one) for one in worst]
    answers = {id(job): answer or f"{died}" for job, answer, died in (executor or Processes(1)).run(decode, jobs)}
    for one, job in zip(worst, jobs, strict=True):
        answer = answers.get(id(job), "it was not decoded")
        if isinstance(answer, Pair):
            pairs.append((one, answer))
        else:
            troubles.append(f"{plan.images[one.place].image_id} by {one.point.cell.title} is not shown: {answer}")
    if pairs:
        _sheet(plan, pairs, path, naming)
    return troubles


def _job(plan: Plan, store: Store, worst: Worst) -> Decoding:
    cell, image = worst.point.cell, plan.images[worst.place]
    key = cell.streams[worst.place]
    return Decoding(plan.config.dataset, image.index, cell, store.data([key]).get(key))


def decode(job: Decoding) -> Pair | str:
    """The image of a job and what is decoded, or why there is none."""
    try:
        with HOLDER.everything():
            return guarded(_decoded, job)
    except HscError as error:
        return why(error)


def _decoded(job: Decoding) -> Pair:
    step(1, ("codec", job.cell.curve))
    original = job.dataset.load(job.index).image
    codec: Any = job.cell.codec
    data = codec.encode(original) if job.data is None else job.data
    return Pair(original, checked_image(codec.decode(data), original.shape[:2]), len(data))


def _sheet(plan: Plan, pairs: Sequence[tuple[Worst, Pair]], path: Path, naming: Naming) -> None:
    from matplotlib.lines import Line2D

    height, width = pairs[0][1].original.shape[:2]
    plt = pyplot()
    with plt.rc_context({**TEXT, "font.size": 8}):
        size = (2 * _TILE, (_TILE * height / width + 0.25) * len(pairs) + 0.6)
        figure, axes = plt.subplots(len(pairs), 2, figsize=size, squeeze=False, layout=close_layout())
        for (one, pair), line in zip(pairs, axes, strict=True):
            _draw_pair(line, one, pair)
            image_id = readable(naming.text(plan.images[one.place].image_id))
            bpp = 8 * pair.size_bytes / (pair.original.shape[0] * pair.original.shape[1])
            codec = readable(f"{naming.label(one.point.cell.curve)} {one.point.cell.point}")
            line[0].set_xlabel(f"{image_id}, original", fontsize=7, labelpad=2)
            line[1].set_xlabel(f"{codec}, {bpp:.3f} bpp", fontsize=7, labelpad=2)
        shown = COLOURS if isinstance(pairs[0][0].point.detail, BoxDetail) else _PIXELS.values()
        marks = [Line2D([], [], color=COLOURS[name], label=name, linewidth=3) for name in shown]
        legend = figure.legend(handles=marks, loc="outside lower center", ncols=4, facecolor="#555555")
        for text in legend.get_texts():
            text.set_color("white")
        save_sheet(figure, path)


def _draw_pair(axes: Any, worst: Worst, pair: Pair) -> None:
    """Both images of a row with their marks."""
    detail = worst.point.detail
    for axis, image in zip(axes, (pair.original, pair.decoded), strict=True):
        axis.imshow(image, interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
    if not isinstance(detail, BoxDetail):
        maps = [maps[worst.place].labels for maps in (detail.labels, detail.original, detail.coded)]
        kinds = kinds_of(maps[0], maps[1], maps[2])
        for number, kind in enumerate(("kept", "missed", "gained", "lost")):
            if kind in _PIXELS:
                _shade(axes[1], kinds == number, COLOURS[_PIXELS[kind]])
        return
    for number, kind in enumerate(OBJECT_KINDS):
        colour = COLOURS[{"kept": "kept", "gained": "gained", "missed": "missed on both"}.get(kind, "lost")]
        for axis in axes:
            _frames(axis, detail.objects, (detail.errors.objects == number), worst.place, colour, "-")
    for number, kind in enumerate(FALSE_KINDS):
        name = {"already_false": "false already", "hallucinated": kind}.get(kind, "another new false one")
        _frames(axes[1], detail.coded.shapes, (detail.errors.false == number), worst.place, COLOURS[name], "--")


def _frames(axis: Any, shapes: Shapes, which: Any, image: int, colour: str, line: str) -> None:
    from matplotlib.patches import Rectangle

    for left, top, width, height in shapes.boxes[which & (shapes.image == image)]:
        frame = Rectangle((left, top), width, height, fill=False, linewidth=1.1, edgecolor=colour, linestyle=line)
        axis.add_patch(frame)


def _shade(axis: Any, mask: Any, colour: str) -> None:
    from matplotlib.colors import to_rgb

    layer = np.zeros((*mask.shape, 4))
    layer[mask] = (*to_rgb(colour), 0.55)
    axis.imshow(layer, interpolation="nearest")
