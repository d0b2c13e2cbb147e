"""A sheet to look at: images, what codecs leave of them at the same bytes, what a head finds there. ``python -m benchmarks.sheet --help``.

original | first layer | codec | rival at as many bytes | ...          one row an image, boxes or label maps drawn over
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import CODECS, DATASETS
from benchmarks.matching import match_bytes
from benchmarks.plots import COLOURS
from benchmarks.points import curve_label, point_label
from benchmarks.progress import Bar, Progress, Silent
from downstream.api import HEADS, Detections, Prediction
from hsc.api import Codec, Image, Layered
from hsc.errors import HscError, UnavailableError, UsageError

EXAMPLES = """examples:
  python -m benchmarks.sheet --codec 'hsc(quality=2)' --against vvc --against jpeg --out sheet.jpg
      six scenes of the embedded data set, each rival at the first point that spends at least as many bytes on the image as hsc
  python -m benchmarks.sheet --codec 'bpg(qp=42)' --against webp --images 3 17 --dataset 'images(folder="photos")' --out sheet.png
      two photos of yours; --head says who looks at them"""


_BRIGHT = ("#FFD60A", "#FF453A", "#32D7FF", "#30D158", "#FF5FD2", *COLOURS)
"""Five that show on streets, then those of the curves."""


class Tile(NamedTuple):
    """A picture of the sheet. bytes: of its stream, 0 for the original."""

    column: str
    image: Image
    point: str
    bytes: int
    prediction: Prediction | None = None


def tiles(image: Image, codec: Codec, against: Sequence[Codec]) -> list[Tile]:
    """A row of the sheet, not yet looked at: the original, the first layer where there are layers, the codec, its rivals at as many bytes."""
    data = codec.encode(image)
    made = [Tile("original", image, "", 0)]
    if isinstance(codec, Layered) and codec.layers:
        first = codec.cut(data, 1)
        made.append(Tile(f"{curve_label(codec)}, first layer only", codec.decode(first), codec.layers[0], len(first)))
    made.append(Tile(curve_label(codec), codec.decode(data), point_label(codec), len(data)))
    for rival in against:
        matched, stream = match_bytes(rival, image, len(data))
        made.append(Tile(curve_label(rival), matched.decode(stream), point_label(matched), len(stream)))
    return made


def draw(rows: Sequence[Sequence[Tile]], classes: Sequence[str], score: float, path: Path) -> None:
    """Write rows as one picture of a kind matplotlib writes, whole or not at all. score: boxes below it are left out."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.lines import Line2D

    height, width = rows[0][0].image.shape[:2]
    tile = 2.4  # inches
    size = (tile * len(rows[0]), (tile * height / width + 0.22) * len(rows) + 0.45)
    with plt.rc_context({"font.size": 8, "pdf.fonttype": 42}):
        close = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.05, wspace=0, hspace=0)
        figure, axes = plt.subplots(len(rows), len(rows[0]), figsize=size, squeeze=False, layout=close)
        for line, row in zip(axes, rows, strict=True):
            for axis, one in zip(line, row, strict=True):
                _show(axis, one, score)
        for axis, one in zip(axes[0], rows[0], strict=True):
            axis.set_title(one.column, fontsize=9)
        if any(isinstance(one.prediction, Detections) for row in rows for one in row):
            marks = [Line2D([], [], color=_colour(i), label=name) for i, name in enumerate(classes)]
            figure.legend(handles=marks, loc="outside lower center", ncols=len(classes), frameon=False, title=f"boxes of score {score:g} and above")
        part = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
        try:
            figure.savefig(part, dpi=160)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
            plt.close(figure)


def _show(axis: Any, one: Tile, score: float) -> None:
    from matplotlib.patches import Rectangle

    axis.imshow(one.image, interpolation="nearest")
    found = one.prediction
    if isinstance(found, Detections):
        for (left, top, right, bottom), label in zip(found.boxes_xyxy[found.scores >= score], found.labels[found.scores >= score], strict=True):
            axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, linewidth=0.9, edgecolor=_colour(int(label))))
    axis.set_xticks([])
    axis.set_yticks([])
    bpp = 8 * one.bytes / (one.image.shape[0] * one.image.shape[1])
    axis.set_xlabel(f"{one.point}   {one.bytes} bytes, {bpp:.3f} bpp" if one.bytes else " ", fontsize=7, labelpad=2)


def _colour(label: int) -> str:
    return _BRIGHT[label % len(_BRIGHT)]


def sheet(dataset: Any, head: Any, codec: Codec, against: Sequence[Codec], images: Sequence[int], path: Path, **options: Any) -> None:
    """Code, look, draw. images: indices into the data set. Options: score (0.3), progress.

    Raises:
        UsageError: there is no such image, or nowhere to write.
        UnavailableError: the data set, the head or a codec cannot be used here.
    """
    score, progress = options.pop("score", 0.3), options.pop("progress", Silent())
    for thing in (dataset, head, codec, *against):
        if reason := thing.available():
            raise UnavailableError(reason)
    wrong = [i for i in images if not 0 <= i < len(dataset)]
    if wrong or not images:  # before anything is coded
        raise UsageError(f"images {wrong or 'none'} were asked for, the data set has 0 to {len(dataset) - 1}")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; make it first")
    if path.suffix.lower() not in {".png", ".jpg", ".jpeg", ".pdf", ".webp"}:
        raise UsageError(f"the sheet would be called {path.name}; end its name in .png, .jpg, .webp or .pdf")
    draw(_rows(dataset, head, codec, against, images, progress), head.label_space.classes, score, path)


def _rows(dataset: Any, head: Any, codec: Codec, against: Sequence[Codec], images: Sequence[int], progress: Progress) -> list[list[Tile]]:
    progress.begin("images", len(images))
    rows = []
    for index in images:
        row = tiles(dataset.load(index).image, codec, against)
        seen = head.predict([np.ascontiguousarray(one.image) for one in row])
        rows.append([one._replace(prediction=prediction) for one, prediction in zip(row, seen, strict=True)])
        progress.advance("", 1)
    progress.end()
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 2 the request cannot be met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sheet",
        description="Images, what codecs leave of them at the same bytes, and what a head finds there.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--codec", required=True, metavar="SPEC", help="who sets the bytes")
    parser.add_argument("--against", action="append", default=[], metavar="SPEC", help="a rival, given at least as many bytes; may be repeated")
    parser.add_argument("--dataset", default="roadscenes", metavar="SPEC", help="default: %(default)s")
    parser.add_argument("--head", default="small", metavar="SPEC", help="who looks at the pictures (default: %(default)s)")
    parser.add_argument("--images", type=int, nargs="+", default=[2, 11, 22, 33, 44, 55], metavar="N", help="which images (default: six)")
    parser.add_argument("--score", type=float, default=0.3, help="boxes below this are not drawn (default: %(default)s)")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the sheet: .png, .jpg, .webp or .pdf")
    options = parser.parse_args(argv)
    try:
        codec, against = CODECS.build(options.codec), [CODECS.build(spec) for spec in options.against]
        dataset, head = DATASETS.build(options.dataset), HEADS.build(options.head)
        sheet(dataset, head, codec, against, options.images, options.out, score=options.score, progress=Bar())
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
