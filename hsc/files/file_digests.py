"""The sha256 of files, computed again only where a file may have changed.

A file counts as unchanged if its size, times and inode are those it had when it was read, and if it had then not been
written for SETTLED_NS: clocks of file systems are coarse (FAT: two seconds), so two writes in quick succession can
leave the same times.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from io import BufferedReader
from typing import NamedTuple

SETTLED_NS = 2_500_000_000
"""A digest is kept only if the file was last written at least this many nanoseconds before it was read."""

_MAX_KEPT = 1 << 18


class FileState(NamedTuple):
    """The facts by which a file or folder counts as unchanged without being read. Times are in nanoseconds."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    def settled(self, now_ns: int) -> bool:
        """Whether the last change is so long before ``now_ns`` (of ``time.time_ns``) that a later one would show."""
        return max(self.mtime_ns, self.ctime_ns) < now_ns - SETTLED_NS


_kept: dict[str, tuple[FileState, str]] = {}


def state_of(path: str | os.PathLike[str]) -> FileState:
    """The state of a file or folder; links are followed.

    Raises:
        OSError: it does not exist.
    """
    return _state(os.stat(path))


def kept_sha256(path: str | os.PathLike[str], state: FileState) -> str | None:
    """The sha256 that this process has kept for the file in that state, or None."""
    entry = _kept.get(os.path.abspath(path))
    return entry[1] if entry and entry[0] == state else None


def keep_sha256(path: str | os.PathLike[str], state: FileState, sha256: str) -> None:
    """Keep the sha256 of the file in that state, for this process."""
    if len(_kept) >= _MAX_KEPT:
        _kept.clear()
    _kept[os.path.abspath(path)] = state, sha256


def sha256_of_file(path: str | os.PathLike[str]) -> str:
    """sha256 of a file's content, hexadecimal.

    Raises:
        OSError: the file is missing, not readable, or no plain file.
    """
    state = state_of(path)
    return kept_sha256(path, state) or read_sha256(path)[0]


def read_sha256(path: str | os.PathLike[str]) -> tuple[str, FileState | None]:
    """sha256 of a file's content, read now, and the state of the file; None if it may have changed meanwhile.

    Raises:
        OSError: as ``sha256_of_file``.
    """
    started_ns = time.time_ns()
    with _plain(path) as file:
        before = _state(os.fstat(file.fileno()))
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        after = _state(os.fstat(file.fileno()))
    if before != after or not before.settled(started_ns):
        return sha256, None
    keep_sha256(path, before, sha256)
    return sha256, before


def _plain(path: str | os.PathLike[str]) -> BufferedReader:
    """The opened file; a pipe or device is refused before it is opened, since opening could block forever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is no plain file", os.fspath(path))
    return open(path, "rb")


def _state(facts: os.stat_result) -> FileState:
    return FileState(facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)
