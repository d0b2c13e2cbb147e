"""Semantic segmentation: what each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.api import TASKS
from downstream.api import Prediction, SegmentationMap


@TASKS.register("segmentation")
@dataclass(frozen=True)
class Segmentation:
    """One class a pixel, scored by mIoU of the whole data set (Everingham et al. 2015), 0 to 1.

    By default our generated road scenes in CamVid's eleven classes, two small heads of different architecture trained on clean
    images (the second confirms the sign of what the first says), and the still-image codecs; BD numbers against VVC and JPEG.
    """

    version: ClassVar[str] = "1"
    output: ClassVar[type[Prediction]] = SegmentationMap
    metrics: ClassVar[tuple[str, ...]] = ("confusion",)
    main_metric: ClassVar[str] = "miou"
    columns: ClassVar[tuple[str, ...]] = ("miou", "pixel_accuracy", "fw_iou")
    dataset: ClassVar[str] = "roadscenes"
    heads: ClassVar[tuple[str, ...]] = ("segmenter", "segmenter(arch=context)")
    codecs: ClassVar[tuple[str, ...]] = ("jpeg", "webp", "avif", "jpegxl", "jpeg2000", "heic", "bpg", "vvc", "hsc")
    anchors: ClassVar[tuple[str, ...]] = ("vvc", "jpeg")
