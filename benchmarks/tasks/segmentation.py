"""Semantic segmentation: the class of each pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.api import METRICS, TASKS, Counts, Dataset, Scene, ScoreRow
from benchmarks.tasks._street_codecs import ANCHORS, CODECS
from downstream.api import Prediction, SegmentationMap


@TASKS.register("segmentation")
@dataclass(frozen=True)
class Segmentation:
    """Segmentation with one class a pixel, scored by mIoU of the whole data set (Everingham et al. 2015), 0 to 1.

    Defaults: our generated road scenes in CamVid's eleven classes; two small heads of different architectures trained
    on clean images (the second confirms the sign of the first one's differences), a head on HSC's latents, and its
    rival, which was fine-tuned on the images that HSC decodes; the still-image codecs; BD numbers against VVC and JPEG.
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
    codecs: ClassVar[tuple[str, ...]] = CODECS
    anchors: ClassVar[tuple[str, ...]] = ANCHORS

    def figures(
        self, scores: Sequence[ScoreRow], counts: Sequence[Counts], folder: Path, names: Mapping[str, str]
    ) -> None:
        """Draw the IoU of each class against rate, and each codec's change of the confusion matrix."""
        from benchmarks.reporting.figures.class_curves import class_curves
        from benchmarks.reporting.figures.confusion_change import confusion_change
        from benchmarks.runs.rows import frame

        tidy = frame(scores, ScoreRow)
        weights = {
            name: float(pixels)
            for count in counts
            for name, pixels in zip(count.classes, count.counted.sum(1), strict=True)
        }
        class_curves(tidy, "iou", weights, folder / "class_curves", METRICS.build(self.metrics[0]).facts, names)
        if counts:
            confusion_change(tidy, counts, folder, names)

    def draw_sheet(self, scenes: Sequence[Scene], dataset: Dataset, head: Any, path: Path, least_score: float) -> None:
        """Draw the images, the head's label maps, and the pixels where it is wrong."""
        from benchmarks.reporting.images.label_maps import draw

        draw(scenes, dataset, head, self, path)
