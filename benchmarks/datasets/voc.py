"""PASCAL VOC segmentation in the folder layout of its development kit.

M. Everingham, S. M. A. Eslami, L. Van Gool, C. K. I. Williams, J. Winn, A. Zisserman, "The PASCAL Visual Object Classes
Challenge: A Retrospective", IJCV 111(1), 2015. The photos are Flickr's, under its terms of use; bring your own copy
(host.robots.ox.ac.uk/pascal/VOC). They are JPEGs already, so every rate here is that of a second compression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import DATASETS
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from benchmarks.files.mirror import Place, why_not_untrusted
from benchmarks.formats.label_maps import LabelledFiles, LabelledFolder, Pair, data_place, labelled_files
from downstream.api import VOID, LabelSpace, Prediction, SegmentationMap
from downstream.label_spaces import VOC21
from hsc.errors import AnnotationError

_CURE = "unpack VOCtrainval_11-May-2012.tar and give voc(root=...) its folder VOCdevkit/VOC2012"
_MEANING = {**{number: number for number in range(len(VOC21.classes))}, VOID: VOID}


@DATASETS.register("voc")
@dataclass(frozen=True)
class Voc(LabelledFolder):
    """Photos and label maps of 20 object classes and background; the contours of objects are void.

    Files: ``root/JPEGImages/ID.jpg`` and ``root/SegmentationClass/ID.png`` (0 background, 1 to 20 a class, 255 void),
    in the order of ``root/ImageSets/Segmentation/SPLIT.txt``, one ID a line.

    root: the folder of one year; if empty, "VOCdevkit/VOC2012" below the folder that HSC_DATA names, or below ./data.
    split: train, val, trainval, or the name of another list in that folder.
    """

    root: str = ""
    split: str = "val"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for paths: it only reads images and labels, from wherever they lie."""
        return why_not_untrusted(settings, "root")

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.split):
            raise ValueError(
                f"split is {self.split!r}, expected the name of a list in ImageSets/Segmentation, such as val"
            )

    def label_map(self, index: int) -> SegmentationMap:
        """Labels of image ``index``.

        Raises:
            AnnotationError: the label file is not an index PNG, has another size than its photo, or holds a number
            from 21 to 254.
        """
        return self._files().label_map(index, _MEANING)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return VOC21 if kind is SegmentationMap else None

    def provenance(self) -> Mapping[str, str]:
        return {
            "source": f"PASCAL VOC segmentation, {self.places()[0].local().name}",
            "licence": "Flickr's terms of use",
        }

    def places(self) -> Sequence[Place]:
        parts = f"ImageSets/Segmentation/{self.split}.txt", "JPEGImages", "SegmentationClass"
        return [data_place(self.root, "VOCdevkit/VOC2012", *parts)]

    def _files(self) -> LabelledFiles:
        return _list(self.places()[0].local(), self.split)


@kept_while_unchanged(16)
def _list(root: Path, split: str) -> Listing[LabelledFiles]:
    file = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    try:
        names = file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise AnnotationError(f"cannot read the VOC list {str(file)!r}: {reason or error}; {_CURE}") from error
    strange = [name for name in names if not re.fullmatch(r"\w[\w.-]*", name)]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if strange or twice:
        fault = f"names no file: {strange[0]!r}" if strange else f"comes twice: {twice[0]!r}"
        raise AnnotationError(f"a line of the VOC list {file.name!r} {fault}; expected one ID a line")
    pairs = [
        Pair(name, root / "JPEGImages" / f"{name}.jpg", root / "SegmentationClass" / f"{name}.png") for name in names
    ]
    files = labelled_files(pairs, f"VOC {split}", _CURE)
    return Listing(files, files.folders | {file})
