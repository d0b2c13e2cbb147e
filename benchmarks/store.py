"""What was measured, kept by key in one SQLite file, so that nothing is coded twice and a killed run loses nothing.

A record is written whole or not at all (a transaction each), by the parent process alone; whether a cell is finished is
derived from its records, never stored. Failures are not kept: they are tried again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.api import PredictionRecord, StreamRecord
from downstream.api import from_bytes, to_bytes
from hsc.errors import ResultsError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pixels (
    dataset TEXT, image_id TEXT, sha256 TEXT, height INT, width INT, source_bytes INT, PRIMARY KEY (dataset, image_id));
CREATE TABLE IF NOT EXISTS streams (key TEXT PRIMARY KEY, size_bytes INT, encode_s REAL, decode_s REAL, squared_error INT, data BLOB);
CREATE TABLE IF NOT EXISTS predictions (key TEXT PRIMARY KEY, head_s REAL, prediction BLOB);
CREATE TABLE IF NOT EXISTS latents (key TEXT PRIMARY KEY, decode_s REAL);
CREATE TABLE IF NOT EXISTS scores (key TEXT PRIMARY KEY, scores TEXT);
CREATE TABLE IF NOT EXISTS samples (key TEXT PRIMARY KEY, names TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS counts (key TEXT PRIMARY KEY, shape TEXT, data BLOB);
"""
_AT_ONCE = 500


@dataclass(frozen=True)
class Pixels:
    """An image as the store knows it: sha256 of its pixels, size, and the bytes of the file it came from (None: no file)."""

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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise ResultsError(f"the cache {path} cannot be used: {error}; move it away to start anew, or name another with --cache") from error

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.close()

    def _select(self, sql: str, keys: Iterable[str], *before: str) -> Iterable[tuple[Any, ...]]:
        """Rows whose last condition is one of ``keys``, asked for in portions SQLite accepts."""
        wanted = list(keys)
        try:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                yield from self._db.execute(sql.replace("(?*)", f"({','.join('?' * len(part))})"), (*before, *part))
        except sqlite3.DatabaseError as error:
            raise ResultsError(f"the cache {self.path} is damaged: {error}; move it away to start anew") from error

    def _write(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(sql, rows)
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise ResultsError(f"the cache {self.path} cannot be written: {error}; is the disk full?") from error

    def pixels(self, dataset: str, image_ids: Iterable[str]) -> dict[str, Pixels]:
        """Known images of the data set with that key, by image id."""
        sql = "SELECT image_id, sha256, height, width, source_bytes FROM pixels WHERE dataset = ? AND image_id IN (?*)"
        return {i: Pixels(sha, (h, w), source) for i, sha, h, w, source in self._select(sql, image_ids, dataset)}

    def add_pixels(self, dataset: str, found: Mapping[str, Pixels]) -> None:
        rows = ((dataset, i, p.sha256, *p.image_hw, p.source_bytes) for i, p in found.items())
        self._write("INSERT OR REPLACE INTO pixels VALUES (?, ?, ?, ?, ?, ?)", rows)

    def streams(self, wanted: Mapping[str, tuple[str, tuple[int, int]]]) -> dict[str, StreamRecord]:
        """Known stream records by key. wanted: key -> (image_id, image_hw), which are the data set's to say."""
        sql = "SELECT key, size_bytes, encode_s, decode_s, squared_error FROM streams WHERE key IN (?*)"
        return {key: StreamRecord(*wanted[key], *numbers) for key, *numbers in self._select(sql, wanted)}

    def data(self, keys: Iterable[str]) -> dict[str, bytes | None]:
        """The coded bytes of known streams by key; None where they were not worth keeping."""
        return dict(self._select("SELECT key, data FROM streams WHERE key IN (?*)", keys))

    def predictions(self, wanted: Mapping[str, str]) -> dict[str, PredictionRecord]:
        """Known prediction records by key. wanted: key -> image_id."""
        sql = "SELECT key, head_s, prediction FROM predictions WHERE key IN (?*)"
        return {key: PredictionRecord(wanted[key], head_s, from_bytes(blob)) for key, head_s, blob in self._select(sql, wanted)}

    def head_s(self, keys: Iterable[str]) -> list[float]:
        """The heads' times of known predictions, without reading what they predicted."""
        return [head_s for _, head_s in self._select("SELECT key, head_s FROM predictions WHERE key IN (?*)", keys)]

    def latents(self, streams: Iterable[str]) -> dict[str, float]:
        """Seconds from bytes to latents, by stream key, where a head has read them."""
        return dict(self._select("SELECT key, decode_s FROM latents WHERE key IN (?*)", streams))

    def known(self, table: str, keys: Iterable[str]) -> set[str]:
        """Which of ``keys`` are in ``table`` ("streams" or "predictions")."""
        return {key for (key,) in self._select(f"SELECT key FROM {table} WHERE key IN (?*)", keys)}

    def add(
        self, streams: Mapping[str, tuple[StreamRecord, bytes]], predictions: Mapping[str, PredictionRecord], latents: Mapping[str, float]
    ) -> None:
        """Keep what one job brought back. Failed records are passed over, and so are bytes no smaller than the pixels.

        latents: stream key -> seconds from bytes to latents.
        """
        rows = [
            (k, r.size_bytes, r.encode_s, r.decode_s, r.squared_error, d if len(d) < 3 * r.image_hw[0] * r.image_hw[1] else None)
            for k, (r, d) in streams.items()
            if r.status == "ok"
        ]
        if rows:
            self._write("INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?, ?)", rows)
        if latents:
            self._write("INSERT OR REPLACE INTO latents VALUES (?, ?)", latents.items())
        blobs = [(k, r.head_s, to_bytes(r.prediction)) for k, r in predictions.items() if r.status == "ok" and r.prediction is not None]
        if blobs:
            self._write("INSERT OR REPLACE INTO predictions VALUES (?, ?, ?)", blobs)

    def scores(self, key: str) -> list[list[Any]] | None:
        """Cached scores as [metric, value, part], or None."""
        for _, text in self._select("SELECT key, scores FROM scores WHERE key IN (?*)", [key]):
            loaded: list[list[Any]] = json.loads(text)
            return loaded
        return None

    def add_scores(self, key: str, scores: list[list[Any]]) -> None:
        self._write("INSERT OR REPLACE INTO scores VALUES (?, ?)", [(key, json.dumps(scores))])

    def samples(self, key: str) -> dict[str, npt.NDArray[np.float64]] | None:
        """Cached values of every resample by metric, float64 (R,) each, or None."""
        for _, names, data in self._select("SELECT key, names, data FROM samples WHERE key IN (?*)", [key]):
            metrics = json.loads(names)
            return dict(zip(metrics, np.frombuffer(data, "<f8").reshape(len(metrics), -1), strict=True))
        return None

    def add_samples(self, key: str, samples: Mapping[str, npt.NDArray[np.float64]]) -> None:
        data = np.stack(list(samples.values())).astype("<f8").tobytes()
        self._write("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", [(key, json.dumps(list(samples)), data)])

    def counts(self, key: str) -> npt.NDArray[np.int64] | None:
        """Cached counts behind a score, by its key, or None."""
        for _, shape, data in self._select("SELECT key, shape, data FROM counts WHERE key IN (?*)", [key]):
            return np.frombuffer(data, "<i8").reshape(json.loads(shape)).astype(np.int64)
        return None

    def add_counts(self, key: str, counts: npt.NDArray[np.int64]) -> None:
        self._write("INSERT OR REPLACE INTO counts VALUES (?, ?, ?)", [(key, json.dumps(counts.shape), counts.astype("<i8").tobytes())])
