"""Object detection: boxes with classes and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.api import TASKS, Dataset, Scene
from benchmarks.tasks._street_codecs import ANCHORS, CODECS
from downstream.api import Detections, Prediction


@TASKS.register("detection")
@dataclass(frozen=True)
class Detection:
    """Detection of boxes with classes and scores, scored by COCO AP (Lin et al. 2014), 0 to 1.

    Defaults: our generated road scenes; two small heads of different architectures trained on clean images (the second
    confirms the sign of the first one's differences), a head on HSC's latents, and its rival, which was fine-tuned on
    the images that HSC decodes; the still-image codecs; BD numbers against VVC and JPEG.
    """

    version: ClassVar[str] = "1"
    output: ClassVar[type[Prediction]] = Detections
    metrics: ClassVar[tuple[str, ...]] = ("coco_ap",)
    main_metric: ClassVar[str] = "ap"
    columns: ClassVar[tuple[str, ...]] = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
    dataset: ClassVar[str] = "roadscenes"
    heads: ClassVar[tuple[str, ...]] = (
        "small",
        "small(arch=hourglass)",
        "small_adapted(arch=hourglass)",
        "latent_detector",
    )
    codecs: ClassVar[tuple[str, ...]] = CODECS
    anchors: ClassVar[tuple[str, ...]] = ANCHORS

    def draw_sheet(self, scenes: Sequence[Scene], dataset: Dataset, head: Any, path: Path, least_score: float) -> None:
        """Draw the images with the boxes that the head detects."""
        from benchmarks.reporting.images.boxes import draw

        draw(scenes, head.label_space.classes, least_score, path)
