"""Pictures for a run's page: a few images, what each codec leaves of them at about the same bytes, and what each head
finds there.

    points of the run, coded already --the two around the target--> halved between them --> stream --decode--> picture,
    heads

Everything goes into one file, ``gallery.json``, so that the page can be made from the folder alone.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.api import StreamRecord
from benchmarks.harness.answers import checked_stream, guarded, why
from benchmarks.harness.cache import Pixels, Store
from benchmarks.harness.executors import Executor, Processes
from benchmarks.harness.keys import identity, key_of, stream_key
from benchmarks.harness.match_bytes import match_bytes
from benchmarks.harness.measure import ask, checked, read_by
from benchmarks.harness.operating_points import point_label
from benchmarks.harness.plan import Cell, Plan, cell_id
from benchmarks.harness.progress import Progress, Silent
from benchmarks.harness.scorer import Scorer
from benchmarks.harness.worker import step
from benchmarks.imaging.psnr import psnr
from benchmarks.reporting.images.embedding import Window, boxes_of, map_of, window, written
from benchmarks.stats.bootstrap import Bootstrap
from downstream.api import Detections, Masks, Prediction, SegmentationMap
from hsc.api import Codec, Image
from hsc.errors import HscError, ResultsError, UsageError
from hsc.files.atomic_files import write_text
from hsc.networks.network_holder import HOLDER

FILE = "gallery.json"
VERSION = "1"
IMAGES = 3
BUDGET_BYTES = 400_000
"""No further image is begun once the pictures take this much; a page is to be sent by mail."""
NEAR = 0.1
"""A file within this share of the target is called matched."""


def check_images(images: int) -> None:
    """Refuse a number of images that is none, before anything is coded.

    Raises:
        UsageError: it is negative.
    """
    if images < 0:
        raise UsageError(f"the gallery's images came as {images}, expected 0 (no gallery) or more")


def key(plan: Plan, images: int) -> str:
    """What a gallery was made from: of equal keys the second need not be made."""
    cells = [[cell.id, *(cell_id(cell, n) for n in cell.predictions)] for cell in plan.cells]
    return key_of(
        {
            "version": VERSION,
            "cells": cells,
            "images": [pixels.sha256 for _, _, pixels in plan.images],
            "wanted": images,
        }
    )


def places(count: int, images: int) -> list[int]:
    """Which of ``count`` images are shown: in the middles of equal stretches, so that nobody chose them for how they
    look.

    >>> places(64, 3), places(2, 3)
    ([10, 32, 53], [0, 1])
    """
    taken = min(count, images)
    return [int((k + 0.5) * count / taken) for k in range(taken)]


def target_bpp(plan: Plan, store: Store) -> float | None:
    """The rate that most codecs reach: the (lower) median of where their curves begin and end, in bits per pixel.

    It is where the distances to all the curves' stretches of rate add up to least. None where no curve has two points.
    """
    ends = []
    for label in dict.fromkeys(cell.curve for cell in _shown(plan)):
        rates = [rate for cell in plan.cells if cell.curve == label and (rate := _bpp(plan, cell, store))]
        ends += [min(rates), max(rates)] if len(rates) > 1 else []
    return statistics.median_low(ends) if ends else None


def _shown(plan: Plan) -> list[Cell]:
    """The cells that are drawn; a second ladder is no codec of its own."""
    second = {curve.label for curve in plan.config.curves if curve.null_of}
    return [cell for cell in plan.cells if cell.curve not in second]


def _known(plan: Plan, cell: Cell, store: Store, places: Iterable[int]) -> list[StreamRecord]:
    """The records of a cell's images at these places of the plan, those that there are; images of equal pixels have one
    each.
    """
    wanted = list(places)
    known = store.streams({cell.streams[k]: (plan.images[k][1], plan.images[k][2].image_hw) for k in wanted})
    return [replace(known[key], image_id=plan.images[k][1]) for k in wanted if (key := cell.streams[k]) in known]


def _bpp(plan: Plan, cell: Cell, store: Store) -> float | None:
    records = _known(plan, cell, store, range(len(plan.images)))
    return (
        8 * sum(r.size_bytes for r in records) / sum(r.image_hw[0] * r.image_hw[1] for r in records)
        if records
        else None
    )


def collect(
    plan: Plan,
    store: Store,
    images: int = IMAGES,
    progress: Progress | None = None,
    without: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The gallery of a run as JSON-ready values. images: how many at most. without: ("codec" or "head", label) of those
    to leave out.

    What fails on one codec or head is named under ``failed``, and the others are shown. Raises as ``check_images``.
    """
    check_images(images)
    rate, progress = target_bpp(plan, store), progress or Silent()
    maker = _Maker(plan, store, without)
    made: dict[str, Any] = {
        "version": VERSION,
        "key": key(plan, images),
        "target_bpp": rate,
        "heads": maker.heads,
        "classes": maker.classes,
    }
    made |= {"images": [], "failed": maker.failed}
    progress.begin("pictures", min(images, len(plan.images)))
    spent = 0
    for place in places(len(plan.images), images) if images else []:
        if spent < BUDGET_BYTES:
            one = maker.image(place, rate)
            spent += 3 * sum(len(tile["picture"]["data"]) for tile in one["tiles"]) // 4
            made["images"] += [one] if one["tiles"] else []
        progress.advance("", 1)
    progress.end()
    return made


