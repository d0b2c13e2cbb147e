"""A cache that is there, opened to be looked at or to be made smaller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.cache import STREAMS
from benchmarks.harness.cache_file import CacheFile
from benchmarks.harness.cache_lock import alone
from benchmarks.harness.stream_files import StreamFiles
from hsc.errors import UsageError


class Opened(NamedTuple):
    """An open cache. file: its database. streams: the files beside it."""

    file: CacheFile
    streams: StreamFiles


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """A cache, open together with the runs that use it.

    Raises:
        UsageError: there is none in the folder.
        ResultsError: it is damaged, or another program's.
    """
    file = CacheFile(database(folder))
    try:
        yield Opened(file, StreamFiles(folder / STREAMS))
    finally:
        file.close()


@contextmanager
def opened_alone(folder: Path) -> Iterator[Opened]:
    """A cache that no run has open and that none can open meanwhile.

    Raises:
        UsageError: there is none in the folder.
        ResultsError: a run uses it, it cannot be locked, it is damaged, or another program's.
    """
    path = database(folder)
    with alone(path):
        file = CacheFile(path, locked=True)
        try:
            yield Opened(file, StreamFiles(folder / STREAMS))
        finally:
            file.close()


def database(folder: Path) -> Path:
    """The database of a cache. Raises UsageError where there is none."""
    path = folder / "store.sqlite"
    if not path.is_file():
        raise UsageError(f"there is no cache in {folder}; name the folder that a run had as --cache")
    return path
