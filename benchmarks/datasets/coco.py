"""COCO detection data: the official splits by name, or any COCO-format JSON beside a folder.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. Annotations CC BY 4.0; images under their
Flickr licences. The images are JPEGs already, so every rate here is that of a second compression.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.api import DATASETS, Sample
from benchmarks.datasets._coco_splits import IMAGES, annotation_file, download_note, fetch_split
from benchmarks.files.content_index import digest_of
from benchmarks.files.mirror import Place, ReadsPlaces, why_not_untrusted
from benchmarks.formats.coco_json import CocoIndex, read_coco
from benchmarks.formats.coco_masks import MAX_CATEGORIES, Mask, paint, read_masks, runs
from benchmarks.formats.label_maps import size_of
from benchmarks.imaging.exif_orientation import Orientation
from benchmarks.imaging.image_files import exif_turn, read_image, turned
from downstream.api import Detections, LabelSpace, Prediction, SegmentationMap
from downstream.label_spaces import BACKGROUND, COCO80, COCO81, VOC21
from hsc.errors import AnnotationError, DataError, ImageError
from hsc.weights.download import offline

_VOC_IN_COCO = (
    "airplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,dining table,dog,horse,motorcycle,person,potted "
    "plant,sheep,couch,train,tv"
)
"""PASCAL's twenty classes under COCO's names, in PASCAL's order."""

_SLACK = 1.0
"""Pixels that a box may reach beyond its picture without a remark; annotators round."""
_SIDEWAYS = 5
"""EXIF orientations from this one on swap width and height."""


@dataclass(frozen=True)
class CocoImages:
    """Some images of a label file. records: what it says of each, by its index in the data set."""

    folder: Path
    records: Mapping[int, Mapping[str, Any]]
    orientation: Orientation

    def load(self, index: int) -> Sample:
        """Image ``index`` of the data set.

        Raises:
            ImageError: the file is missing or damaged, or has another size than the label file says.
        """
        record = self.records[index]
        file = self.folder / record["file_name"]
        image = read_image(file, orientation=self.orientation)
        stated = record.get("height", image.shape[0]), record.get("width", image.shape[1])
        if image.shape[:2] != stated:
            raise ImageError(
                f"{record['file_name']!r} is {image.shape[1]}x{image.shape[0]}, its annotations say "
                f"{stated[1]}x{stated[0]}; the file was resized, or needs the other setting of orientation"
            )
        return Sample(str(record["id"]), image, file.stat().st_size)


