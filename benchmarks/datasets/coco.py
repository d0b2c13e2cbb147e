"""COCO detection data: the official splits by name, or any COCO-format JSON beside a folder.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. Annotations CC BY 4.0; images under their
Flickr licences. The images are JPEGs already, so every rate here is that of a second compression.

The publisher states no checksums. The sha256 sums below are those on which independent projects agree, torchvision's
prototype data sets (torchvision/prototype/datasets/_builtin/coco.py, v0.14) among them.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchmarks.api import DATASETS, Sample
from benchmarks.files.content_index import digest_of
from benchmarks.formats.coco_json import CocoIndex, read_coco
from benchmarks.formats.coco_masks import MAX_CATEGORIES, Mask, paint, read_masks, runs
from benchmarks.formats.label_maps import size_of
from benchmarks.imaging.exif_orientation import Orientation
from benchmarks.imaging.image_files import exif_turn, read_image, turned
from downstream.api import Detections, LabelSpace, Prediction, SegmentationMap
from downstream.label_spaces import BACKGROUND, COCO80, COCO81, VOC21
from hsc.errors import AnnotationError, DataError, DownloadError, ImageError
from hsc.weights.download import cache_folder, cached, fetch_file, offline
from hsc.weights.fetching import would_download


class _Archive(NamedTuple):
    url: str
    sha256: str
    size_bytes: int


_ANNOTATIONS = _Archive(
    "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
    "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
    252_907_541,
)
_IMAGES = {
    "val2017": _Archive(
        "http://images.cocodataset.org/zips/val2017.zip",
        "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        815_585_330,
    ),
    "train2017": _Archive(
        "http://images.cocodataset.org/zips/train2017.zip",
        "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        19_336_861_798,
    ),
}

_VOC_IN_COCO = (
    "airplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,dining table,dog,horse,motorcycle,person,potted "
    "plant,sheep,couch,train,tv"
)
"""PASCAL's twenty classes under COCO's names, in PASCAL's order."""


_SLACK = 1.0
"""Pixels that a box may reach beyond its picture before it is said; annotators round."""
_SIDEWAYS = 5
"""EXIF turns from here on swap width and height."""


