"""Instance segmentation: objects with their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.api import TASKS, Dataset, Scene
from downstream.api import Detections, Prediction


@TASKS.register("instance_segmentation")
@dataclass(frozen=True)
class InstanceSegmentation:
    """Objects with classes, scores and masks, scored by COCO mask AP (Lin et al. 2014), 0 to 1, beside their box AP.

    Defaults: our generated road scenes, which have exact masks, and torchvision's Mask R-CNN, trained on COCO, because
    we have no mask head of our own; its weights (170 MB) are downloaded once, unless --head names another head.
    """

    version: ClassVar[str] = "1"
    output: ClassVar[type[Prediction]] = Detections
    scores_masks: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("coco_mask_ap", "coco_ap")
    main_metric: ClassVar[str] = "mask_ap"
    columns: ClassVar[tuple[str, ...]] = (
        "mask_ap",
        "mask_ap50",
        "mask_ap75",
        "mask_ap_small",
        "mask_ap_medium",
        "mask_ap_large",
        "ap",
    )
    dataset: ClassVar[str] = "roadscenes"
    heads: ClassVar[tuple[str, ...]] = ("torchvision(model=maskrcnn_resnet50_fpn)",)
    codecs: ClassVar[tuple[str, ...]] = ("jpeg", "webp", "avif", "jpegxl", "jpeg2000", "bpg", "vvc", "hsc")
    anchors: ClassVar[tuple[str, ...]] = ("vvc", "jpeg")

    def draw_sheet(self, scenes: Sequence[Scene], dataset: Dataset, head: Any, path: Path, least_score: float) -> None:
        """Draw the images with the boxes and masks that the head detects."""
        from benchmarks.reporting.images.boxes import draw

        draw(scenes, head.label_space.classes, least_score, path)
