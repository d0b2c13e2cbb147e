"""An index of file hashes, so that a data set's unchanged files are not read again.

    files --state (size, times, inode)--> content.sqlite in the cache --sha256--> digest_of --> a data set's revision
                                              └── unknown in this state: read, hashed, kept

The index only saves time and never decides a hash: a damaged one is deleted and started again, and where it cannot be
written, files are hashed each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hsc.errors import DataError
from hsc.files.file_digests import FileState, keep_sha256, kept_sha256, read_sha256, state_of
from hsc.weights.download import cache_folder

_NAME = "content.sqlite"
_BUSY_S = 10.0
_QUERY_FILES = 500
"""Files looked up in one query."""
_BATCH_BYTES = 1 << 30
"""Bytes hashed between two writes of the index, so that a run that is stopped early keeps most of its hashes."""
_SHA256 = re.compile(r"[0-9a-f]{64}")

Row = tuple[bytes, str, str]
"""Path, state, sha256."""


def digest_of(named: Iterable[tuple[str, Path]], start: str = "") -> str:
    """One sha256 over names and the contents of their files, in order.

    start: text that enters the hash first, such as settings that decide the images.

    Raises:
        DataError: a file cannot be read.
    """
    pairs = list(named)
    digest = hashlib.sha256(start.encode())
    for (name, _), sha256 in zip(pairs, sha256_of_files([file for _, file in pairs]), strict=True):
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + sha256.encode() + b"\n")
    return digest.hexdigest()


def sha256_of_files(files: Sequence[Path]) -> list[str]:
    """The sha256 of each file's content, in hex and in order; a file is read only where it is new or may have changed.

    Raises:
        DataError: a file cannot be read.
    """
    try:
        states = {os.path.abspath(file): state_of(file) for file in files}
        known = {path: sha256 for path, state in states.items() if (sha256 := kept_sha256(path, state))}
        unknown = [path for path in states if path not in known]
        for path, state, sha256 in _indexed(unknown):
            if _state_text(states[path]) == state:
                keep_sha256(path, states[path], sha256)
                known[path] = sha256
        known.update(_read(path for path in unknown if path not in known))
    except OSError as error:
        raise DataError(
            f"cannot read the data set's file {str(error.filename)!r}: {error.strerror or error}; "
            f"put it back, or make it readable"
        ) from error
    return [known[os.path.abspath(file)] for file in files]


def _read(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Hash files, and write the hashes to the index after each batch: (path, sha256)."""
    rows: list[Row] = []
    size_bytes = 0
    for path in paths:
        sha256, state = read_sha256(path)
        if state:
            rows.append((os.fsencode(path), _state_text(state), sha256))
            size_bytes += state.size_bytes
        if size_bytes > _BATCH_BYTES:
            _keep(rows)
            rows, size_bytes = [], 0
        yield path, sha256
    _keep(rows)


def _indexed(paths: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """The index's rows for files: path, state when hashed, sha256. None where the index cannot be used."""
    for start in range(0, len(paths), _QUERY_FILES):
        chunk = [os.fsencode(path) for path in paths[start : start + _QUERY_FILES]]
        query = f"SELECT path, state, sha256 FROM files WHERE path IN ({','.join('?' * len(chunk))})"
        rows: list[Row] = []
        with _unusable_index_passed_over(), contextlib.closing(_opened()) as index:
            rows = index.execute(query, chunk).fetchall()
        for path, state, sha256 in rows:
            if isinstance(sha256, str) and _SHA256.fullmatch(sha256):
                yield os.fsdecode(path), state, sha256


def _state_text(state: FileState) -> str:
    return " ".join(map(str, state))


def _keep(rows: Sequence[Row]) -> None:
    if not rows:
        return
    with _unusable_index_passed_over():
        cache_folder().mkdir(parents=True, exist_ok=True)
        with contextlib.closing(_opened()) as index, index:
            index.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)


def _opened() -> sqlite3.Connection:
    """The opened index; a link, or a file of another user, is never used as one."""
    path = cache_folder() / _NAME
    with contextlib.suppress(FileNotFoundError):
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or (os.name == "posix" and status.st_uid != os.getuid()):
            raise sqlite3.OperationalError(f"{path} is no regular file of this user")
    index = sqlite3.connect(path, timeout=_BUSY_S)
    try:
        index.execute("CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, state TEXT, sha256 TEXT)")
    except sqlite3.Error:
        index.close()
        raise
    return index


@contextlib.contextmanager
def _unusable_index_passed_over() -> Iterator[None]:
    """Go on without an index that cannot be used, and delete a damaged one."""
    try:
        yield
    except (sqlite3.OperationalError, OSError):
        pass  # locked for long, read-only, no such folder: the files are hashed, which is correct and only slower
    except sqlite3.Error:
        for name in (_NAME, f"{_NAME}-journal"):
            with contextlib.suppress(OSError):
                (cache_folder() / name).unlink()
