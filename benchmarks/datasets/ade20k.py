"""ADE20K's scene-parsing benchmark of 150 classes, in the folder layout of its publisher.

B. Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017. Images for research only, annotations BSD-3-Clause
(data.csail.mit.edu/places/ADEchallenge); bring your own copy. The images are JPEGs already, so every rate here is that
of a second compression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.api import DATASETS
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from benchmarks.files.mirror import Place, why_not_untrusted
from benchmarks.formats.label_maps import LabelledFiles, LabelledFolder, Pair, data_place, labelled_files
from downstream.api import VOID, LabelSpace, Prediction, SegmentationMap
from downstream.label_spaces import ADE150
from hsc.errors import ImageError

_CURE = "unpack ADEChallengeData2016.zip and give ade20k(root=...) its path"
_MEANING = {0: VOID, **{label + 1: label for label in range(len(ADE150.classes))}}


@DATASETS.register("ade20k")
@dataclass(frozen=True)
class Ade20k(LabelledFolder):
    """Indoor and outdoor photos with label maps of 150 classes of things and stuff.

    Files, in the order of the IDs: ``root/images/SPLIT/ID.jpg`` and ``root/annotations/SPLIT/ID.png`` (0 void, 1 to
    150 a class).

    root: the folder of both; if empty, "ADEChallengeData2016" below the folder that HSC_DATA names, or below ./data.
    split: training or validation.
    """

    root: str = ""
    split: Literal["training", "validation"] = "validation"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for paths: it only reads images and labels, from wherever they lie."""
        return why_not_untrusted(settings, "root")

    def __post_init__(self) -> None:
        if self.split not in ("training", "validation"):
            raise ValueError(f"split is {self.split!r}, expected training or validation")

    def label_map(self, index: int) -> SegmentationMap:
        """Labels of image ``index``.

        Raises:
            AnnotationError: the label file is not an index PNG, not of its photo's size, or holds a number above 150.
        """
        return self._files().label_map(index, _MEANING)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return ADE150 if kind is SegmentationMap else None

    def provenance(self) -> Mapping[str, str]:
        return {
            "source": "ADE20K, 150 classes (Zhou et al. 2017)",
            "licence": "images for research only, annotations BSD-3-Clause",
        }

    def places(self) -> Sequence[Place]:
        parts = f"images/{self.split}", f"annotations/{self.split}"
        return [data_place(self.root, "ADEChallengeData2016", *parts)]

    def _files(self) -> LabelledFiles:
        return _list(self.places()[0].local(), self.split)


@kept_while_unchanged(16)
def _list(root: Path, split: str) -> Listing[LabelledFiles]:
    folder = root / "images" / split
    if not folder.is_dir():
        raise ImageError(f"there is no ADE20K folder {str(folder)!r}; {_CURE}")
    pairs = [
        Pair(image.stem, image, root / "annotations" / split / f"{image.stem}.png")
        for image in sorted(folder.glob("*.jpg"))
    ]
    files = labelled_files(pairs, f"ADE20K {split}", _CURE)
    return Listing(files, files.folders | {folder})
