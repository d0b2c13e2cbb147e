"""The detections of a set of images in arrays, checked, for COCO's evaluation and for matching.

Detections, one an image --check--> Found: one array a column, all images after one another
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from downstream.api import Detections
from hsc.errors import UsageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Kind = Literal["bbox", "segm"]
"""The shapes that are matched: boxes or masks."""


class Found(NamedTuple):
    """Detections in the order of their images.

    image, label: int64 (N,), indices of the image and the class. scores: float64 (N,). boxes: float64 (N, 4), left,
    top, width, height. runs: of masks, one a detection in COCO's form; None where boxes are matched.
    """

    image: Ints
    label: Ints
    scores: Floats
    boxes: Floats
    runs: list[dict[str, Any]] | None

    @classmethod
    def of(cls, coco: Mapping[str, Any], predictions: Sequence[Any], kind: Kind) -> Found:
        """The detections of the images of COCO labels, in their order.

        Raises:
            UsageError: predictions are not one Detections an image, a label is no index of a category, a box or score
                is not finite, or masks are matched and missing or of another size.
        """
        images, classes = coco["images"], len(coco["categories"])
        if len(predictions) != len(images):
            raise UsageError(
                f"{len(predictions)} predictions came for {len(images)} images; COCO scores one for each, empty ones "
                f"too"
            )
        for entry, answer in zip(images, predictions, strict=True):
            if not isinstance(answer, Detections):
                raise UsageError(f"COCO scores Detections, image {entry['id']} came with a {type(answer).__name__}")
            if kind == "segm":
                _check_masks(entry, answer)
        image = np.repeat(np.arange(len(predictions)), [len(answer.scores) for answer in predictions])
        label = np.concatenate([np.zeros(0, np.int64), *(answer.labels for answer in predictions)])
        scores = np.concatenate([np.zeros(0), *(answer.scores for answer in predictions)])
        boxes = np.concatenate([np.zeros((0, 4)), *(answer.boxes_xyxy for answer in predictions)])
        if (wrong := np.flatnonzero((label < 0) | (label >= classes))).size:
            raise UsageError(
                f"image {images[image[wrong[0]]]['id']} has the label {label[wrong[0]]}, expected 0 to {classes - 1}: "
                f"map them to the truth's classes first"
            )
        if (wrong := np.flatnonzero(~(np.isfinite(boxes).all(1) & np.isfinite(scores)))).size:
            raise UsageError(
                f"image {images[image[wrong[0]]]['id']} has a box or score that is not finite; a head must leave such "
                f"boxes out"
            )
        boxes[:, 2:] -= boxes[:, :2]
        return cls(image, label, scores, boxes, _runs(predictions) if kind == "segm" else None)

    def results(self, coco: Mapping[str, Any]) -> Any:
        """The detections as hotcoco takes results, in float64 (N, 7): image id, left, top, width, height, score,
        category id; masks in COCO's dicts, without boxes, so that the evaluator takes areas from the masks.
        """
        image_ids = np.array([image["id"] for image in coco["images"]])[self.image]
        category_ids = np.array([category["id"] for category in coco["categories"]])[self.label]
        if self.runs is None:
            columns = (image_ids[:, None], self.boxes, self.scores[:, None], category_ids[:, None])
            return np.concatenate(columns, 1, dtype=np.float64)
        names = ("image_id", "category_id", "segmentation", "score")
        rows = zip(image_ids.tolist(), category_ids.tolist(), self.runs, self.scores.tolist(), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]


def _check_masks(image: Mapping[str, Any], answer: Detections) -> None:
    size = (image["height"], image["width"])
    if answer.masks is None:
        raise UsageError(f"image {image['id']} came with boxes alone; masks are scored, so take a head that gives them")
    if answer.masks.image_hw != size:
        raise UsageError(
            f"image {image['id']} has masks of size {answer.masks.image_hw}, expected {size}, the image's height and "
            f"width"
        )


def _runs(predictions: Sequence[Any]) -> list[dict[str, Any]]:
    """The masks of all images in COCO's form."""
    return [
        {"size": [*answer.masks.image_hw], "counts": counts.decode("ascii")}
        for answer in predictions
        for counts in answer.masks.counts
    ]
