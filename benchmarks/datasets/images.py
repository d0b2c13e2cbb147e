"""Any folder of images, without labels."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.api import DATASETS, Sample
from benchmarks.files.content_index import digest_of
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from benchmarks.imaging.exif_orientation import Orientation
from benchmarks.imaging.image_files import OTHER_SUFFIXES, SUFFIXES, check_plain, read_image, shown
from downstream.api import LabelSpace, Prediction
from hsc.errors import DataError, ImageError

_log = logging.getLogger(__name__)


@DATASETS.register("images")
@dataclass(frozen=True)
class Images:
    """Every image below a folder, in the order of their paths; or the one image a path names.

    There are no labels, so a head's predictions on the originals stand in as the truth: scores then say how far
    compression moves a head, not how right it is.

    path: folder or file; names that begin with a dot are passed over, and so, with a word, are images of kinds that are
    not read and linked folders. split: only a label. orientation: see ``read_image``.
    """

    path: str
    split: str = ""
    orientation: Orientation = "apply"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Images and labels are read, from wherever they lie."""
        return None

    @property
    def revision(self) -> str:
        """Hash of the images' names and of their files' contents."""
        return digest_of((image.image_id, image.path) for image in _listing(self.path).images)

    def __len__(self) -> int:
        return len(_listing(self.path).images)

    def image_ids(self) -> Sequence[str]:
        return [image.image_id for image in _listing(self.path).images]

    def load(self, index: int) -> Sample:
        image = _listing(self.path).images[index]
        return Sample(image.image_id, read_image(image.path, orientation=self.orientation), image.path.stat().st_size)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return None

    def available(self) -> str | None:
        try:
            _listing(self.path)
        except DataError as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        passed_over = _listing(self.path).passed_over
        told = {"source": Path(self.path).name or self.path, "labels": "none; predictions on the originals stand in"}
        return told | ({"passed_over": passed_over} if passed_over else {})


class _Found(NamedTuple):
    """An image of a folder. image_id: its path below the root, as text that can be written anywhere."""

    image_id: str
    path: Path


class _Folder(NamedTuple):
    """What a folder holds. passed_over: what looks like images and is not read, in words; empty where there is none."""

    images: tuple[_Found, ...]
    passed_over: str


@kept_while_unchanged(16)
def _listing(path: str) -> Listing[_Folder]:
    """Every image, sorted by path."""
    root = Path(path).expanduser()
    if root.is_file():
        check_plain(root)
        return Listing(_Folder((_Found(shown(root.name), root),), ""), frozenset({root}))
    if not root.is_dir():
        raise ImageError(
            f"there is no folder or image {shown(path)!r}; give images(path=...) a folder of "
            f"{', '.join(sorted(SUFFIXES))} files"
        )
    found, watched, others, linked = [], [], Counter[str](), 0
    for folder, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked += sum(os.path.islink(os.path.join(folder, name)) for name in folders)
        endings = {name: Path(name).suffix.lower() for name in names if not name.startswith(".")}
        found += [Path(folder, name) for name, ending in endings.items() if ending in SUFFIXES]
        watched.append(Path(folder))
        others.update(ending for ending in endings.values() if ending in OTHER_SUFFIXES)
    passed_over = _passed_over(others, linked)
    if not found:
        note = f"; passed over: {passed_over}" if passed_over else ""
        raise ImageError(
            f"the folder {shown(path)!r} holds no image; expected {', '.join(sorted(SUFFIXES))} files{note}"
        )
    if passed_over and multiprocessing.parent_process() is None:
        _log.warning("of %s are passed over: %s", shown(path), passed_over)
    for file in found:
        check_plain(file)
    images = tuple(sorted(_Found(shown(file.relative_to(root).as_posix()), file) for file in found))
    return Listing(_Folder(images, passed_over), frozenset(watched))


def _refuse(error: OSError) -> None:
    raise ImageError(
        f"the folder {shown(error.filename)!r} cannot be read: {error.strerror}; its images would be left out, so "
        f"make it readable, or move it"
    )


def _passed_over(others: Mapping[str, int], linked: int) -> str:
    kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(others.items()))
    images = [f"images of kinds that are not read ({kinds}); convert them to PNG"] if kinds else []
    links = (
        [f"{linked} linked folder{'s' * (linked != 1)}, which are not followed; give the path of one itself"]
        if linked
        else []
    )
    return "; ".join([*images, *links])
