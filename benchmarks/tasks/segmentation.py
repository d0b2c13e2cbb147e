"""Semantic segmentation: what each pixel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.api import TASKS, Counts, Dataset, Scene, ScoreRow
from downstream.api import Prediction, SegmentationMap


@TASKS.register("segmentation")
@dataclass(frozen=True)
class Segmentation:
    """One class a pixel, scored by mIoU of the whole data set (Everingham et al. 2015), 0 to 1.

    By default our generated road scenes in CamVid's eleven classes, two small heads of different architecture trained
    on clean images (the second confirms the sign of what the first says), a head on HSC's latents and its rival, which
    was adapted to the images HSC decodes, and the still-image codecs; BD numbers against VVC and JPEG.
    """

    version: ClassVar[str] = "1"
    output: ClassVar[type[Prediction]] = SegmentationMap
    metrics: ClassVar[tuple[str, ...]] = ("confusion",)
    main_metric: ClassVar[str] = "miou"
    columns: ClassVar[tuple[str, ...]] = ("miou", "pixel_accuracy", "fw_iou")
    dataset: ClassVar[str] = "roadscenes"
    heads: ClassVar[tuple[str, ...]] = (
        "segmenter",
        "segmenter(arch=context)",
        "segmenter_adapted(arch=context)",
        "latent_segmenter",
    )
    codecs: ClassVar[tuple[str, ...]] = ("jpeg", "webp", "avif", "jpegxl", "jpeg2000", "bpg", "vvc", "hsc")
    anchors: ClassVar[tuple[str, ...]] = ("vvc", "jpeg")

    def figures(self, scores: Sequence[ScoreRow], counts: Sequence[Counts], folder: Path) -> None:
        """IoU of each class against rate, and what each codec changes in the confusion matrix."""
        from benchmarks.reporting.figures.class_curves import class_curves
        from benchmarks.reporting.figures.confusion_change import confusion_change
        from benchmarks.runs.rows import frame

        tidy = frame(scores, ScoreRow)
        weights = {
            name: float(pixels) for one in counts for name, pixels in zip(one.classes, one.counted.sum(1), strict=True)
        }
        class_curves(tidy, "iou", weights, folder / "class_curves")
        if counts:
            confusion_change(tidy, counts, folder)

    def draw_sheet(self, scenes: Sequence[Scene], dataset: Dataset, head: Any, path: Path, least_score: float) -> None:
        """Images, what the head sees in them, and where it is wrong."""
        from benchmarks.reporting.images.label_maps import draw

        draw(scenes, dataset, head, self, path)