@dataclass(frozen=True)
class Collecting:
    """The gallery of a run, made where a codec or head that ends its process does not end the run.

    without: those, as ``_Maker`` names them, that have done so, and how.
    """

    plan: Plan
    cache: Path
    images: int
    without: tuple[tuple[str, str], ...] = ()

    def parts(self, doing: tuple[str, str] | None) -> list[Collecting]:
        """The same without the one that was at work; none where nobody was, or it is left out already."""
        return [] if doing is None or doing in self.without else [replace(self, without=(*self.without, doing))]


def collect_from(job: Collecting) -> dict[str, Any] | str:
    """The gallery of a run from its cache, or why it cannot be made."""
    try:
        with HOLDER.everything(), Store(job.cache / "store.sqlite") as store:
            return guarded(collect, job.plan, store, job.images, None, job.without)
    except HscError as error:
        return why(error)


def _made_apart(job: Collecting, executor: Executor, progress: Progress) -> dict[str, Any]:
    progress.begin("pictures", 1)
    for _, made, died in executor.run(collect_from, [job], parts=Collecting.parts):
        if isinstance(made, dict):
            progress.end()
            return made
        raise ResultsError(f"the pictures cannot be made: {made or died}; --gallery 0 leaves them out")
    raise AssertionError("an executor answers every job")