@DATASETS.register("coco")
@dataclass(frozen=True)
class Coco:
    """Images in the order of their ids, images without a box among them; classes in the order of the category ids.

    Label maps are painted from the objects' masks, background first; see ``benchmarks/formats/coco_masks.py``.

    images, annotations: a folder and a COCO JSON; give both, or neither for an official split, which is fetched on
    first use (val2017: 1.1 GB) into the cache folder. split: "val2017" or "train2017" then; beside your own JSON only a
    label.
    space: name of the label space of boxes; where empty it is "coco80" for COCO's 80 classes, else derived from the
    class list.
    That of label maps is "coco81" for COCO's 80 classes, else the same name and "+background".
    maps: "own" paints every category into the label maps; "voc21" only PASCAL's twenty classes, as segmenters of PASCAL
    are often
    scored on COCO: all else is background and hides nothing.
    orientation: "ignore" by default: boxes refer to pixels as stored, and COCO's files carry no EXIF turn.
    """

    images: str = ""
    annotations: str = ""
    split: str = ""
    space: str = ""
    maps: Literal["own", "voc21"] = "own"
    orientation: Orientation = "ignore"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Images and labels are read, from wherever they lie."""
        return None

    def __post_init__(self) -> None:
        if bool(self.images) != bool(self.annotations):
            raise ValueError("images and annotations belong together: give both, or neither for an official split")
        if not self.split:
            own = Path(self.annotations).stem.removeprefix("instances_")
            object.__setattr__(self, "split", own if self.images else "val2017")
        if self.maps not in ("own", "voc21"):
            raise ValueError(f"maps is {self.maps!r}, expected own or voc21")
        if not self.images and self.split not in _IMAGES:
            raise ValueError(
                f"split is {self.split!r}, expected {' or '.join(_IMAGES)}, or images= and annotations= of your own"
            )

    @property
    def revision(self) -> str:
        """Hash of the annotation file's bytes and of the images' names and contents."""
        known = self._index()
        return digest_of(
            ((record["file_name"], known.folder / record["file_name"]) for record in known.images),
            known.annotation_sha256,
        )

    def __len__(self) -> int:
        return len(self._index().images)

    def image_ids(self) -> Sequence[str]:
        return [str(record["id"]) for record in self._index().images]

    def load(self, index: int) -> Sample:
        known = self._index()
        record = known.images[index]
        file = known.folder / record["file_name"]
        image = read_image(file, orientation=self.orientation)
        stated = record.get("height", image.shape[0]), record.get("width", image.shape[1])
        if image.shape[:2] != stated:
            raise ImageError(
                f"{record['file_name']!r} is {image.shape[1]}x{image.shape[0]}, its annotations say "
                f"{stated[1]}x{stated[0]}; "
                "the file was resized, or needs the other setting of orientation"
            )
        return Sample(str(record["id"]), image, file.stat().st_size)

    def remarks(self, indices: Sequence[int]) -> Sequence[str]:
        """What must be known of these images before any score: turns that are not applied, boxes that leave their
        picture.

        Raises:
            ImageError: as ``load``.
        """
        known = self._index()
        records = [known.images[index] for index in indices]
        return [*_turned(records, known.folder, self.orientation), *_outside(records, known, self.orientation)]

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        """The categories; for maps background and the categories, None where no annotation has a mask.

        Raises:
            AnnotationError: there are no maps to paint: some annotations lack a mask, there are more categories than
            labels, or
                PASCAL's classes were asked for and the categories are not COCO's 80.
        """
        known = self._index()
        boxes = LabelSpace(self.space or known.space, tuple(category["name"] for category in known.categories))
        if kind is Detections:
            return boxes
        if kind is not SegmentationMap or not known.masked:
            return None
        lacking = len(known.annotations) - known.masked
        if lacking or len(boxes.classes) > MAX_CATEGORIES or BACKGROUND in boxes.classes:
            reason = (
                f"{lacking} annotations have no segmentation" if lacking else f"it has {len(boxes.classes)} categories"
            )
            raise AnnotationError(
                f"label maps cannot be painted from {self._files()[0].name!r}: {reason}; "
                f"expected a mask for each object and at most {MAX_CATEGORIES} categories, none of them {BACKGROUND!r}"
            )
        if self.maps == VOC21.name:
            if boxes.classes != COCO80.classes:
                raise AnnotationError(
                    f"maps=voc21 needs COCO's 80 categories, {self._files()[0].name!r} has {len(boxes.classes)} of "
                    f"its own"
                )
            return VOC21
        return COCO81 if boxes == COCO80 else LabelSpace(f"{boxes.name}+background", (BACKGROUND, *boxes.classes))

    def label_map(self, index: int) -> SegmentationMap:
        """Labels of image ``index``: 0 background, 1 + k category k or PASCAL's class k, void in crowd regions.

        Raises:
            AnnotationError: a mask is damaged, or not of its image's size.
            ImageError: as ``load``, since the image says how large the map is.
        """
        record = self._index().images[index]
        height, width = self.load(index).image.shape[:2]
        masks = read_masks(self._files()[0]).get(record["id"], ())
        return SegmentationMap(
            paint(_as_voc(masks) if self.maps == VOC21.name else masks, height, width, record["file_name"])
        )

    def coco(self) -> Mapping[str, Any]:
        """Labels as a COCO dict with boxes alone: masks are left out, annotation ids are 1, 2, ... in the file's order."""
        known = self._index()
        return {
            "images": list(known.images),
            "annotations": list(known.annotations),
            "categories": list(known.categories),
        }

    def coco_with_masks(self) -> Mapping[str, Any]:
        """The same with each object's mask as runs, drawn from its polygons where it has those; again only where a file
        has changed.

        Raises:
            AnnotationError: an annotation has no mask, a damaged one, or one of another size than its image.
        """
        return _masked(self, self.revision)

    def unfetched(self) -> str:
        """What use would download: an official split that is not in the cache; empty elsewhere."""
        if self.images or _unpacked(self.split).is_file():
            return ""
        wanted = {"coco/annotations_trainval2017.zip": _ANNOTATIONS, f"coco/{self.split}.zip": _IMAGES[self.split]}
        size_bytes = sum(archive.size_bytes for name, archive in wanted.items() if not cached(name))
        return would_download(size_bytes, "http://images.cocodataset.org")

    def fetch(self) -> None:
        """Bring an official split into the cache.

        Raises:
            DownloadError: it cannot be fetched, or the disk is full.
        """
        self._files()

    def available(self) -> str | None:
        if not self.images and not _unpacked(self.split).is_file() and offline():
            return (
                f"COCO {self.split} is not in the cache and HSC_OFFLINE is set; unset it, or give images= and "
                f"annotations="
            )
        if reason := self.unfetched():
            return reason
        try:
            self._index()
        except DataError as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        known = self._index()
        source = {"source": f"COCO {self.split}", "licence": "annotations CC BY 4.0, images per Flickr licence"}
        own = {"source": Path(self.annotations).name}
        return (own if self.images else source) | {"annotations_sha256": known.annotation_sha256}

    def _index(self) -> CocoIndex:
        return read_coco(*self._files())

    def _files(self) -> tuple[Path, Path]:
        """The annotation file and the folder of images, fetched where they are an official split that is not here."""
        if self.images:
            return Path(self.annotations).expanduser(), Path(self.images).expanduser()
        marker = _unpacked(self.split)
        if not marker.is_file():
            _fetch(self.split)
        return marker, marker.parent / self.split


