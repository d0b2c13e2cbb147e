"""What predictions are scored against, and in which classes: a head's classes, a data set's, and those that both could
know.

head's label --lookup--> scored class <--lookup-- data set's label        classes of the scored space: covered
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.api import ScoresOriginals, Truth
from benchmarks.harness.requirements import PSEUDO_SCORE
from downstream.api import VOID, Detections, LabelSpace, Prediction, SegmentationMap
from downstream.class_maps import map_between
from downstream.ops.masks import unpack
from hsc.errors import HscError


def labels_of(config: Any, output: type[Prediction]) -> LabelSpace | None:
    """The classes of the labels that predictions are scored against; None where those on the originals stand in.
    config: of a run.
    """
    return None if isinstance(config.task, ScoresOriginals) else config.dataset.label_space(output)


def covered(source: LabelSpace, target: LabelSpace) -> LabelSpace:
    """The target's classes that the source could know, merged ones as one, in the target's order."""
    found = map_between(source, target)
    if found is None:
        raise HscError(f"no class map from {source.name} to {target.name}")
    return LabelSpace(target.name, found.scored(source, target))


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
    between = map_between(source, target) if target else None
    table = lookup(source, space, between.names if between else {})

    def relabel(prediction: Prediction) -> Prediction:
        if isinstance(prediction, SegmentationMap):
            return SegmentationMap(table[prediction.labels])
        if not isinstance(prediction, Detections):
            return prediction
        labels = table[prediction.labels].astype(np.int64)
        keep = labels != VOID
        masks = prediction.masks and prediction.masks.kept(keep)
        return Detections(prediction.boxes_xyxy[keep], prediction.scores[keep], labels[keep], masks)

    return relabel


def limit_coco(
    coco: Mapping[str, Any], indices: Sequence[int], classes: Sequence[str], merge: Mapping[str, str]
) -> dict[str, Any]:
    """A COCO dict of only these images and classes, in the order given. merge: a category = the class it counts as,
    where another.
    """
    images = [coco["images"][i] for i in indices]
    image_ids = {i["id"] for i in images}
    number = {name: at for at, name in enumerate(classes, 1)}
    counts_as = {c["id"]: number.get(merge.get(c["name"], c["name"])) for c in coco["categories"]}
    kept = [a for a in coco["annotations"] if a["image_id"] in image_ids and counts_as[a["category_id"]]]
    annotations = [{**a, "category_id": counts_as[a["category_id"]]} for a in kept]
    return {
        "images": images,
        "categories": [{"id": n, "name": name} for name, n in number.items()],
        "annotations": annotations,
    }


def pseudo_truth(
    ids: tuple[str, ...], space: LabelSpace, predictions: Sequence[Prediction | None], sizes: Sequence[tuple[int, int]]
) -> Truth:
    """Predictions on the originals, standing in for labels: boxes at or above ``PSEUDO_SCORE``, with masks from heads
    that give them, or the maps as they are. A box's area is that of its mask where it has one.
    """
    maps = [p for p in predictions if isinstance(p, SegmentationMap)]
    if maps:
        return Truth(ids, space.classes, maps=maps, pseudo=True)
    annotations: list[dict[str, Any]] = []
    for at, prediction in enumerate(predictions):
        assert isinstance(prediction, Detections)
        for entry in _standing_in(prediction):
            annotations.append({"id": len(annotations) + 1, "image_id": at + 1, "iscrowd": 0, **entry})
    images = [
        {"id": n + 1, "file_name": name, "height": h, "width": w}
        for n, (name, (h, w)) in enumerate(zip(ids, sizes, strict=True))
    ]
    categories = [{"id": n + 1, "name": name} for n, name in enumerate(space.classes)]
    return Truth(
        ids, space.classes, coco={"images": images, "categories": categories, "annotations": annotations}, pseudo=True
    )


def _standing_in(found: Detections) -> Iterator[dict[str, Any]]:
    """What is sure of one image's detections, as COCO annotations without their ids."""
    keep = found.scores >= PSEUDO_SCORE
    boxes, labels = found.boxes_xyxy[keep].tolist(), found.labels[keep].tolist()
    masks = found.masks and found.masks.kept(keep)
    areas = unpack(masks).sum((1, 2)).tolist() if masks else []
    for n, ((left, top, right, bottom), label) in enumerate(zip(boxes, labels, strict=True)):
        width, height = right - left, bottom - top
        entry = {"category_id": label + 1, "bbox": [left, top, width, height], "area": width * height}
        if masks:
            entry |= {
                "area": float(areas[n]),
                "segmentation": {"size": [*masks.image_hw], "counts": masks.counts[n].decode("ascii")},
            }
        yield entry
