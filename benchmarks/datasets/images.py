"""Any folder of images, without labels."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import DATASETS, Sample
from benchmarks.images import SUFFIXES, Orientation, read_image
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

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Images and labels are read, from wherever they lie."""
        return None

    @property
    def revision(self) -> str:
        digest = hashlib.sha256()
        for image_id, size_bytes in _files(self.path):
            digest.update(f"{image_id}\0{size_bytes}\n".encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(_files(self.path))

    def image_ids(self) -> Sequence[str]:
        return [image_id for image_id, _ in _files(self.path)]

    def load(self, index: int) -> Sample:
        image_id, size_bytes = _files(self.path)[index]
        root = Path(self.path).expanduser()
        return Sample(image_id, read_image(root / image_id if root.is_dir() else root, orientation=self.orientation), size_bytes)

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


@functools.lru_cache(maxsize=16)
def _files(path: str) -> tuple[tuple[str, int], ...]:
    """(path below the root, bytes) of every image, sorted; read once a process, so that a run sees one list."""
    root = Path(path).expanduser()
    if root.is_file():
        return ((root.name, root.stat().st_size),)
    if not root.is_dir():
        raise ImageError(f"there is no folder or image {path!r}; give images(path=...) a folder of {', '.join(sorted(SUFFIXES))} files")
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
    if not found:
        raise ImageError(f"the folder {path!r} holds no image; expected {', '.join(sorted(SUFFIXES))} files")
    return tuple(sorted((file.relative_to(root).as_posix(), file.stat().st_size) for file in found))
