"""The images of a gallery: each with its labels, and with a tile a codec that holds the decoded image and predictions.

cached streams --gallery_rates.matched--> bitstream --decode--> decoded image --head--> prediction
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import Region, Truth
from benchmarks.harness.cache import Store
from benchmarks.harness.codec_answers import checked_image
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.head_calls import ask
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.harness.operating_points import point_label
from benchmarks.harness.plan import Plan
from benchmarks.harness.reader_truth import label_truth
from benchmarks.harness.readers import Reader, latents_of
from benchmarks.harness.truth import scored_classes
from benchmarks.harness.worker import step
from benchmarks.imaging.psnr import psnr
from benchmarks.reporting.images.classified_boxes import labelled_regions, likeliest_boxes
from benchmarks.reporting.images.embedding import Window, boxes_of, map_of, packed_picture, window
from benchmarks.reporting.images.gallery_rates import Matched, matched, nearest, shown_curves
from downstream.api import Classification, Detections, Masks, Prediction, SegmentationMap
from hsc.api import Codec, Image
from hsc.errors import HscError, UsageError

NEAR = 0.1
"""A bitstream within this share of the target is called matched."""


class _Coded(NamedTuple):
    """An image as one codec of the run codes it. label: of its curve. regions: of the image, as it was indexed."""

    label: str
    codec: Codec
    data: bytes
    decoded: Image
    regions: tuple[Region, ...] | None


class GalleryImages:
    """Makes the images of one run's gallery.

    without: ("codec" or "head", label) of those to leave out, because they ended their process. failed: gathers the
    codec, image and reason of whatever could not be shown.
    """

    def __init__(self, plan: Plan, store: Store, without: Sequence[tuple[str, str]] = ()) -> None:
        self.plan, self.store, self.without = plan, store, without
        self.failed = [
            {"codec": label, "image": "", "reason": f"this {kind} ended its process, or took too long"}
            for kind, label in without
        ]
        left_out = {label for kind, label in without if kind == "head"} | plan.skipped_heads.keys()
        self.readers = [r for r in plan.config.readers if r.label not in left_out and self._drawable(r)]
        self.scored = {reader.name: scored_classes(plan.config, reader.head) for reader in self.readers}
        self.heads = [{"head": r.label, "route": r.route, "regime": r.head.regime} for r in self.readers]
        self.classes = list(dict.fromkeys(name for scored in self.scored.values() for name in scored.space.classes))

    def _drawable(self, reader: Reader) -> bool:
        """Whether a head's predictions are boxes, label maps or classes, and of classes that the data set has, without
        which no cell of the plan has the head.
        """
        return reader.head.output in (Detections, SegmentationMap, Classification) and bool(self.plan.cells_of(reader))

    def _fail(self, codec: str, image: str, error: Exception) -> None:
        self.failed.append({"codec": codec, "image": image, "reason": why(error)})

    def image(self, place: int, rates: Sequence[float] = (), matched_at: int = 0) -> dict[str, Any]:
        """The image at a place of the plan: its labels, and a tile for each codec and each of ``rates``.

        rates: in bits per pixel. matched_at: the number of the rate that codecs are set to; at the others the nearest
        operating point of the run is shown. Codecs of one point have one tile for all rates.
        """
        indexed = self.plan.images[place]
        height, width = indexed.pixels.image_hw
        cut = window(indexed.pixels.image_hw)
        targets = [math.ceil(rate * height * width / 8) for rate in rates] or [0]
        image: dict[str, Any] = {
            "image": indexed.image_id,
            "image_hw": indexed.pixels.image_hw,
            "window": cut,
            "target_bytes": targets[matched_at],
            "tiles": [],
        }
        try:
            original = guarded(self.plan.config.dataset.load, indexed.index).image
        except HscError as error:  # a data set may be a plug-in of somebody else
            self._fail("no codec", indexed.image_id, error)
            return image
        image["labels"] = self._labels(indexed, cut)
        for label in shown_curves(self.plan):
            if ("codec", label) not in self.without:
                image["tiles"] += self._tiles_of(place, label, original, targets, matched_at, cut)
        return image

    def _tiles_of(
        self, place: int, label: str, original: Image, targets: Sequence[int], matched_at: int, cut: Window
    ) -> list[dict[str, Any]]:
        """One codec's tiles, the one at the matched rate first made; none of a rate at which it fails."""
        tiles: dict[int, dict[str, Any]] = {}
        several = len({cell.point for cell in self.plan.cells if cell.curve == label}) > 1 and len(targets) > 1
        others = [number for number in range(len(targets)) if number != matched_at] if several else []
        for number in (matched_at, *others):
            choose = matched if number == matched_at else nearest
            try:
                step(1, ("codec", label))
                tile = guarded(self._tile, place, label, original, targets[number], cut, choose)
            except HscError as error:  # so may codecs and heads
                self._fail(label, self.plan.images[place].image_id, error)
                continue
            if number == matched_at or tile["point"] not in {other["point"] for other in tiles.values()}:
                tiles[number] = {**tile, "rate": number} if several else tile
        return [tiles[number] for number in sorted(tiles)]

    def _tile(
        self, place: int, label: str, original: Image, target: int, cut: Window, choose: Callable[..., Matched]
    ) -> dict[str, Any]:
        """One codec's tile: point, bytes, PSNR, the picture, and a drawing a head. choose: ``matched`` or
        ``nearest``.
        """
        indexed = self.plan.images[place]
        codec, data, of_run = choose(self.plan, self.store, place, label, original, target)
        decoded = checked_image(codec.decode(data), indexed.pixels.image_hw)
        near = not target or not codec.rate_field or abs(len(data) / target - 1) <= NEAR
        top, left, height, width = cut
        picture = packed_picture(decoded[top : top + height, left : left + width])
        coded = _Coded(label, codec, data, decoded, indexed.regions)
        return {
            "codec": label,
            "point": point_label(codec),
            "bytes": len(data),
            "psnr": psnr(decoded, original),
            "note": "" if near else "nearest point of the run" if of_run else "nearest rate that the codec reaches",
            "picture": picture,
            "found": [self._prediction(reader, coded, cut, indexed.image_id) for reader in self.readers],
        }

    def _prediction(self, reader: Reader, coded: _Coded, cut: Window, image_id: str) -> dict[str, Any] | None:
        """What a head predicts, as a drawing; None where it does not read this codec, or fails."""
        if not any(cell.curve == coded.label for cell in self.plan.cells_of(reader)):
            return None
        codec: Any = coded.codec
        try:
            step(1, ("head", reader.label))
            if reader.route == "latent":
                inputs = [guarded(codec.decode_latents, coded.data, latents_of([reader.head]))]
            else:
                inputs = [coded.decoded]
            predictions = ask(reader.head, reader.route, inputs, [], [coded.regions])
            step(1, ("codec", coded.label))
            prediction = self.scored[reader.name].relabel(predictions[0])
            if isinstance(prediction, Classification):
                prediction = likeliest_boxes(prediction, coded.regions, coded.decoded.shape[:2])
            return self._drawing(reader, prediction, cut)
        except HscError as error:
            self._fail(f"{reader.label} on {coded.label}", image_id, error)
            return None

    def _drawing(self, reader: Reader, prediction: Prediction, cut: Window) -> dict[str, Any]:
        """A prediction in the gallery's own list of classes, within the window."""
        own = np.array([self.classes.index(name) for name in self.scored[reader.name].space.classes], np.int64)
        assert isinstance(prediction, Detections | SegmentationMap)
        if isinstance(prediction, Detections):
            return boxes_of(prediction, own, cut)
        return map_of(prediction, own, cut)

    def _labels(self, image: IndexedImage, cut: Window) -> dict[str, Any] | None:
        """The data set's own labels of an image as a drawing, None where it has none."""
        if not self.readers or self.scored[self.readers[0].name].target is None:
            return None
        reader = self.readers[0]
        try:
            truth = guarded(label_truth, self.plan.config, [image], reader, self.scored[reader.name])
            if truth is None:
                raise UsageError("the data set has no labels for this task")
            labels: Prediction
            if truth.labels is not None:
                labels = labelled_regions(truth.labels[0], image.regions, image.pixels.image_hw)
            else:
                labels = guarded(next, iter(truth.maps)) if truth.maps else _labelled_boxes(truth, image)
        except HscError as error:
            self._fail("labels", image.image_id, error)
            return None
        return self._drawing(reader, labels, cut)


def _labelled_boxes(truth: Truth, image: IndexedImage) -> Detections:
    """The boxes of an image's labels as detections of score 1, with masks where each of them has one."""
    annotations: Sequence[Any] = [a for a in (truth.coco or {}).get("annotations", ()) if not a.get("iscrowd")]
    boxes = np.array([annotation["bbox"] for annotation in annotations], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    labels = np.array([annotation["category_id"] - 1 for annotation in annotations], np.int64)
    shapes = [a["segmentation"]["counts"].encode("ascii") for a in annotations if "segmentation" in a]
    complete = bool(annotations) and len(shapes) == len(annotations)
    masks = Masks(tuple(shapes), image.pixels.image_hw) if complete else None
    return Detections(boxes, np.ones(len(boxes), np.float32), labels, masks)
