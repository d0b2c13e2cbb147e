"""What was measured, kept by key in one SQLite file, so that nothing is coded twice and a killed run loses nothing.

    key --> record --checksum agrees--> known
                   --else-------------> unknown: said once, and measured anew

A record is written whole or not at all (a transaction each), by the parent process alone; whether a cell is finished is
derived from its records, never stored. Failures are not kept: they are tried again. Times stand apart from what they
were taken of, each with the conditions it was taken under (``benchmarks.harness.conditions``); those of caches that are
older than this have none and are not read.
"""

from __future__ import annotations

import json
import logging
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import PredictionRecord, StreamRecord
from benchmarks.harness.checksums import checksum
from benchmarks.harness.conditions import Conditions
from downstream.api import Prediction, from_bytes, to_bytes
from hsc.errors import DataError, ResultsError

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pixels (
    dataset TEXT, image_id TEXT, sha256 TEXT, height INT, width INT, source_bytes INT, PRIMARY KEY (dataset, image_id));
CREATE TABLE IF NOT EXISTS streams (key TEXT PRIMARY KEY, size_bytes INT, encode_s REAL, decode_s REAL, squared_error INT, data BLOB);
CREATE TABLE IF NOT EXISTS predictions (key TEXT PRIMARY KEY, head_s REAL, prediction BLOB);
CREATE TABLE IF NOT EXISTS scores (key TEXT PRIMARY KEY, scores TEXT);
CREATE TABLE IF NOT EXISTS samples (key TEXT PRIMARY KEY, names TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS counts (key TEXT PRIMARY KEY, shape TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS times (
    key TEXT, kind TEXT, conditions TEXT, seconds REAL, checksum TEXT, PRIMARY KEY (key, kind, conditions)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conditions (id TEXT PRIMARY KEY, text TEXT);
CREATE TABLE IF NOT EXISTS checksums (place TEXT, key TEXT, checksum TEXT, PRIMARY KEY (place, key)) WITHOUT ROWID;
"""
_OURS = {"pixels": {"image_id", "sha256"}, "streams": {"key", "squared_error"}, "predictions": {"key", "prediction"}}
"""Tables, and some of their columns, that every cache has, however old."""
_AT_ONCE = 500
_LARGEST = 1 << 62
_log = logging.getLogger(__name__)

Statement = tuple[str, Iterable[tuple[Any, ...]]]


@dataclass(frozen=True)
class Pixels:
    """An image as the store knows it: sha256 of its pixels, size, and the bytes of the file it came from (None: no
    file).
    """

    sha256: str
    image_hw: tuple[int, int]
    source_bytes: int | None


class Store:
    """The cache of a results folder.

    Raises:
        ResultsError: the file cannot be opened, is damaged, or is another program's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._told: set[str] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error
        try:
            self._db.text_factory = lambda raw: raw.decode(
                "utf-8", "replace"
            )  # damaged text fails its checksum and not the query
            self._require_ours()
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise self._unusable(error) from error
        except ResultsError:
            self._db.close()
            raise

    def _unusable(self, error: Exception) -> ResultsError:
        return ResultsError(
            f"the cache {self.path} cannot be used: {error}; move it away to start anew, or name another with --cache"
        )

    def _require_ours(self) -> None:
        """Refuse to write into another program's database."""
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = {
            name: {about[1] for about in self._db.execute(f"PRAGMA table_info({name})")}
            for name in _OURS
            if name in tables
        }
        if tables and (not columns or any(not _OURS[name] <= found for name, found in columns.items())):
            raise ResultsError(
                f"the cache {self.path} is another program's database (its tables: {', '.join(sorted(tables)[:5])}); "
                f"name another with --cache"
            )

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def _select(self, sql: str, keys: Iterable[str], *before: str) -> Iterator[tuple[Any, ...]]:
        """Rows whose last condition is one of ``keys``, asked for in portions SQLite accepts."""
        wanted = list(keys)
        try:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                with closing(
                    self._db.execute(sql.replace("(?*)", f"({','.join('?' * len(part))})"), (*before, *part))
                ) as rows:
                    yield from rows
        except sqlite3.Error as error:
            raise ResultsError(f"the cache {self.path} is damaged: {error}; move it away to start anew") from error

    def _records(
        self, table: str, columns: str, keys: Iterable[str], made: Callable[..., T], place: str = ""
    ) -> Iterator[tuple[str, T]]:
        """(key, what ``made`` makes of its columns) of the sound records of ``keys``; ``made`` raises where they cannot
        be one's.

        A record without a checksum is of an older cache and has to satisfy ``made`` alone.
        """
        sql = (
            f"SELECT t.key, c.checksum, {columns} FROM {table} t LEFT JOIN checksums c ON c.place = ? AND c.key = "
            f"t.key WHERE t.key IN (?*)"
        )
        for key, kept, *values in self._select(sql, keys, place or table):
            record = self._sound(table, key, kept, values, made)
            if record is not None:
                yield key, record

    def _sound(self, table: str, key: str, kept: str | None, values: Sequence[Any], made: Callable[..., T]) -> T | None:
        """What ``made`` makes of a record's values; None where they are damaged, which is said once a table."""
        try:
            if kept is None or kept == checksum(values):
                return made(*values)
        except (ValueError, TypeError, DataError, OverflowError, RecursionError):
            pass
        if table not in self._told:
            self._told.add(table)
            _log.warning(
                "the cache %s holds damaged records (the first: %s %s); they count as unknown and are measured anew",
                self.path,
                table,
                key[:12],
            )
        return None

    def _write(self, *statements: Statement) -> None:
        """All of it or nothing."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for sql, rows in statements:
                self._db.executemany(sql, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # after some errors SQLite has rolled back by itself
                self._db.execute("ROLLBACK")
            raise ResultsError(
                f"the cache {self.path} cannot be written: {error}; see to the room and the permissions there, or "
                f"name another with --cache"
            ) from error

    def pixels(self, dataset: str, image_ids: Iterable[str]) -> dict[str, Pixels]:
        """Known images of the data set with that key, by image id."""
        sql = (
            "SELECT t.image_id, c.checksum, t.sha256, t.height, t.width, t.source_bytes FROM pixels t "
            "LEFT JOIN checksums c ON c.place = 'pixels' AND c.key = t.dataset || ' ' || t.image_id WHERE t.dataset "
            "= ? AND t.image_id IN (?*)"
        )
        rows = (
            (i, self._sound("pixels", i, kept, values, _pixels))
            for i, kept, *values in self._select(sql, image_ids, dataset)
        )
        return {i: pixels for i, pixels in rows if pixels is not None}

    def add_pixels(self, dataset: str, found: Mapping[str, Pixels]) -> None:
        rows = [(dataset, i, p.sha256, *p.image_hw, p.source_bytes) for i, p in found.items()]
        sums = [
            ("pixels", f"{dataset} {i}", checksum([p.sha256, *p.image_hw, p.source_bytes])) for i, p in found.items()
        ]
        self._write(("INSERT OR REPLACE INTO pixels VALUES (?, ?, ?, ?, ?, ?)", rows), _sums(sums))

    def streams(self, wanted: Mapping[str, tuple[str, tuple[int, int]]]) -> dict[str, StreamRecord]:
        """Known stream records by key, their times NaN. wanted: key -> (image_id, image_hw), which are the data set's
        to say.
        """
        known = self._records("streams", "size_bytes, squared_error", wanted, _two_counts)
        return {key: StreamRecord(*wanted[key], size, math.nan, math.nan, error) for key, (size, error) in known}

    def data(self, keys: Iterable[str]) -> dict[str, bytes | None]:
        """The coded bytes of known streams by key; None where they were not worth keeping."""
        known = self._records("streams", "size_bytes, data", keys, _stream_bytes, "streams.data")
        return {key: data for key, (data,) in known}

    def predictions(self, wanted: Mapping[str, str]) -> dict[str, PredictionRecord]:
        """Known prediction records by key, their times NaN. wanted: key -> image_id."""
        known = self._records("predictions", "prediction", wanted, _prediction)
        return {key: PredictionRecord(wanted[key], math.nan, prediction) for key, prediction in known}

    def known(self, table: str, keys: Iterable[str]) -> set[str]:
        """Which of ``keys`` are in ``table`` ("streams" or "predictions"). Of streams the numbers are checked, their
        bytes when they are read.
        """
        if table == "streams":
            return {key for key, _ in self._records(table, "size_bytes, squared_error", keys, _two_counts)}
        sql = (
            f"SELECT t.key, c.checksum, t.prediction FROM {table} t LEFT JOIN checksums c ON c.place = ? AND c.key = "
            f"t.key WHERE t.key IN (?*)"
        )
        rows = self._select(sql, keys, table)
        return {
            key
            for key, kept, blob in rows
            if self._sound(table, key, kept, [blob], bytes if kept else _prediction) is not None
        }

    def times(self, kind: str, keys: Iterable[str], conditions: Conditions) -> dict[str, float]:
        """Seconds by key, of those taken under these conditions. kind: "encode_s", "decode_s", "head_s" or
        ``latents_kind``'s.
        """
        sql = (
            "SELECT key, checksum, key, kind, conditions, seconds FROM times WHERE kind = ? AND conditions = ? AND "
            "key IN (?*)"
        )
        rows = self._select(sql, keys, kind, conditions.id)
        found = ((key, self._sound("times", key, kept, values, _seconds)) for key, kept, *values in rows)
        return {key: seconds for key, seconds in found if seconds is not None}

    def add(
        self,
        streams: Mapping[str, tuple[StreamRecord, bytes]],
        predictions: Mapping[str, PredictionRecord],
        times: Mapping[tuple[str, str], float],
        conditions: Conditions | None = None,
    ) -> None:
        """Keep what one job brought back. Failed records are passed over, and so are bytes no smaller than the pixels.

        times: seconds by (key, kind), kept where their conditions are given; those in the records are not.
        """
        rows = [
            (k, int(r.size_bytes), int(r.squared_error), d if len(d) < 3 * r.image_hw[0] * r.image_hw[1] else None)
            for k, (r, d) in streams.items()
            if r.status == "ok"
        ]
        blobs = [
            (k, to_bytes(r.prediction)) for k, r in predictions.items() if r.status == "ok" and r.prediction is not None
        ]
        sums = [("streams", key, checksum([size, error])) for key, size, error, _ in rows]
        sums += [("streams.data", key, checksum([size, data])) for key, size, _, data in rows]
        sums += [("predictions", key, checksum([blob])) for key, blob in blobs]
        statements: list[Statement] = []
        if rows:
            statements.append(
                ("INSERT OR REPLACE INTO streams (key, size_bytes, squared_error, data) VALUES (?, ?, ?, ?)", rows)
            )
        if blobs:
            statements.append(("INSERT OR REPLACE INTO predictions (key, prediction) VALUES (?, ?)", blobs))
        if times and conditions is not None:
            taken = [(key, kind, conditions.id, float(seconds)) for (key, kind), seconds in times.items()]
            statements.append(
                ("INSERT OR IGNORE INTO conditions VALUES (?, ?)", [(conditions.id, json.dumps(conditions.plain()))])
            )
            statements.append(
                (
                    "INSERT OR REPLACE INTO times VALUES (?, ?, ?, ?, ?)",
                    [(*values, checksum(values)) for values in taken],
                )
            )
        if statements:
            self._write(*statements, _sums(sums))

    def scores(self, key: str) -> list[list[Any]] | None:
        """Cached scores as [metric, value, part], or None."""
        return next((scores for _, scores in self._records("scores", "scores", [key], _scores)), None)

    def add_scores(self, key: str, scores: list[list[Any]]) -> None:
        self._put("scores", key, json.dumps(scores))

    def samples(self, key: str) -> dict[str, npt.NDArray[np.float64]] | None:
        """Cached values of every resample by metric, float64 (R,) each, or None."""
        return next((samples for _, samples in self._records("samples", "names, data", [key], _samples)), None)

    def add_samples(self, key: str, samples: Mapping[str, npt.NDArray[np.float64]]) -> None:
        data = np.stack(list(samples.values())).astype("<f8").tobytes()
        self._put("samples", key, json.dumps(list(samples)), data)

    def counts(self, key: str) -> npt.NDArray[np.int64] | None:
        """Cached counts behind a score, by its key, or None."""
        return next((counts for _, counts in self._records("counts", "shape, data", [key], _counts)), None)

    def add_counts(self, key: str, counts: npt.NDArray[np.int64]) -> None:
        self._put("counts", key, json.dumps(counts.shape), counts.astype("<i8").tobytes())

    def _put(self, table: str, key: str, *values: Any) -> None:
        row = (key, *values)
        self._write(
            (f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", [row]),
            _sums([(table, key, checksum(values))]),
        )


def latents_kind(names: Sequence[str]) -> str:
    """The kind of a time from bytes to the latents of these names; to others it is another time."""
    return f"latents_s({','.join(names)})"


def _sums(rows: Iterable[tuple[str, str, str]]) -> Statement:
    return "INSERT OR REPLACE INTO checksums VALUES (?, ?, ?)", rows


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError(f"{value!r} is no count")
    return value


def _two_counts(size_bytes: Any, squared_error: Any) -> tuple[int, int]:
    return _count(size_bytes), _count(squared_error)


def _stream_bytes(size_bytes: Any, data: Any) -> tuple[bytes | None]:
    if data is not None and (not isinstance(data, bytes) or len(data) != _count(size_bytes)):
        raise ValueError(f"not {size_bytes} bytes")
    return (data,)


def _pixels(sha256: Any, height: Any, width: Any, source_bytes: Any) -> Pixels:
    if not isinstance(sha256, str) or len(sha256) != 64:
        raise ValueError(f"{sha256!r} is no sha256")
    return Pixels(sha256, (_count(height), _count(width)), None if source_bytes is None else _count(source_bytes))


def _prediction(blob: Any) -> Prediction:
    return from_bytes(blob)


def _seconds(key: Any, kind: Any, conditions: Any, seconds: Any) -> float:
    if not isinstance(seconds, float) or not 0 <= seconds < math.inf:
        raise ValueError(f"{seconds!r} is no time")
    return seconds


def _scores(text: Any) -> list[list[Any]]:
    loaded = json.loads(text)
    for metric, value, part in loaded:
        if not (isinstance(metric, str) and isinstance(value, float | int) and isinstance(part, str)):
            raise TypeError(f"{metric!r}, {value!r}, {part!r} is no score")
    return list(loaded)


def _samples(names: Any, data: Any) -> dict[str, npt.NDArray[np.float64]]:
    metrics = json.loads(names)
    return dict(zip(metrics, np.frombuffer(data, "<f8").reshape(len(metrics), -1), strict=True))


def _counts(shape: Any, data: Any) -> npt.NDArray[np.int64]:
    return np.frombuffer(data, "<i8").reshape(json.loads(shape)).astype(np.int64)
