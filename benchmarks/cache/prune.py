"""Removes streams and predictions from a cache, and the files and the room in the database that they took.

    records that a rule keeps --> stay
                    all other --> removed with their times, in one transaction; then files that no record names

Scores and resampled values stay: they are small, they need no stream to hold, and a run finds them again by their key.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.cache.contents import Amount, database_files
from benchmarks.cache.opened import Opened, database, opened, opened_alone
from benchmarks.cache.run_keys import keys_of_run, run_folders
from benchmarks.harness.cache import STREAMS
from benchmarks.harness.cache_file import Statement
from benchmarks.harness.cache_lock import alone
from benchmarks.harness.stream_files import KeptFile
from hsc.errors import ResultsError, UsageError

_DAY_S = 86_400
_TABLES = {"streams": "COALESCE(size_bytes, 0)", "predictions": "COALESCE(LENGTH(prediction), 0)"}
"""The tables that records are removed from, and the bytes of a record."""


class Removal(NamedTuple):
    """What a rule takes away.

    files: of streams that no record names then, and parts of them that a killed run left behind.
    """

    streams: Amount
    predictions: Amount
    files: Amount


def prune_older(folder: Path, days: float, *, dry: bool = False) -> Removal:
    """Remove the records of operating points that no run has used for so many days. dry: only say what would go.

    Raises:
        UsageError: there is no cache, or the days are negative.
        ResultsError: a run uses the cache, or it is damaged.
    """
    if not days >= 0:
        raise UsageError(f"{days:g} days came, expected 0 or more")
    with _open(folder, dry=dry) as cache:
        _select(cache, "origin_or_older IN (SELECT id FROM origins WHERE used < ?)", time.time() - days * _DAY_S)
        return _remove(cache, dry=dry)


def prune_others(folder: Path, runs: Sequence[Path], *, dry: bool = False) -> Removal:
    """Remove the records that none of these runs was made from. runs: their folders, or folders of such folders.

    Raises:
        UsageError: there is no cache, or no run.
        ResultsError: a run uses the cache, it is damaged, or a run does not say which records are its own.
    """
    folders = run_folders(runs)
    with _open(folder, dry=dry) as cache:
        _execute(cache, "CREATE TEMP TABLE kept (key TEXT PRIMARY KEY) WITHOUT ROWID")
        for run in folders:
            _execute(cache, "INSERT OR IGNORE INTO temp.kept VALUES (?)", ((key,) for key in keys_of_run(run)))
        _select(cache, "key NOT IN (SELECT key FROM temp.kept)")
        return _remove(cache, dry=dry)


def prune_all(folder: Path, *, dry: bool = False) -> Removal:
    """Remove a whole cache, scores and all; its folder stays.

    Raises:
        UsageError: there is no cache.
        ResultsError: a run uses it.
    """
    path = database(folder)
    with opened(folder) as cache:
        _select(cache, "1")
        removal = _remove(cache, dry=True)
    if not dry:
        with alone(path):
            for file in database_files(path):
                file.unlink()
            shutil.rmtree(folder / STREAMS, ignore_errors=True)
    return removal


@contextmanager
def _open(folder: Path, *, dry: bool) -> Iterator[Opened]:
    with opened(folder) if dry else opened_alone(folder) as cache:
        yield cache


def _select(cache: Opened, condition: str, *values: float) -> None:
    """Note the keys of the records that go. condition: of the SQL that finds them."""
    _execute(cache, "CREATE TEMP TABLE gone (place TEXT, key TEXT, size INT, PRIMARY KEY (place, key)) WITHOUT ROWID")
    for table, size in _TABLES.items():
        records = f"SELECT key, {size} AS size, COALESCE(origin, 0) AS origin_or_older FROM {table}"
        sql = f"INSERT INTO temp.gone SELECT '{table}', key, size FROM ({records}) WHERE {condition}"
        _execute(cache, sql, [values])


def _remove(cache: Opened, *, dry: bool) -> Removal:
    """Remove the noted records and what belongs to them alone."""
    held = "SELECT DISTINCT file FROM streams WHERE file IS NOT NULL AND key NOT IN (SELECT key FROM temp.gone)"
    _execute(cache, "CREATE TEMP TABLE held (file TEXT PRIMARY KEY) WITHOUT ROWID")
    _execute(cache, f"INSERT INTO temp.held {held}")
    sizes = "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM temp.gone WHERE place = ?"
    streams, predictions = (Amount(*next(cache.file.rows(sizes, table))) for table in _TABLES)
    files = [file for file in cache.streams.files() if not _is_held(cache, file)]
    if not dry:
        if streams.records or predictions.records:
            _delete(cache)
        for file in files:
            with suppress(FileNotFoundError):
                file.path.unlink()
        for place in cache.streams.folder.glob("*"):
            with suppress(OSError):  # not empty
                place.rmdir()
        _shrink(cache)
    return Removal(streams, predictions, Amount(len(files), sum(file.size_bytes for file in files)))


def _is_held(cache: Opened, file: KeptFile) -> bool:
    return any(cache.file.rows("SELECT 1 FROM temp.held WHERE file = ?", file.sha256))


def _delete(cache: Opened) -> None:
    gone = "(SELECT key FROM temp.gone WHERE place = ?)"
    places = {"streams": ("streams", "streams.data", "streams.file"), "predictions": ("predictions",)}
    statements = [
        *((f"DELETE FROM {table} WHERE key IN {gone}", (table,)) for table in _TABLES),
        ("DELETE FROM times WHERE key IN (SELECT key FROM temp.gone)", ()),
        *(
            (f"DELETE FROM checksums WHERE place = ? AND key IN {gone}", (place, table))
            for table, names in places.items()
            for place in names
        ),
        (
            "DELETE FROM origins WHERE id NOT IN (SELECT COALESCE(origin, 0) FROM streams UNION "
            "SELECT COALESCE(origin, 0) FROM predictions)",
            (),
        ),
    ]
    cache.file.write(*(Statement(sql, [values]) for sql, values in statements))


def _shrink(cache: Opened) -> None:
    """Give the room of removed records back to the disk."""
    for sql in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        _execute(cache, sql)


def _execute(cache: Opened, sql: str, rows: Iterable[Sequence[object]] | None = None) -> None:
    try:
        if rows is None:
            cache.file.db.execute(sql)
        else:
            cache.file.db.executemany(sql, rows)
    except sqlite3.Error as error:
        raise ResultsError(f"the cache {cache.file.path} cannot be made smaller: {error}") from error
