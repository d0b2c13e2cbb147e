"""Coded bytes of streams in files beside the cache, each named by the sha256 of what it holds.

    bytes --sha256--> streams/ab/cdef...      ab: the first two digits, so that no folder holds too many

Equal bytes are one file, a file appears whole or not at all, and its content is held against its name whenever it is
read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hsc.errors import DataError, ResultsError
from hsc.files.atomic_files import replacing

LEAST_BYTES = 16_384
"""Streams of so many bytes and more are files. A file costs about 0.2 ms more than a row of the database to write, and
on average half a block of 4 kB; from this size on that is little beside its own bytes."""
_SHA256 = re.compile("[0-9a-f]{64}")


class KeptFile(NamedTuple):
    """A file of the folder. sha256: that its name states, empty for one that is no stream, such as a part of one."""

    path: Path
    sha256: str
    size_bytes: int


class StreamFiles:
    """The files of one cache, in a folder that is made when the first is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, data: bytes) -> str:
        """Keep bytes; returns their sha256, in hex, by which ``read`` finds them. A damaged file is replaced.

        Raises:
            ResultsError: the file cannot be written.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._path(sha256)
        try:
            if _content(path, len(data)) != data:
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as part:
                    part.write_bytes(data)
        except OSError as error:
            raise ResultsError(
                f"the cache cannot write {path}: {error.strerror or error}; see to the room and the permissions there, "
                f"or name another with --cache"
            ) from error
        return sha256

    def read(self, size_bytes: Any, sha256: Any) -> bytes:
        """The bytes of that size and sha256, which may come from a damaged record.

        Raises:
            DataError: they are none of a file, or the file is missing, cannot be read, or holds other bytes.
        """
        if not (isinstance(size_bytes, int) and isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
            raise DataError(f"{size_bytes!r} and {sha256!r} came, expected a size and a sha256 of 64 hex digits")
        path = self._path(sha256)
        data = _content(path, size_bytes)
        if data is None or len(data) != size_bytes or hashlib.sha256(data).hexdigest() != sha256:
            raise DataError(f"{path} is {'missing' if data is None else 'damaged'}; its image is coded again")
        return data

    def files(self) -> Iterator[KeptFile]:
        """Every file of the folder, parts that a killed run left behind among them."""
        for path in sorted(self.folder.glob("*/*")):
            name = path.parent.name + path.name
            if path.is_file() and not path.is_symlink():
                yield KeptFile(path, name if _SHA256.fullmatch(name) else "", path.stat().st_size)

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256[2:]


def _content(path: Path, size_bytes: int) -> bytes | None:
    """What a file holds, but little more than ``size_bytes``; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size_bytes + 1)
    except OSError:
        return None
