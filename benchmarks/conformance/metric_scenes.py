"""Small scenes for the contract of metrics: a truth, perfect predictions and damaged ones, for each kind of prediction.

metric.output   scenes
Detections      rectangles of two classes, with masks; a third class never occurs
SegmentationMap maps of two classes and void; a third class never occurs
Classification  two to four objects an image, of two of seven classes; some images have objects that are not scored
Fidelity        one scene for each score of the metric, which is the measure of its answers
FeaturePair     the same; features of four patches an image
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.api import Metric, MetricFacts, Truth
from downstream.api import (
    HEADS,
    NO_CLASS,
    VOID,
    Classification,
    Detections,
    FeaturePair,
    Fidelity,
    Prediction,
    SegmentationMap,
)
from downstream.ops.masks import pack

IMAGES = 12
CLASSES = ("common", "rare", "absent")
_HEIGHT, _WIDTH = 160, 232
_BOXES = 4


@dataclass(frozen=True)
class Scene:
    """A truth with three lists of predictions, one prediction an image each.

    perfect: they equal the truth, or come from a decoded image that equals the original. damaged: worse in some images,
    whatever is measured. empty: predictions of nothing, None where the kind of prediction has no such value.
    """

    truth: Truth
    perfect: Sequence[Prediction]
    damaged: Sequence[Prediction]
    empty: Sequence[Prediction] | None = None


def scenes(metric: Metric) -> list[Scene]:
    """The scenes that a metric can score; none for a kind of prediction that is not known here."""
    makers: dict[type[Prediction], Callable[[Metric], list[Scene]]] = {
        Detections: lambda _: [_boxes()],
        SegmentationMap: lambda _: [_maps()],
        Classification: lambda _: [_rankings()],
        Fidelity: _fidelities,
        FeaturePair: lambda metric: [_features(measure) for measure in metric.facts],
    }
    return makers[metric.output](metric) if metric.output in makers else []


def picked(truth: Truth, images: Sequence[int]) -> Truth:
    """The truth of some of the images, in this order; an image that is named twice stands twice."""
    ids = tuple(f"{truth.image_ids[image]}-{place}" for place, image in enumerate(images))
    maps = None if truth.maps is None else [truth.maps[image] for image in images]
    labels = None if truth.labels is None else [truth.labels[image] for image in images]
    coco = None if truth.coco is None else _picked(truth.coco, images)
    return replace(truth, image_ids=ids, maps=maps, labels=labels, coco=coco)


def _picked(coco: Mapping[str, Any], images: Sequence[int]) -> dict[str, Any]:
    records, annotations = [], []
    for place, image in enumerate(images, 1):
        record = coco["images"][image]
        records.append({**record, "id": place})
        annotations += [{**one, "image_id": place} for one in coco["annotations"] if one["image_id"] == record["id"]]
    numbered = [{**one, "id": number} for number, one in enumerate(annotations, 1)]
    return {**coco, "images": records, "annotations": numbered}


def _ids() -> tuple[str, ...]:
    return tuple(f"image-{number}" for number in range(IMAGES))


def _boxes() -> Scene:
    random = np.random.default_rng(0)
    annotations: list[dict[str, Any]] = []
    perfect, damaged = [], []
    for image in range(IMAGES):
        boxes = _rectangles(random)
        labels = np.array([0, 0, 1, int(random.integers(0, 2))], np.int64)
        scores = (0.6 + 0.3 * random.random(_BOXES)).astype(np.float32)
        masks = _drawn(boxes)
        packed = pack(masks)
        for (left, top, right, bottom), label, mask, counts in zip(boxes, labels, masks, packed.counts, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image + 1,
                    "category_id": int(label) + 1,
                    "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
                    "area": float(mask.sum()),
                    "iscrowd": 0,
                    "segmentation": {"size": [_HEIGHT, _WIDTH], "counts": counts.decode("ascii")},
                }
            )
        perfect.append(Detections(boxes.astype(np.float32), scores, labels, packed))
        damaged.append(_damaged_boxes(boxes, scores, labels, image))
    images = [{"id": i + 1, "height": _HEIGHT, "width": _WIDTH} for i in range(IMAGES)]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
    empty = [Detections(*nothing, pack(np.zeros((0, _HEIGHT, _WIDTH), bool)))] * IMAGES
    return Scene(Truth(_ids(), CLASSES, coco=coco), perfect, damaged, empty)


def _rectangles(random: np.random.Generator) -> npt.NDArray[np.int64]:
    """int64 (4, 4): left, top, right, bottom of rectangles side by side, from small to large as COCO counts sizes."""
    left = 44 * np.arange(_BOXES)
    width = random.integers((10, 22, 34, 88), (20, 32, 40, 96))
    height = random.integers((10, 22, 38, 110), (20, 32, 60, 140))
    top = random.integers(0, _HEIGHT - height)
    return np.stack([left, top, left + width, top + height], axis=1)


def _drawn(boxes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    masks = np.zeros((len(boxes), _HEIGHT, _WIDTH), bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return masks


def _damaged_boxes(boxes: npt.NDArray[np.int64], scores: Any, labels: Any, image: int) -> Detections:
    """0 to 3 boxes lost in turn, one shifted in each second image, two sure false alarms in each third."""
    kept = (np.arange(_BOXES) + image) % _BOXES >= image % _BOXES
    boxes, scores, labels = boxes[kept].copy(), scores[kept], labels[kept]
    if image % 2:
        boxes[0, [0, 2]] += 6
    if not image % 3:
        boxes = np.concatenate([boxes, [[2, 2, 30, 30], [60, 5, 90, 25]]])
        scores, labels = np.append(scores, np.array([0.95, 0.97], np.float32)), np.append(labels, [1, 0])
    return Detections(boxes.astype(np.float32), scores, labels, pack(_drawn(boxes)))


def _maps() -> Scene:
    random = np.random.default_rng(1)
    true, damaged = [], []
    for _ in range(IMAGES):
        height, width = (int(side) for side in random.integers(9, 24, 2))
        labels = random.integers(0, 2, (height, width)).astype(np.uint8)
        guess = np.where(random.random((height, width)) < 0.2, 1 - labels, labels).astype(np.uint8)
        guess[:2, :2] = VOID
        labels[-1] = VOID
        true.append(SegmentationMap(labels))
        damaged.append(SegmentationMap(guess))
    empty = [SegmentationMap(np.full_like(one.labels, VOID)) for one in true]
    return Scene(Truth(_ids(), CLASSES, maps=true), true, damaged, empty)


def _rankings() -> Scene:
    random = np.random.default_rng(4)
    classes = (*CLASSES, *(f"further-{number}" for number in range(4)))
    true, perfect, damaged, empty = [], [], [], []
    for image in range(IMAGES):
        labels = random.integers(0, 2, 2 + image % 3)
        ranking = np.stack([random.permutation(len(classes)) for _ in labels]).astype(np.uint16)
        right = np.stack([np.roll(np.arange(len(classes)), -label) for label in labels]).astype(np.uint16)
        true.append(np.where(np.arange(len(labels)) < 1 + image % 4, labels, -1))
        perfect.append(Classification(right))
        damaged.append(Classification(np.where(random.random((len(labels), 1)) < 0.4, ranking, right)))
        empty.append(Classification(np.full((len(labels), 1), NO_CLASS, np.uint16)))
    return Scene(Truth(_ids(), classes, labels=true), perfect, damaged, empty)


def _fidelities(metric: Metric) -> list[Scene]:
    """A scene a measure: one number an image where the better end of the scale is finite, else a head's answers."""
    truth, made = Truth(_ids(), ()), []
    for measure, facts in metric.facts.items():
        end = facts.high if facts.higher_is_better else facts.low
        answers = _numbers(measure, end, facts) if math.isfinite(end) else _answers(measure)
        made += [Scene(truth, *answers)] if answers else []
    return made


