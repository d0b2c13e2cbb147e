"""Classification: the class of each image, or of each object in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.api import METRICS, TASKS, Counts, Dataset, Scene, ScoreRow
from downstream.api import Classification as Ranking
from downstream.api import Prediction


@TASKS.register("classification")
@dataclass(frozen=True)
class Classification:
    """Classification, scored by top-1 and top-5 accuracy (Russakovsky et al. 2015), 0 to 1.

    Defaults: the objects of our generated road scenes, cut out of the decoded scene by their exact boxes, five classes;
    two small heads of different architectures trained on clean images (the second confirms the sign of the first one's
    differences); the still-image codecs; BD numbers against VVC and JPEG. Of five classes top-5 means nothing and is
    left out.
    """

    version: ClassVar[str] = "1"
    output: ClassVar[type[Prediction]] = Ranking
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    main_metric: ClassVar[str] = "top1"
    columns: ClassVar[tuple[str, ...]] = ("top1", "top5", "balanced_accuracy")
    dataset: ClassVar[str] = "object_crops"
    heads: ClassVar[tuple[str, ...]] = ("classifier", "classifier(arch=separable)")
    codecs: ClassVar[tuple[str, ...]] = ("jpeg", "webp", "avif", "jpegxl", "jpeg2000", "bpg", "vvc", "hsc")
    anchors: ClassVar[tuple[str, ...]] = ("vvc", "jpeg")

    def figures(
        self, scores: Sequence[ScoreRow], counts: Sequence[Counts], folder: Path, names: Mapping[str, str]
    ) -> None:
        """Draw the top-1 accuracy of each class against rate, where all classes fit into one figure."""
        from benchmarks.reporting.figures.class_curves import MAX_CLASSES, class_curves
        from benchmarks.runs.rows import frame

        facts = METRICS.build(self.metrics[0]).facts
        if len({row.part for row in scores if row.part}) > MAX_CLASSES:
            return
        class_curves(frame(scores, ScoreRow), self.main_metric, {}, folder / "class_curves", facts, names)

    def draw_sheet(self, scenes: Sequence[Scene], dataset: Dataset, head: Any, path: Path, least_score: float) -> None:
        """Draw the images, each object with the likeliest class, and whether it is right."""
        from benchmarks.reporting.images.class_sheet import draw

        draw(scenes, dataset, head, self, path)
