"""Any folder of images, without labels."""

from __future__ import annotations

import functools
import hashlib
import logging
import multiprocessing
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.api import DATASETS, Sample
from benchmarks.images import OTHER_SUFFIXES, SUFFIXES, Orientation, check_plain, read_image, shown
from downstream.api import LabelSpace, Prediction
from hsc.errors import DataError, ImageError

_log = logging.getLogger(__name__)


@DATASETS.register("images")
@dataclass(frozen=True)
class Images:
    """Every image below a folder, in the order of their paths; or the one image a path names.

    There are no labels, so a head's predictions on the originals stand in as the truth: scores then say how far
    compression moves a head, not how right it is.

    path: folder or file; names that begin with a dot are passed over, and so, with a word, are images of kinds that are not read and
    linked folders. split: only a label. orientation: see ``read_image``.
    """

    path: str
    split: str = ""
    orientation: Orientation = "apply"

    @property
    def revision(self) -> str:
        digest = hashlib.sha256()
        for image in _listing(self.path).images:
            digest.update(f"{image.image_id}\0{image.size_bytes}\n".encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(_listing(self.path).images)

    def image_ids(self) -> Sequence[str]:
        return [image.image_id for image in _listing(self.path).images]

    def load(self, index: int) -> Sample:
        image = _listing(self.path).images[index]
        return Sample(image.image_id, read_image(image.path, orientation=self.orientation), image.size_bytes)

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
    size_bytes: int
    path: Path


class _Listing(NamedTuple):
    """What a folder holds. passed_over: what looks like images and is not read, in words; empty where there is none."""

    images: tuple[_Found, ...]
    passed_over: str


@functools.lru_cache(maxsize=16)
def _listing(path: str) -> _Listing:
    """Every image, sorted by path; read once a process, so that a run sees one list."""
    root = Path(path).expanduser()
    if root.is_file():
        return _Listing((_Found(shown(root.name), check_plain(root), root),), "")
    if not root.is_dir():
        raise ImageError(f"there is no folder or image {shown(path)!r}; give images(path=...) a folder of {', '.join(sorted(SUFFIXES))} files")
    found, others, linked = [], Counter[str](), 0
    for folder, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked += sum(os.path.islink(os.path.join(folder, name)) for name in folders)
        endings = {name: Path(name).suffix.lower() for name in names if not name.startswith(".")}
        found += [Path(folder, name) for name, ending in endings.items() if ending in SUFFIXES]
        others.update(ending for ending in endings.values() if ending in OTHER_SUFFIXES)
    passed_over = _passed_over(others, linked)
    if not found:
        note = f"; passed over: {passed_over}" if passed_over else ""
        raise ImageError(f"the folder {shown(path)!r} holds no image; expected {', '.join(sorted(SUFFIXES))} files{note}")
    if passed_over and multiprocessing.parent_process() is None:
        _log.warning("of %s are passed over: %s", shown(path), passed_over)
    return _Listing(tuple(sorted(_Found(shown(file.relative_to(root).as_posix()), check_plain(file), file) for file in found)), passed_over)


def _refuse(error: OSError) -> None:
    raise ImageError(
        f"the folder {shown(error.filename)!r} cannot be read: {error.strerror}; its images would be left out, so make it readable, or move it"
    )


def _passed_over(others: Mapping[str, int], linked: int) -> str:
    kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(others.items()))
    images = [f"images of kinds that are not read ({kinds}); convert them to PNG"] if kinds else []
    links = [f"{linked} linked folder{'s' * (linked != 1)}, which are not followed; give the path of one itself"] if linked else []
    return "; ".join([*images, *links])
