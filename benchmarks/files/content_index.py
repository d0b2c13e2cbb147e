"""What a data set's files hold, without reading unchanged ones again.

    files --state (size, times, inode)--> content.sqlite in the cache folder --sha256--> digest_of --> a data set's
    revision
                                          └── not known in this state: read, hashed, kept

The index spares work and decides nothing: where it is damaged it is begun anew, and where it cannot be written files
are just hashed.
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
_AT_ONCE = 500
"""Files asked for in one query."""
_BATCH_BYTES = 1 << 30
"""Bytes read before what was found is kept, so that a run that is ended early has not read for nothing."""
_SHA256 = re.compile(r"[0-9a-f]{64}")

Row = tuple[bytes, str, str]
"""Path, state, sha256."""


def digest_of(named: Iterable[tuple[str, Path]], start: str = "") -> str:
    """One sha256 over names and the contents of their files, in order.

    start: what decides beside them.

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
        asked = [path for path in states if path not in known]
        for path, state, sha256 in _indexed(asked):
            if _written(states[path]) == state:
                keep_sha256(path, states[path], sha256)
                known[path] = sha256
        known.update(_read(path for path in asked if path not in known))
    except OSError as error:
        raise DataError(
            f"cannot read the data set's file {str(error.filename)!r}: {error.strerror or error}; put it back, or "
            f"make it readable"
        ) from error
    return [known[os.path.abspath(file)] for file in files]


def _read(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Hash files, and keep what is known of them now and then."""
    rows: list[Row] = []
    size_bytes = 0
    for path in paths:
        sha256, state = read_sha256(path)
        if state:
            rows.append((os.fsencode(path), _written(state), sha256))
            size_bytes += state.size_bytes
        if size_bytes > _BATCH_BYTES:
            _keep(rows)
            rows, size_bytes = [], 0
        yield path, sha256
    _keep(rows)


def _indexed(paths: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """What the index says of files: path, the state it was read in, sha256. Nothing where there is no sound index."""
    for start in range(0, len(paths), _AT_ONCE):
        chunk = [os.fsencode(path) for path in paths[start : start + _AT_ONCE]]
        question = f"SELECT path, state, sha256 FROM files WHERE path IN ({','.join('?' * len(chunk))})"
        rows: list[Row] = []
        with _sound(), contextlib.closing(_opened()) as index:
            rows = index.execute(question, chunk).fetchall()
        for path, state, sha256 in rows:
            if isinstance(sha256, str) and _SHA256.fullmatch(sha256):
                yield os.fsdecode(path), state, sha256


def _written(state: FileState) -> str:
    return " ".join(map(str, state))


def _keep(rows: Sequence[Row]) -> None:
    if not rows:
        return
    with _sound():
        cache_folder().mkdir(parents=True, exist_ok=True)
        with contextlib.closing(_opened()) as index, index:
            index.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)


def _opened() -> sqlite3.Connection:
    """The index; a file that is not ours alone to write, such as a link that somebody planted, is not used."""
    path = cache_folder() / _NAME
    with contextlib.suppress(FileNotFoundError):
        facts = os.lstat(path)
        if not stat.S_ISREG(facts.st_mode) or (hasattr(os, "getuid") and facts.st_uid != os.getuid()):
            raise sqlite3.OperationalError(f"{path} is no plain file of this user")
    index = sqlite3.connect(path, timeout=_BUSY_S)
    try:
        index.execute("CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, state TEXT, sha256 TEXT)")
    except sqlite3.Error:
        index.close()
        raise
    return index


@contextlib.contextmanager
def _sound() -> Iterator[None]:
    """Go on without an index that cannot be used, and take a damaged one away."""
    try:
        yield
    except (sqlite3.OperationalError, OSError):
        pass  # locked for long, read-only, no such folder: the files are hashed, which is right and only slower
    except sqlite3.Error:
        for name in (_NAME, f"{_NAME}-journal"):
            with contextlib.suppress(OSError):
                (cache_folder() / name).unlink()
