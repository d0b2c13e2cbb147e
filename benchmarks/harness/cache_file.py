"""The SQLite file below the store: opened with care, read record by record against checksums, written whole or not at
all.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from benchmarks.harness.cache_lock import SharedLock
from benchmarks.harness.checksums import checksum
from hsc.errors import DataError, ResultsError

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pixels (
    dataset TEXT, image_id TEXT, sha256 TEXT, height INT, width INT, source_bytes INT, PRIMARY KEY (dataset, image_id));
CREATE TABLE IF NOT EXISTS streams (
    key TEXT PRIMARY KEY, size_bytes INT, encode_s REAL, decode_s REAL, squared_error INT, data BLOB);
CREATE TABLE IF NOT EXISTS predictions (key TEXT PRIMARY KEY, head_s REAL, prediction BLOB);
CREATE TABLE IF NOT EXISTS scores (key TEXT PRIMARY KEY, scores TEXT);
CREATE TABLE IF NOT EXISTS samples (key TEXT PRIMARY KEY, names TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS counts (key TEXT PRIMARY KEY, shape TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS times (
    key TEXT, kind TEXT, conditions TEXT, seconds REAL, checksum TEXT, PRIMARY KEY (key, kind, conditions)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conditions (id TEXT PRIMARY KEY, text TEXT);
CREATE TABLE IF NOT EXISTS checksums (place TEXT, key TEXT, checksum TEXT, PRIMARY KEY (place, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS origins (
    id INTEGER PRIMARY KEY, dataset TEXT, codec TEXT, point TEXT, used REAL, UNIQUE (dataset, codec, point));
"""
_ADDED = (("streams", "file", "TEXT"), ("streams", "origin", "INT"), ("predictions", "origin", "INT"))
"""Columns that caches of older versions do not have: table, name and type. file: the sha256 of a stream that is a file
beside the database. origin: what a record was first made for, an id of ``origins``; NULL in records of older versions.
"""
_OURS = {"pixels": {"image_id", "sha256"}, "streams": {"key", "squared_error"}, "predictions": {"key", "prediction"}}
"""Tables, and some of their columns, that every cache has, however old."""
OLDER = 0
"""The id in ``origins`` that stands for the records of older versions, whose own column is NULL."""
_KEYS_A_QUERY = 500
_log = logging.getLogger(__name__)


class Statement(NamedTuple):
    """One SQL statement, and the rows of values that it is run with."""

    sql: str
    rows: Iterable[tuple[Any, ...]]


