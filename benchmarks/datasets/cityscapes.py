"""Cityscapes, finely labelled, in the folder layout of its publisher.

M. Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016. Free for research after
registration (cityscapes-dataset.com, its own licence); bring your own copy of leftImg8bit and gtFine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.api import DATASETS
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from benchmarks.files.mirror import Place, why_not_untrusted
from benchmarks.formats.label_maps import LabelledFiles, LabelledFolder, Pair, data_place, labelled_files
from benchmarks.imaging.image_files import shown
from downstream.api import VOID, LabelSpace, Prediction, SegmentationMap
from downstream.label_spaces import CITYSCAPES19
from hsc.errors import ImageError

_CURE = (
    "unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip in one folder and give cityscapes(root=...) its "
    "path"
)
_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The publisher's ids of the 19 scored classes; the other 15 of its ids 0 to 33 are void."""

_MEANINGS: Mapping[str, Mapping[int, int]] = {
    "labelIds": {**dict.fromkeys(range(34), VOID), **{number: label for label, number in enumerate(_IDS)}},
    "labelTrainIds": {**{label: label for label in range(len(_IDS))}, VOID: VOID},
}


@DATASETS.register("cityscapes")
@dataclass(frozen=True)
class Cityscapes(LabelledFolder):
    """Street scenes of 2048x1024 with label maps of 19 classes; the cities of val are in no other split.

    Files, in the order of cities and IDs: ``root/leftImg8bit/SPLIT/CITY/ID_leftImg8bit.png`` and
    ``root/gtFine/SPLIT/CITY/ID_gtFine_LABELS.png``.

    root: the folder of both; if empty, "cityscapes" below the folder that HSC_DATA names, or below ./data.
    split: train or val (the labels of test are not public).
    labels: labelIds for the 34 numbers that the publisher ships, or labelTrainIds for the 19 classes and 255 that its
    scripts derive from them; both give the same label maps.
    """

    root: str = ""
    split: Literal["train", "val"] = "val"
    labels: Literal["labelIds", "labelTrainIds"] = "labelIds"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for paths: it only reads images and labels, from wherever they lie."""
        return why_not_untrusted(settings, "root")

    def __post_init__(self) -> None:
        if self.split not in ("train", "val"):
            raise ValueError(f"split is {self.split!r}, expected train or val")
        if self.labels not in _MEANINGS:
            raise ValueError(f"labels is {self.labels!r}, expected {' or '.join(_MEANINGS)}")

    def label_map(self, index: int) -> SegmentationMap:
        """Labels of image ``index``.

        Raises:
            AnnotationError: the label file is not an index PNG, has another size than its frame, or holds a number
            that ``labels`` does not define.
        """
        return self._files().label_map(index, _MEANINGS[self.labels])

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return CITYSCAPES19 if kind is SegmentationMap else None

    def provenance(self) -> Mapping[str, str]:
        return {"source": "Cityscapes, gtFine (Cordts et al. 2016)", "licence": "Cityscapes' own, for research"}

    def places(self) -> Sequence[Place]:
        parts = f"leftImg8bit/{self.split}", f"gtFine/{self.split}"
        return [data_place(self.root, "cityscapes", *parts)]

    def _files(self) -> LabelledFiles:
        return _list(self.places()[0].local(), self.split, self.labels)


@kept_while_unchanged(16)
def _list(root: Path, split: str, labels: str) -> Listing[LabelledFiles]:
    folder = root / "leftImg8bit" / split
    if not folder.is_dir():
        raise ImageError(f"there is no Cityscapes folder {str(folder)!r}; {_CURE}")
    pairs = []
    try:
        cities = {path for path in folder.iterdir() if path.is_dir()}
        images = sorted(Path(city, name) for city in cities for name in os.listdir(city))
    except OSError as error:
        raise ImageError(
            f"the folder {shown(error.filename)!r} cannot be read: {error.strerror}; make it readable"
        ) from error
    for image in (file for file in images if file.name.endswith("_leftImg8bit.png")):
        image_id = image.name.removesuffix("_leftImg8bit.png")
        pairs.append(
            Pair(image_id, image, root / "gtFine" / split / image.parent.name / f"{image_id}_gtFine_{labels}.png")
        )
    cure = f"{_CURE}, and say labels=labelIds or labels=labelTrainIds, as its files are called"
    files = labelled_files(pairs, f"Cityscapes {split}", cure)
    return Listing(files, files.folders | cities | {folder})
