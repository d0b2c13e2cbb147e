"""What predictions are scored against, and in which classes: a head's classes, a data set's, and those that both could know.

head's label --lookup--> scored class <--lookup-- data set's label        classes of the scored space: covered
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.api import Truth
from downstream.api import VOID, Detections, LabelSpace, Prediction, SegmentationMap
from downstream.class_maps import find_map, find_merge
from hsc.errors import HscError

PSEUDO_SCORE = 0.5
"""Where a data set has no labels, detections on the originals at or above this score stand in for them."""


def covered(source: LabelSpace, target: LabelSpace) -> LabelSpace:
    """The target's classes that the source could know, merged ones as one, in the target's order."""
    names, merge = find_map(source.name, target.name), find_merge(source.name, target.name)
    if names is None:
        raise HscError(f"no class map from {source.name} to {target.name}")
    reachable = set(names.values()) if names else set(source.classes)
    scored = dict.fromkeys(merge.get(c, c) for c in target.classes)
    return LabelSpace(target.name, tuple(c for c in scored if c in reachable))


def lookup(source: LabelSpace, space: LabelSpace, names: Mapping[str, str]) -> np.ndarray[Any, Any]:
    """Label of ``source`` -> label of ``space``, ``VOID`` for those that have none."""
    table = np.full(256, VOID, dtype=np.uint8)
    for at, name in enumerate(source.classes):
        mapped = names.get(name) if names else name
        if mapped in space.classes:
            table[at] = space.classes.index(mapped)
    return table


def relabelled(source: LabelSpace, space: LabelSpace, target: LabelSpace | None) -> Any:
    """A function that turns a head's prediction into the classes it is scored in."""
    table = lookup(source, space, find_map(source.name, target.name) or {} if target else {})

    def relabel(prediction: Prediction) -> Prediction:
        if isinstance(prediction, SegmentationMap):
            return SegmentationMap(table[prediction.labels])
        labels = table[prediction.labels].astype(np.int64)
        keep = labels != VOID
        return Detections(prediction.boxes_xyxy[keep], prediction.scores[keep], labels[keep])

    return relabel


def limit_coco(coco: Mapping[str, Any], indices: Sequence[int], classes: Sequence[str], merge: Mapping[str, str]) -> dict[str, Any]:
    """A COCO dict of only these images and classes, in the order given. merge: a category = the class it counts as, where another."""
    images = [coco["images"][i] for i in indices]
    image_ids = {i["id"] for i in images}
    number = {name: at for at, name in enumerate(classes, 1)}
    counts_as = {c["id"]: number.get(merge.get(c["name"], c["name"])) for c in coco["categories"]}
    kept = [a for a in coco["annotations"] if a["image_id"] in image_ids and counts_as[a["category_id"]]]
    annotations = [{**a, "category_id": counts_as[a["category_id"]]} for a in kept]
    return {"images": images, "categories": [{"id": n, "name": name} for name, n in number.items()], "annotations": annotations}


def pseudo_truth(ids: tuple[str, ...], space: LabelSpace, predictions: Sequence[Prediction | None], sizes: Sequence[tuple[int, int]]) -> Truth:
    """Predictions on the originals, standing in for labels: boxes at or above ``PSEUDO_SCORE``, or the maps as they are."""
    maps = [p for p in predictions if isinstance(p, SegmentationMap)]
    if maps:
        return Truth(ids, space.classes, maps=maps, pseudo=True)
    annotations: list[dict[str, Any]] = []
    for at, prediction in enumerate(predictions):
        assert isinstance(prediction, Detections)
        for box, value, label in zip(prediction.boxes_xyxy.tolist(), prediction.scores.tolist(), prediction.labels.tolist(), strict=True):
            if value >= PSEUDO_SCORE:
                width, height = box[2] - box[0], box[3] - box[1]
                entry = {"id": len(annotations) + 1, "image_id": at + 1, "category_id": label + 1, "iscrowd": 0}
                annotations.append({**entry, "bbox": [box[0], box[1], width, height], "area": width * height})
    images = [{"id": n + 1, "file_name": name, "height": h, "width": w} for n, (name, (h, w)) in enumerate(zip(ids, sizes, strict=True))]
    categories = [{"id": n + 1, "name": name} for n, name in enumerate(space.classes)]
    return Truth(ids, space.classes, coco={"images": images, "categories": categories, "annotations": annotations}, pseudo=True)