class CacheFile:
    """An open cache.

    locked: whether the caller holds its lock already (``cache_lock.alone``); else it is held together with others.

    Raises:
        ResultsError: the file cannot be opened, is damaged, or is another program's.
    """

    def __init__(self, path: Path, *, locked: bool = False) -> None:
        self.path = path
        self._damaged_tables: set[str] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock: AbstractContextManager[object] = nullcontext() if locked else SharedLock(path)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self.db = sqlite3.connect(path, timeout=60, isolation_level=None)
        except sqlite3.Error as error:
            self._lock.__exit__(None, None, None)
            raise self._unusable(error) from error
        try:
            # damaged text fails its checksum and not the query
            self.db.text_factory = lambda raw: raw.decode("utf-8", "replace")
            self._require_ours()
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.executescript(_SCHEMA)
            self._add_columns()
        except sqlite3.Error as error:
            self.close()
            raise self._unusable(error) from error
        except ResultsError:
            self.close()
            raise

    def _unusable(self, error: Exception) -> ResultsError:
        return ResultsError(
            f"the cache {self.path} cannot be used: {error}; move it away to start anew, or name another with --cache"
        )

    def _require_ours(self) -> None:
        """Refuse to write into another program's database."""
        tables = {name for (name,) in self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = {
            name: {facts[1] for facts in self.db.execute(f"PRAGMA table_info({name})")}
            for name in _OURS
            if name in tables
        }
        if tables and (not columns or any(not _OURS[name] <= present for name, present in columns.items())):
            raise ResultsError(
                f"the cache {self.path} is another program's database (its tables: {', '.join(sorted(tables)[:5])}); "
                f"name another with --cache"
            )

    def _add_columns(self) -> None:
        """Give a cache of an older version its new columns. Its records count as used today, for their age is not
        known.
        """
        if not self._columns_missing():
            return
        self.db.execute("BEGIN IMMEDIATE")
        for table, name, kind in self._columns_missing():  # another process may have added them meanwhile
            self.db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
        (older,) = self.db.execute(
            "SELECT EXISTS (SELECT 1 FROM streams) OR EXISTS (SELECT 1 FROM predictions)"
        ).fetchone()
        if older:
            self.db.execute("INSERT OR IGNORE INTO origins VALUES (?, '', '', '', ?)", (OLDER, time.time()))
        self.db.execute("COMMIT")

    def _columns_missing(self) -> list[tuple[str, str, str]]:
        present = {
            (table, facts[1]) for table, _, _ in _ADDED for facts in self.db.execute(f"PRAGMA table_info({table})")
        }
        return [column for column in _ADDED if column[:2] not in present]

    def close(self) -> None:
        """Close the file; nothing is read or written after this."""
        self.db.close()
        self._lock.__exit__(None, None, None)

    def select(self, sql: str, keys: Iterable[str], *before: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query whose last condition is ``IN (?*)`` over ``keys``, asked for in portions SQLite accepts.

        before: values of the conditions that stand before it.

        Raises:
            ResultsError: the file is damaged.
        """
        wanted = list(keys)
        for start in range(0, len(wanted), _KEYS_A_QUERY):
            part = wanted[start : start + _KEYS_A_QUERY]
            yield from self.rows(sql.replace("(?*)", f"({','.join('?' * len(part))})"), *before, *part)

    def rows(self, sql: str, *values: str | float) -> Iterator[tuple[Any, ...]]:
        """The rows of a query.

        Raises:
            ResultsError: the file is damaged.
        """
        try:
            with closing(self.db.execute(sql, values)) as rows:
                yield from rows
        except sqlite3.Error as error:
            raise ResultsError(f"the cache {self.path} is damaged: {error}; move it away to start anew") from error

    def records(
        self, table: str, columns: str, keys: Iterable[str], parse: Callable[..., T], place: str = ""
    ) -> Iterator[tuple[str, T]]:
        """(key, parsed columns) of the sound records of ``keys``.

        parse: makes the value of the columns, and raises where they cannot be one's (``cache_records``). place: the
        name that checksums are kept under, the table's by default. A record without a checksum is of an older cache
        and has to satisfy ``parse`` alone.
        """
        sql = (
            f"SELECT t.key, c.checksum, {columns} FROM {table} t LEFT JOIN checksums c ON c.place = ? AND c.key = "
            f"t.key WHERE t.key IN (?*)"
        )
        for key, kept, *values in self.select(sql, keys, place or table):
            record = self.sound(table, key, kept, values, parse)
            if record is not None:
                yield key, record

    def sound(self, table: str, key: str, kept: str | None, values: Sequence[Any], parse: Callable[..., T]) -> T | None:
        """The value that ``parse`` makes of a record; None where it is damaged, which is logged once a table.

        kept: the checksum of the record, None where it has none.
        """
        record = parsed(kept, values, parse)
        if record is not None:
            return record
        if table not in self._damaged_tables:
            self._damaged_tables.add(table)
            _log.warning(
                "the cache %s holds damaged records (the first: %s %s); they count as unknown and are measured anew",
                self.path,
                table,
                key[:12],
            )
        return None

    def write(self, *statements: Statement) -> None:
        """Run all statements or none.

        Raises:
            ResultsError: the file cannot be written.
        """
        try:
            self.db.execute("BEGIN IMMEDIATE")
            for statement in statements:
                self.db.executemany(statement.sql, statement.rows)
            self.db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # after some errors SQLite has rolled back by itself
                self.db.execute("ROLLBACK")
            raise ResultsError(
                f"the cache {self.path} cannot be written: {error}; see to the room and the permissions there, or "
                f"name another with --cache"
            ) from error


def parsed(kept: str | None, values: Sequence[Any], parse: Callable[..., T]) -> T | None:
    """The value that ``parse`` makes of a record, None where it is damaged. kept: its checksum, None for none."""
    try:
        return parse(*values) if kept is None or kept == checksum(values) else None
    except (ValueError, TypeError, DataError, OverflowError, RecursionError):
        return None


def keep_checksums(rows: Iterable[tuple[str, str, str]]) -> Statement:
    """The statement that keeps checksums, rows of (place, key, checksum)."""
    return Statement("INSERT OR REPLACE INTO checksums VALUES (?, ?, ?)", rows)