def keep(
    plan: Plan,
    folder: Path,
    cache: Path,
    images: int = IMAGES,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> None:
    """Leave ``gallery.json`` in a run's folder, whole or not at all; one that was made from the same is left as it is.

    executor: where codecs and heads run for it, by default a process of its own.

    Raises:
        UsageError, ResultsError: images is negative; the cache or the folder cannot be used.
    """
    path = folder / FILE
    if not images:
        path.unlink(missing_ok=True)
        return
    if plan.config.overwrite != "always" and _is_of(path, key(plan, images)):
        return
    made = _made_apart(Collecting(plan, cache, images), executor or Processes(1), progress or Silent())
    try:
        write_text(path, json.dumps(made, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n")
    except OSError as error:
        raise ResultsError(f"{path} cannot be written: {error.strerror}; is the disk full?") from error


def _is_of(path: Path, key: str) -> bool:
    try:
        known = json.loads(path.read_text("utf-8"))
        return bool(known["key"] == key and not known["failed"])  # what failed is tried again
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


class _Maker:
    """Makes the pictures of one run; ``failed`` gathers what could not be shown and why."""

    def __init__(self, plan: Plan, store: Store, without: Sequence[tuple[str, str]] = ()) -> None:
        self.plan, self.store, self.without = plan, store, without
        self.failed = [
            {"codec": label, "image": "", "reason": f"this {kind} ended its process, or took too long"}
            for kind, label in without
        ]
        config = plan.config
        left_out = {label for kind, label in without if kind == "head"} | {
            k.removeprefix("head ") for k in plan.skipped if k.startswith("head ")
        }
        self.readers = [n for n, (label, _) in enumerate(config.heads) if label not in left_out]
        self.scorers = {
            n: Scorer(plan, store, n, Bootstrap(len(plan.images), 0, 0)) for n in self.readers if self._scores(n)
        }
        self.readers = list(self.scorers)
        self.heads = [
            {"head": config.heads[n][0], "route": config.routes[n], "regime": config.heads[n][1].regime}
            for n in self.readers
        ]
        self.classes = list(dict.fromkeys(name for n in self.readers for name in self.scorers[n].space.classes))

    def _scores(self, number: int) -> bool:
        """Whether a head answers in classes that the data set has, else no cell has it either, and in what can be
        drawn: judges do not.
        """
        drawable = self.plan.config.heads[number][1].output in (Detections, SegmentationMap)
        return drawable and any(number in cell.predictions for cell in self.plan.cells)

    def _fail(self, codec: str, image: str, error: Exception) -> None:
        self.failed.append({"codec": codec, "image": image, "reason": why(error)})

    def image(self, place: int, rate: float | None) -> dict[str, Any]:
        """One image, its labels, and a tile for each codec."""
        index, image_id, pixels = self.plan.images[place]
        cut = window(pixels.image_hw)
        target = math.ceil(rate * pixels.image_hw[0] * pixels.image_hw[1] / 8) if rate else 0
        one: dict[str, Any] = {
            "image": image_id,
            "image_hw": pixels.image_hw,
            "window": cut,
            "target_bytes": target,
            "tiles": [],
        }
        try:
            original = guarded(self.plan.config.dataset.load, index).image
        except HscError as error:  # so may data sets be
            self._fail("no codec", image_id, error)
            return one
        one["labels"] = self._labels(index, image_id, pixels, cut)
        for label in dict.fromkeys(cell.curve for cell in _shown(self.plan)):
            if ("codec", label) in self.without:
                continue
            try:
                step(1, ("codec", label))
                one["tiles"].append(guarded(self._tile, place, label, original, target, cut))
            except HscError as error:  # codecs and heads may be anybody's plug-in
                self._fail(label, image_id, error)
        return one

    def _tile(self, place: int, label: str, original: Image, target: int, cut: Window) -> dict[str, Any]:
        image_id = self.plan.images[place][1]
        codec, data, exact = self._matched(place, label, original, target)
        decoded = checked(codec.decode(data), self.plan.images[place][2].image_hw)
        near = not target or not codec.rate_field or abs(len(data) / target - 1) <= NEAR
        said = "" if near else "nearest point of the run" if exact else "as near as its scale comes"
        top, left, height, width = cut
        picture = written(decoded[top : top + height, left : left + width])
        tile = {
            "codec": label,
            "point": point_label(codec),
            "bytes": len(data),
            "psnr": psnr(decoded, original),
            "note": said,
            "picture": picture,
        }
        return {**tile, "found": [self._found(n, label, codec, data, decoded, cut, image_id) for n in self.readers]}

    def _matched(self, place: int, label: str, image: Image, target: int) -> tuple[Codec, bytes, bool]:
        """The codec where it spends about ``target`` bytes, its stream, and whether it is a point of the run and not
        one between.
        """
        pixels = self.plan.images[place][2]
        cells = [cell for cell in self.plan.cells if cell.curve == label]
        sized = [
            (r.size_bytes, n) for n, cell in enumerate(cells) for r in _known(self.plan, cell, self.store, [place])
        ]
        if not sized:
            reasons = [self.plan.failures[c.streams[place]] for c in cells if c.streams[place] in self.plan.failures]
            raise UsageError(reasons[0] if reasons else "no stream of it was coded (--overwrite never)")
        less, enough = [s for s in sized if s[0] < target], [s for s in sized if s[0] >= target]
        ends: list[Any] = [cells[max(less)[1]].codec] if less else []
        ends += [cells[min(enough)[1]].codec] if enough else []
        field = ends[0].rate_field
        values = [getattr(end, field) for end in ends] if field else []
        between = len(ends) == 2 and self.plan.config.overwrite != "never"
        if between and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            found, data = match_bytes(ends[0], image, target, (values[0], values[1]), self._coder(pixels))
            return found, data, False
        return ends[-1], self._coder(pixels)(ends[-1], image), True

    def _coder(self, pixels: Pixels) -> Any:
        """A way to code that asks the cache first."""

        def coded(codec: Codec, image: Image) -> bytes:
            known = stream_key(pixels.sha256, identity(codec))
            kept = self.store.data([known]).get(known)
            return checked_stream(codec.encode(image)) if kept is None else kept

        return coded

    def _found(
        self, number: int, label: str, codec: Codec, data: bytes, decoded: Image, cut: Window, image_id: str
    ) -> dict[str, Any] | None:
        """What a head finds; None where it does not follow this codec."""
        if not any(number in cell.predictions for cell in self.plan.cells if cell.curve == label):
            return None
        name, head = self.plan.config.heads[number]
        latents: Any = codec
        try:
            route = self.plan.config.routes[number]
            step(1, ("head", name))
            inputs = [guarded(latents.decode_latents, data, read_by([head]))] if route == "latent" else [decoded]
            found = ask(head, route, inputs, [])
            step(1, ("codec", label))
            return self._drawn(number, self.scorers[number].relabel(found[0]), cut)
        except HscError as error:
            self._fail(f"{name} on {label}", image_id, error)
            return None

    def _drawn(self, number: int, found: Prediction, cut: Window) -> dict[str, Any]:
        """A prediction in the gallery's own list of classes, within the window."""
        own = np.array([self.classes.index(name) for name in self.scorers[number].space.classes], np.int64)
        assert isinstance(found, Detections | SegmentationMap)
        return boxes_of(found, own, cut) if isinstance(found, Detections) else map_of(found, own, cut)

    def _labels(self, index: int, image_id: str, pixels: Pixels, cut: Window) -> dict[str, Any] | None:
        """The data set's own labels of an image, None where it has none."""
        if not self.readers or self.scorers[self.readers[0]].target is None:
            return None
        number = self.readers[0]
        alone = Plan(self.plan.config, [(index, image_id, pixels)], [], {})
        try:
            truth = guarded(Scorer(alone, self.store, number, Bootstrap(1, 0, 0)).truth)
        except HscError as error:
            self._fail("labels", image_id, error)
            return None
        if truth.maps:
            return self._drawn(number, SegmentationMap(truth.maps[0].labels), cut)
        marks: Sequence[Any] = [a for a in (truth.coco or {}).get("annotations", ()) if not a.get("iscrowd")]
        boxes = np.array([a["bbox"] for a in marks], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = np.array([a["category_id"] - 1 for a in marks], np.int64)
        shapes = [a["segmentation"]["counts"].encode("ascii") for a in marks if "segmentation" in a]
        masks = Masks(tuple(shapes), pixels.image_hw) if marks and len(shapes) == len(marks) else None
        return self._drawn(number, Detections(boxes, np.ones(len(boxes), np.float32), labels, masks), cut)
