"""A folder of images, without labels."""

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
from benchmarks.files.held_out import held_out
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from benchmarks.files.mirror import Place, ReadsPlaces, why_not_untrusted
from benchmarks.imaging.exif_orientation import Orientation
from benchmarks.imaging.image_files import OTHER_SUFFIXES, SUFFIXES, check_plain, read_image, shown
from downstream.api import LabelSpace, Prediction
from hsc.errors import DataError, ImageError, UsageError

_log = logging.getLogger(__name__)


@DATASETS.register("images")
@dataclass(frozen=True)
class Images(ReadsPlaces):
    """Every image below a folder, in the order of their paths; or a single image.

    There are no labels, so a head's predictions on the originals stand in as the truth: scores then measure how much
    compression changes the head's answers, not how correct these are.

    path: folder or file. Names that begin with a dot are skipped; images of kinds that are not read and linked folders
    are skipped with a warning. split: only a label. orientation: see ``read_image``. held_out: only that many images,
    chosen by their names, which ``hsc-bench export-shards --hold-out`` leaves out of training; 0 for all images.
    """

    path: str
    split: str = ""
    orientation: Orientation = "apply"
    held_out: int = 0

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for paths: it only reads images, from wherever they lie."""
        return why_not_untrusted(settings, "path")

    @property
    def revision(self) -> str:
        """Hash of the images' names and of their files' contents."""
        return digest_of((image.image_id, image.path) for image in self._folder().images)

    def __len__(self) -> int:
        return len(self._folder().images)

    def image_ids(self) -> Sequence[str]:
        return [image.image_id for image in self._folder().images]

    def load(self, index: int) -> Sample:
        image = self._folder().images[index]
        return Sample(image.image_id, read_image(image.path, orientation=self.orientation), image.path.stat().st_size)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return None

    def available(self) -> str | None:
        try:
            self._folder()
        except (DataError, UsageError) as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        passed_over = self._folder().passed_over
        source = {"source": Path(self.path).name or self.path, "labels": "none; predictions on the originals stand in"}
        if self.held_out:
            source["held_out"] = f"{self.held_out} images, chosen by their names"
        return source | ({"passed_over": passed_over} if passed_over else {})

    def places(self) -> Sequence[Place]:
        return [Place(self.path)]

    def _folder(self) -> _Folder:
        """The images. Raises UsageError where ``held_out`` does not fit their number."""
        folder = _listing(self.places()[0].local(), self.path)
        if not self.held_out:
            return folder
        names = held_out([image.image_id for image in folder.images], self.held_out)
        return folder._replace(images=tuple(image for image in folder.images if image.image_id in names))


class _ImageFile(NamedTuple):
    """An image of a folder. image_id: its path below the root, as text that can be written anywhere."""

    image_id: str
    path: Path


class _Folder(NamedTuple):
    """A folder's images. passed_over: a sentence on images that are not read; empty if there are none."""

    images: tuple[_ImageFile, ...]
    passed_over: str


@kept_while_unchanged(16)
def _listing(root: Path, path: str) -> Listing[_Folder]:
    """Every image, sorted by path. path: of the folder as it was given, for messages."""
    if root.is_file():
        check_plain(root)
        return Listing(_Folder((_ImageFile(shown(root.name), root),), ""), frozenset({root}))
    if not root.is_dir():
        raise ImageError(
            f"there is no folder or image {shown(path)!r}; give images(path=...) a folder of "
            f"{', '.join(sorted(SUFFIXES))} files"
        )
    files, watched, unread, linked = [], [], Counter[str](), 0
    for folder, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked += sum(os.path.islink(os.path.join(folder, name)) for name in folders)
        suffixes = {name: Path(name).suffix.lower() for name in names if not name.startswith(".")}
        files += [Path(folder, name) for name, suffix in suffixes.items() if suffix in SUFFIXES]
        watched.append(Path(folder))
        unread.update(suffix for suffix in suffixes.values() if suffix in OTHER_SUFFIXES)
    passed_over = _passed_over(unread, linked)
    if not files:
        note = f"; passed over: {passed_over}" if passed_over else ""
        raise ImageError(
            f"the folder {shown(path)!r} holds no image; expected {', '.join(sorted(SUFFIXES))} files{note}"
        )
    if passed_over and multiprocessing.parent_process() is None:
        _log.warning("of %s are passed over: %s", shown(path), passed_over)
    for file in files:
        check_plain(file)
    images = tuple(sorted(_ImageFile(shown(file.relative_to(root).as_posix()), file) for file in files))
    return Listing(_Folder(images, passed_over), frozenset(watched))


def _refuse(error: OSError) -> None:
    raise ImageError(
        f"the folder {shown(error.filename)!r} cannot be read: {error.strerror}; "
        f"its images would be left out, so make it readable, or move it"
    )


def _passed_over(unread: Mapping[str, int], linked: int) -> str:
    """A sentence on files that are skipped. unread: suffix -> count. linked: number of linked folders."""
    notes = []
    if unread:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(unread.items()))
        notes.append(f"images of kinds that are not read ({kinds}); convert them to PNG")
    if linked:
        plural = "s" * (linked != 1)
        notes.append(f"{linked} linked folder{plural}, which are not followed; give the path of one itself")
    return "; ".join(notes)
