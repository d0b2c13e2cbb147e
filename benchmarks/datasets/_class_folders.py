"""Image files with one class each: listed from a folder a class, and served as a data set of classifications.

root/CLASS/*.jpg --class_folders--> ClassifiedFiles --sample, class_labels--> Sample, int64 (1,)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Sample
from benchmarks.files.content_index import digest_of
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from benchmarks.files.mirror import ReadsPlaces
from benchmarks.imaging.exif_orientation import Orientation
from benchmarks.imaging.image_files import OTHER_SUFFIXES, SUFFIXES, check_plain, read_image, shown
from downstream.api import Classification, LabelSpace, Prediction
from hsc.errors import DataError, ImageError


class ClassifiedFile(NamedTuple):
    """An image and the index of its class."""

    image_id: str
    path: Path
    label: int


class ClassFolders(NamedTuple):
    """The files of a folder a class. names: of the class folders, sorted. unread: images of kinds that are not read."""

    names: tuple[str, ...]
    files: tuple[ClassifiedFile, ...]
    unread: int


class ClassifiedImages(ReadsPlaces):
    """Base class of data sets of one class an image; a subclass lists the files and names their classes."""

    orientation: Orientation

    def _files(self) -> Sequence[ClassifiedFile]:
        """The files, listed again once their folders change. Raises DataError where they are missing."""
        raise NotImplementedError

    def _space(self) -> LabelSpace:
        """The classes. Raises as ``_files``."""
        raise NotImplementedError

    @property
    def revision(self) -> str:
        """Hash of the ids and classes of the images, and of the contents of their files."""
        classes = self._space().classes
        return digest_of((f"{file.image_id}\0{classes[file.label]}", file.path) for file in self._files())

    def __len__(self) -> int:
        return len(self._files())

    def image_ids(self) -> Sequence[str]:
        return [file.image_id for file in self._files()]

    def handed_out(self, indices: Sequence[int]) -> ClassifiedPart:
        """These images, with the paths of their files alone."""
        files = self._files()
        return ClassifiedPart({index: files[index] for index in indices}, self.orientation)

    def load(self, index: int) -> Sample:
        return self.handed_out([index]).load(index)

    def class_labels(self, index: int) -> npt.NDArray[np.int64]:
        """The class of image ``index``, int64 (1,)."""
        return np.array([self._files()[index].label], np.int64)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return self._space() if kind is Classification else None

    def available(self) -> str | None:
        try:
            self._files()
        except DataError as error:
            return str(error)
        return None


@dataclass(frozen=True)
class ClassifiedPart:
    """Some images of the data set, by their index in it."""

    files: Mapping[int, ClassifiedFile]
    orientation: Orientation

    def load(self, index: int) -> Sample:
        """Image ``index`` of the data set.

        Raises:
            ImageError: the file is missing or damaged.
        """
        file = self.files[index]
        image = read_image(file.path, orientation=self.orientation)
        return Sample(file.image_id, image, file.path.stat().st_size)


@kept_while_unchanged(16)
def class_folders(root: Path, cure: str) -> Listing[ClassFolders]:
    """The images of the folders below ``root``, one image of each class in turn, so that the first few images of a data
    set are of many classes.

    cure: the end of the message where there are none.

    Raises:
        ImageError: there is no such folder, or no image in a folder below it.
    """
    if not root.is_dir():
        raise ImageError(f"there is no folder {shown(root)!r}; {cure}")
    names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    listed = [_listed(root / name) for name in names]
    by_class, unread = [images for images, _ in listed], sum(count for _, count in listed)
    longest = max(map(len, by_class), default=0)
    if not longest:
        note = f"; {unread} images of kinds that are not read are passed over" if unread else ""
        raise ImageError(
            f"no folder below {shown(root)!r} holds an image; expected root/CLASS/*.jpg, a folder a class{note}; {cure}"
        )
    files = tuple(
        ClassifiedFile(shown(f"{names[label]}/{paths[rank].name}"), paths[rank], label)
        for rank in range(longest)
        for label, paths in enumerate(by_class)
        if rank < len(paths)
    )
    for file in files:
        check_plain(file.path)
    watched = frozenset({root, *(root / name for name in names)})
    return Listing(ClassFolders(tuple(map(shown, names)), files, unread), watched)


def _listed(folder: Path) -> tuple[list[Path], int]:
    """The images of a folder, sorted by name, and how many are of kinds that are not read."""
    suffixes = {name: Path(name).suffix.lower() for name in sorted(os.listdir(folder))}
    images = [folder / name for name, suffix in suffixes.items() if suffix in SUFFIXES and not name.startswith(".")]
    return images, sum(suffix in OTHER_SUFFIXES for suffix in suffixes.values())