def _numbers(measure: str, end: float, facts: MetricFacts) -> tuple[list[Prediction], list[Prediction]]:
    length = facts.high - facts.low
    loss = facts.sign * (length if math.isfinite(length) else 1.0)
    shares = [0.1 + 0.03 * image for image in range(IMAGES)]
    perfect: list[Prediction] = [Fidelity(measure, np.array([end]))] * IMAGES
    return perfect, [Fidelity(measure, np.array([end - share * loss])) for share in shares]


def _answers(measure: str) -> tuple[list[Prediction], list[Prediction]] | None:
    """The answers of an installed head of this measure, on images that equal the originals and on noisy ones."""
    heads: list[Any] = [cls() for name in HEADS.names() if vars(cls := HEADS.get(name)).get("measure") == measure]
    head = next((head for head in heads if head.available() is None), None)
    if head is None:
        return None
    random = np.random.default_rng(2)
    originals = [random.integers(0, 256, (176, 176, 3), np.uint8) for _ in range(IMAGES)]
    noisy = [(image // 2 + 10 + number).astype(np.uint8) for number, image in enumerate(originals)]
    return head.compare(originals, originals), head.compare(originals, noisy)


def _features(measure: str) -> Scene:
    random = np.random.default_rng(3)
    originals = [random.normal(0, 1, (4, 8)).astype(np.float32) for _ in range(IMAGES)]
    noisy = [(one + random.normal(0.3, 0.5, one.shape)).astype(np.float32) for one in originals]
    perfect: list[Prediction] = [FeaturePair(one, one, measure) for one in originals]
    damaged: list[Prediction] = [FeaturePair(*pair, measure) for pair in zip(originals, noisy, strict=True)]
    return Scene(Truth(_ids(), ()), perfect, damaged)