@DATASETS.register("coco")
@dataclass(frozen=True)
class Coco(ReadsPlaces):
    """COCO images in the order of their ids, also those without a box; classes in the order of the category ids.

    Label maps are painted from the objects' masks, background first; see ``benchmarks/formats/coco_masks.py``.

    images, annotations: a folder and a COCO JSON; give both, or neither for an official split, which is downloaded on
    first use (val2017: 1.1 GB) into the cache folder. split: "val2017" or "train2017" for an official split; only a
    label for your own JSON.
    space: name of the boxes' label space. If empty, it is "coco80" for COCO's 80 classes, else derived from the class
    list. The label space of maps is "coco81" for COCO's 80 classes, else the same name with "+background".
    maps: "own" paints every category into the label maps. "voc21" paints only PASCAL's twenty classes, as is common
    when PASCAL segmenters are scored on COCO: everything else is background and occludes nothing.
    orientation: "ignore" by default, because boxes refer to pixels as stored, and COCO's files carry no EXIF turn.
    """

    images: str = ""
    annotations: str = ""
    split: str = ""
    space: str = ""
    maps: Literal["own", "voc21"] = "own"
    orientation: Orientation = "ignore"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for paths: it only reads images and labels, from wherever they lie."""
        return why_not_untrusted(settings, "images", "annotations")

    def __post_init__(self) -> None:
        if bool(self.images) != bool(self.annotations):
            raise ValueError("images and annotations belong together: give both, or neither for an official split")
        if not self.split:
            own = Path(self.annotations).stem.removeprefix("instances_")
            object.__setattr__(self, "split", own if self.images else "val2017")
        if self.maps not in ("own", "voc21"):
            raise ValueError(f"maps is {self.maps!r}, expected own or voc21")
        if not self.images and self.split not in IMAGES:
            raise ValueError(
                f"split is {self.split!r}, expected {' or '.join(IMAGES)}, or images= and annotations= of your own"
            )

    @property
    def revision(self) -> str:
        """Hash of the annotation file's bytes and of the images' names and contents."""
        index = self._index()
        files = ((record["file_name"], index.folder / record["file_name"]) for record in index.images)
        return digest_of(files, index.annotation_sha256)

    def __len__(self) -> int:
        return len(self._index().images)

    def image_ids(self) -> Sequence[str]:
        return [str(record["id"]) for record in self._index().images]

    def load(self, index: int) -> Sample:
        return self.handed_out([index]).load(index)

    def handed_out(self, indices: Sequence[int]) -> CocoImages:
        """These images with what the label file says of them, so that it need not be read to load them."""
        labels = self._index()
        return CocoImages(labels.folder, {index: labels.images[index] for index in indices}, self.orientation)

    def remarks(self, indices: Sequence[int]) -> Sequence[str]:
        """Warnings about these images, for readers of scores: EXIF turns not applied, boxes beyond their picture.

        Raises:
            ImageError: as ``load``.
        """
        labels = self._index()
        records = [labels.images[index] for index in indices]
        return [
            *_turn_remarks(records, labels.folder, self.orientation),
            *_box_remarks(records, labels, self.orientation),
        ]

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        """The categories; for maps background and the categories, None where no annotation has a mask.

        Raises:
            AnnotationError: there are no maps to paint, since some annotations lack a mask, there are more categories
            than labels, or PASCAL's classes were asked for and the categories are not COCO's 80.
        """
        labels = self._index()
        boxes = LabelSpace(self.space or labels.space, tuple(category["name"] for category in labels.categories))
        if kind is Detections:
            return boxes
        if kind is not SegmentationMap or not labels.masked:
            return None
        without_mask = len(labels.table.areas) - labels.masked
        if without_mask or len(boxes.classes) > MAX_CATEGORIES or BACKGROUND in boxes.classes:
            reason = (
                f"{without_mask} annotations have no segmentation"
                if without_mask
                else f"it has {len(boxes.classes)} categories"
            )
            raise AnnotationError(
                f"label maps cannot be painted from {self._files()[0].name!r}: {reason}; "
                f"expected a mask for each object and at most {MAX_CATEGORIES} categories, none of them {BACKGROUND!r}"
            )
        if self.maps == VOC21.name:
            if boxes.classes != COCO80.classes:
                raise AnnotationError(
                    f"maps=voc21 needs COCO's 80 categories, {self._files()[0].name!r} has {len(boxes.classes)} "
                    f"of its own"
                )
            return VOC21
        return COCO81 if boxes == COCO80 else LabelSpace(f"{boxes.name}+background", (BACKGROUND, *boxes.classes))

    def label_map(self, index: int) -> SegmentationMap:
        """Labels of image ``index``: 0 background, 1 + k category k or PASCAL's class k, void in crowd regions.

        Raises:
            AnnotationError: a mask is damaged, or not of its image's size.
            ImageError: as ``load``, since the map takes its size from the image.
        """
        record = self._index().images[index]
        height, width = self.load(index).image.shape[:2]
        masks = read_masks(self._files()[0]).get(record["id"], ())
        return SegmentationMap(
            paint(_as_voc(masks) if self.maps == VOC21.name else masks, height, width, record["file_name"])
        )

    def coco(self) -> Mapping[str, Any]:
        """Boxes as a COCO dict, without masks; annotation ids are 1, 2, ... in the file's order."""
        return self._index().table

    def coco_with_masks(self) -> Mapping[str, Any]:
        """The same with each object's mask as runs, drawn from its polygons if it has those.

        The result is cached until a file changes.

        Raises:
            AnnotationError: an annotation has no mask, a damaged one, or one of another size than its image.
        """
        return _masked(self, self.revision)

    def places(self) -> Sequence[Place]:
        """The annotation file and the folder of images, for those of your own."""
        return [Place(self.annotations), Place(self.images)] if self.images else []

    def unfetched(self) -> str:
        """The download that use would start, for URIs and for an official split that is not in the cache."""
        return super().unfetched() if self.images else self._unfetched_split()

    def _unfetched_split(self) -> str:
        return "" if self.images or annotation_file(self.split).is_file() else download_note(self.split)

    def fetch(self) -> None:
        """Bring the files of URIs, or an official split, into the cache.

        Raises:
            DownloadError: it cannot be fetched, or the disk is full.
        """
        if self.images:
            super().fetch()
        else:
            self._files()

    def available(self) -> str | None:
        if not self.images and not annotation_file(self.split).is_file() and offline():
            return (
                f"COCO {self.split} is not in the cache and HSC_OFFLINE is set; unset it, "
                f"or give images= and annotations="
            )
        if reason := self._unfetched_split():
            return reason
        try:
            self._index()
        except DataError as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        official = {"source": f"COCO {self.split}", "licence": "annotations CC BY 4.0, images per Flickr licence"}
        own = {"source": Path(self.annotations).name}
        return (own if self.images else official) | {"annotations_sha256": self._index().annotation_sha256}

    def _index(self) -> CocoIndex:
        return read_coco(*self._files())

    def _files(self) -> tuple[Path, Path]:
        """The annotation file and the folder of images; an official split is downloaded if it is not in the cache."""
        if self.images:
            annotations, images = (place.local() for place in self.places())
            return annotations, images
        annotations = annotation_file(self.split)
        if not annotations.is_file():
            fetch_split(self.split)
        return annotations, annotations.parent / self.split


