"""Any folder of images, without labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.api import DATASETS, Sample
from benchmarks.content_index import digest_of
from benchmarks.images import SUFFIXES, Orientation, read_image
from benchmarks.kept_listings import Listing, kept_while_unchanged
from downstream.api import LabelSpace, Prediction
from hsc.errors import DataError, ImageError


@DATASETS.register("images")
@dataclass(frozen=True)
class Images:
    """Every image below a folder, in the order of their paths; or the one image a path names.

    There are no labels, so a head's predictions on the originals stand in as the truth: scores then say how far
    compression moves a head, not how right it is.

    path: folder or file; names that begin with a dot are passed over. split: only a label. orientation: see ``read_image``.
    """

    path: str
    split: str = ""
    orientation: Orientation = "apply"

    @property
    def revision(self) -> str:
        """Hash of the images' names and of their files' contents."""
        return digest_of((image_id, self._file(image_id)) for image_id in _files(self.path))

    def __len__(self) -> int:
        return len(_files(self.path))

    def image_ids(self) -> Sequence[str]:
        return list(_files(self.path))

    def load(self, index: int) -> Sample:
        image_id = _files(self.path)[index]
        file = self._file(image_id)
        return Sample(image_id, read_image(file, orientation=self.orientation), file.stat().st_size)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return None

    def available(self) -> str | None:
        try:
            _files(self.path)
        except DataError as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        return {"source": Path(self.path).name or self.path, "labels": "none; predictions on the originals stand in"}

    def _file(self, image_id: str) -> Path:
        root = Path(self.path).expanduser()
        return root / image_id if root.is_dir() else root


@kept_while_unchanged(16)
def _files(path: str) -> Listing[tuple[str, ...]]:
    """The paths below the root, or the name alone, of every image, sorted."""
    root = Path(path).expanduser()
    if root.is_file():
        return Listing((root.name,), frozenset({root}))
    if not root.is_dir():
        raise ImageError(f"there is no folder or image {path!r}; give images(path=...) a folder of {', '.join(sorted(SUFFIXES))} files")
    found, watched = [], []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
        watched.append(Path(folder))
    if not found:
        raise ImageError(f"the folder {path!r} holds no image; expected {', '.join(sorted(SUFFIXES))} files")
    return Listing(tuple(sorted(file.relative_to(root).as_posix() for file in found)), frozenset(watched))