def _turned(records: Sequence[Mapping[str, Any]], folder: Path, orientation: Orientation) -> list[str]:
    """A sentence where pictures carry a turn that is not applied."""
    found = turned(folder / record["file_name"] for record in records) if orientation == "ignore" else []
    if not found:
        return []
    return [
        f"{len(found)} of {len(records)} pictures carry an EXIF turn ({found[0].name!r} is the first), which "
        f"orientation=ignore leaves out: labels "
        "drawn on the upright picture do not fit what heads are shown; where they were, give orientation=apply"
    ]


def _outside(records: Sequence[Mapping[str, Any]], known: CocoIndex, orientation: Orientation) -> list[str]:
    """A sentence where boxes reach beyond the picture as it is loaded."""
    sizes = {record["id"]: _size_wh(record, known.folder, orientation) for record in records}
    count, wrong = 0, []
    for annotation in known.annotations:
        size = sizes.get(annotation["image_id"])
        if size is not None:
            count += 1
            left, top, width, height = annotation["bbox"]
            if min(left, top) < -_SLACK or left + width > size[0] + _SLACK or top + height > size[1] + _SLACK:
                wrong.append(annotation["image_id"])
    if not wrong:
        return []
    first = next(record["file_name"] for record in records if record["id"] == wrong[0])
    other = "apply" if orientation == "ignore" else "ignore"
    return [
        f"{len(wrong)} of {count} boxes reach beyond their picture by more than a pixel (the first is in {first!r}): "
        f"they may refer to another size "
        f"or to the picture turned; if to the latter, give orientation={other}"
    ]


def _size_wh(record: Mapping[str, Any], folder: Path, orientation: Orientation) -> tuple[int, int]:
    """Width and height of a picture as loaded: those stated, which loading checks, else those of the file."""
    if {"width", "height"} <= set(record):
        return record["width"], record["height"]
    width, height = size_of(folder / record["file_name"])
    upright = orientation == "apply" and exif_turn(folder / record["file_name"]) >= _SIDEWAYS
    return (height, width) if upright else (width, height)


@functools.lru_cache(maxsize=2)
def _masked(dataset: Coco, _revision: str) -> Mapping[str, Any]:
    """What ``coco_with_masks`` gives; again only where annotations or images have changed since."""
    known, file = dataset._index(), dataset._files()[0]
    lacking = len(known.annotations) - known.masked
    if lacking:
        raise AnnotationError(
            f"{lacking} annotations of {file.name!r} have no segmentation; expected a mask for each object"
        )
    sizes = [
        (r["height"], r["width"]) if {"height", "width"} <= set(r) else dataset.load(i).image.shape[:2]
        for i, r in enumerate(known.images)
    ]
    images = [
        {**record, "height": height, "width": width}
        for record, (height, width) in zip(known.images, sizes, strict=True)
    ]
    drawn = {
        mask.number: runs(mask, image["height"], image["width"], image["file_name"])
        for image in images
        for mask in read_masks(file).get(image["id"], ())
    }
    annotations = [{**record, "segmentation": drawn[number]} for number, record in enumerate(known.annotations)]
    return {"images": images, "annotations": annotations, "categories": list(known.categories)}


def _as_voc(masks: Sequence[Mask]) -> list[Mask]:
    """The masks of PASCAL's classes, of COCO's 80 categories, with its labels."""
    labels = {COCO81.classes.index(name): label for label, name in enumerate(_VOC_IN_COCO.split(","), 1)}
    return [mask._replace(label=labels[mask.label]) for mask in masks if mask.label in labels]


def _unpacked(split: str) -> Path:
    """The annotation file, which is put in place last: once it is there the split is whole."""
    return cache_folder() / "coco" / split / f"instances_{split}.json"


def _fetch(split: str) -> None:
    """Bring one official split into the cache folder; the archives are deleted once unpacked.

    Raises:
        DownloadError: a fetch failed, or the disk is full.
    """
    target = _unpacked(split)
    labels = fetch_file(
        _ANNOTATIONS.url, _ANNOTATIONS.sha256, "coco/annotations_trainval2017.zip", size_bytes=_ANNOTATIONS.size_bytes
    )
    archive = _IMAGES[split]
    pictures = fetch_file(archive.url, archive.sha256, f"coco/{split}.zip", size_bytes=archive.size_bytes)
    try:
        with tempfile.TemporaryDirectory(dir=labels.parent) as scratch:
            folder = Path(scratch, split)
            with zipfile.ZipFile(pictures) as z:
                z.extractall(folder, [n for n in z.namelist() if n.startswith(f"{split}/") and n.endswith(".jpg")])
            with (
                zipfile.ZipFile(labels) as z,
                z.open(f"annotations/{target.name}") as source,
                (folder / target.name).open("wb") as out,
            ):
                shutil.copyfileobj(source, out)
            try:
                folder.rename(target.parent)
            except OSError:
                if not target.is_file():  # else another process was first, with the same files
                    raise
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise DownloadError(
            f"cannot unpack COCO {split} in {str(labels.parent)!r}: {error}; make room for the images twice, or "
            f"delete the archives there"
        ) from error
    if cached(f"coco/{split}.zip"):
        os.remove(pictures)