def _turn_remarks(records: Sequence[Mapping[str, Any]], folder: Path, orientation: Orientation) -> list[str]:
    """A sentence if pictures carry an EXIF turn that is not applied."""
    files = turned(folder / record["file_name"] for record in records) if orientation == "ignore" else []
    if not files:
        return []
    return [
        f"{len(files)} of {len(records)} pictures carry an EXIF turn ({files[0].name!r} is the first), which "
        f"orientation=ignore leaves out: labels drawn on the upright picture do not fit what heads are shown; "
        f"where they were, give orientation=apply"
    ]


def _box_remarks(records: Sequence[Mapping[str, Any]], labels: CocoIndex, orientation: Orientation) -> list[str]:
    """A sentence if boxes reach beyond the picture as it is loaded."""
    sizes_wh = {record["id"]: _size_wh(record, labels.folder, orientation) for record in records}
    table = labels.table
    kept = np.isin(table.image_ids, list(sizes_wh))
    image_ids, boxes = table.image_ids[kept], table.boxes[kept]
    sizes = np.array([sizes_wh[image_id] for image_id in image_ids.tolist()]).reshape(-1, 2)
    beyond = (boxes[:, :2] < -_SLACK) | (boxes[:, :2] + boxes[:, 2:] > sizes + _SLACK)
    outside = image_ids[beyond.any(1)]
    if not len(outside):
        return []
    first = next(record["file_name"] for record in records if record["id"] == outside[0])
    other_orientation = "apply" if orientation == "ignore" else "ignore"
    return [
        f"{len(outside)} of {len(boxes)} boxes reach beyond their picture by more than a pixel (the first is in "
        f"{first!r}): they may refer to another size or to the picture turned; if to the latter, give "
        f"orientation={other_orientation}"
    ]


def _size_wh(record: Mapping[str, Any], folder: Path, orientation: Orientation) -> tuple[int, int]:
    """Width and height of a picture as loaded: as stated in the labels, which loading checks, else of the file."""
    if {"width", "height"} <= set(record):
        return record["width"], record["height"]
    width, height = size_of(folder / record["file_name"])
    swapped = orientation == "apply" and exif_turn(folder / record["file_name"]) >= _SIDEWAYS
    return (height, width) if swapped else (width, height)


@functools.lru_cache(maxsize=2)
def _masked(dataset: Coco, _revision: str) -> Mapping[str, Any]:
    """The value of ``coco_with_masks``, cached by the revision of annotations and images."""
    labels, file = dataset._index(), dataset._files()[0]
    without_mask = len(labels.table.areas) - labels.masked
    if without_mask:
        raise AnnotationError(
            f"{without_mask} annotations of {file.name!r} have no segmentation; expected a mask for each object"
        )
    sizes_hw = [
        (record["height"], record["width"])
        if {"height", "width"} <= set(record)
        else dataset.load(number).image.shape[:2]
        for number, record in enumerate(labels.images)
    ]
    images = [
        {**record, "height": height, "width": width}
        for record, (height, width) in zip(labels.images, sizes_hw, strict=True)
    ]
    drawn = {
        mask.number: runs(mask, image["height"], image["width"], image["file_name"])
        for image in images
        for mask in read_masks(file).get(image["id"], ())
    }
    masks = tuple(drawn[number] for number in range(len(labels.table.areas)))
    return replace(labels.table, images=tuple(images), segmentation=masks)


def _as_voc(masks: Sequence[Mask]) -> list[Mask]:
    """The masks, among those of COCO's 80 categories, of PASCAL's classes, with PASCAL's labels."""
    labels = {COCO81.classes.index(name): label for label, name in enumerate(_VOC_IN_COCO.split(","), 1)}
    return [mask._replace(label=labels[mask.label]) for mask in masks if mask.label in labels]
