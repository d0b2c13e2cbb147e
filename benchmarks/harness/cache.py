"""The store: results kept by key in an SQLite file, large streams in files beside it, so that a killed run loses
nothing.

    key --> record --checksum agrees--> known
                   --else-------------> unknown: logged once, and measured anew

A record is written whole or not at all (a transaction each), by the parent process alone; whether a cell is finished is
derived from its records, never stored. Failures are not kept: they are tried again. Times stand apart from the results
they were taken of, each with the conditions it was taken under (``benchmarks.harness.conditions``); those of older
caches have none and are not read.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import PredictionRecord, StreamRecord
from benchmarks.harness import cache_records as parse
from benchmarks.harness.cache_file import OLDER, CacheFile, Statement, keep_checksums
from benchmarks.harness.checksums import checksum
from benchmarks.harness.conditions import Conditions
from benchmarks.harness.indexed_image import IndexedImage, Pixels
from benchmarks.harness.stream_files import LEAST_BYTES, StreamFiles

STREAMS = "streams"
"""The folder beside the database that holds large streams."""


class Origin(NamedTuple):
    """What results were first made for: specs of the data set and the codec, and the operating point, as text."""

    dataset: str
    codec: str
    point: str


class Store:
    """The cache of a results folder.

    Raises:
        ResultsError: the file cannot be opened, is damaged, or is another program's; so may every method below.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = CacheFile(path)
        self._db = self._file.db
        self._stream_files = StreamFiles(path.parent / STREAMS)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def pixels(self, dataset: str, image_ids: Iterable[str]) -> dict[str, Pixels]:
        """Known images of the data set with that key, by image id."""
        sql = (
            "SELECT t.image_id, c.checksum, t.sha256, t.height, t.width, t.source_bytes FROM pixels t "
            "LEFT JOIN checksums c ON c.place = 'pixels' AND c.key = t.dataset || ' ' || t.image_id WHERE t.dataset "
            "= ? AND t.image_id IN (?*)"
        )
        rows = (
            (image_id, self._file.sound("pixels", image_id, kept, values, parse.pixels_of))
            for image_id, kept, *values in self._file.select(sql, image_ids, dataset)
        )
        return {image_id: pixels for image_id, pixels in rows if pixels is not None}

    def add_pixels(self, dataset: str, images: Mapping[str, Pixels]) -> None:
        """Keep images of the data set with that key, by image id."""
        rows = [(dataset, i, p.sha256, *p.image_hw, p.source_bytes) for i, p in images.items()]
        sums = [
            ("pixels", f"{dataset} {i}", checksum([p.sha256, *p.image_hw, p.source_bytes])) for i, p in images.items()
        ]
        statement = Statement("INSERT OR REPLACE INTO pixels VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._file.write(statement, keep_checksums(sums))

    def streams(self, images: Mapping[str, IndexedImage]) -> dict[str, StreamRecord]:
        """Known stream records by key, their times NaN. images: by the key of their stream."""
        known = self._file.records("streams", "size_bytes, squared_error", images, parse.stream_counts_of)
        return {
            key: StreamRecord(images[key].image_id, images[key].pixels.image_hw, size, math.nan, math.nan, error)
            for key, (size, error) in known
        }

    def data(self, keys: Iterable[str]) -> dict[str, bytes | None]:
        """The coded bytes of known streams by key; None where they were not worth keeping.

        Streams whose file is missing or damaged are left out, as those of damaged records are.
        """
        known = self._file.records("streams", "size_bytes, data", keys, parse.stream_bytes_of, "streams.data")
        streams = {key: data for key, (data,) in known}
        named = self._file_names([key for key, data in streams.items() if data is None])
        read = self._file.records("streams", "size_bytes, file", named, self._stream_files.read, "streams.file")
        return {key: data for key, data in streams.items() if key not in named} | dict(read)

    def _file_names(self, keys: Iterable[str]) -> set[str]:
        """The keys among these whose streams are files."""
        return {
            key for (key,) in self._file.select("SELECT key FROM streams WHERE file IS NOT NULL AND key IN (?*)", keys)
        }

    def predictions(self, image_ids: Mapping[str, str]) -> dict[str, PredictionRecord]:
        """Known prediction records by key, their times NaN. image_ids: by the key of the prediction."""
        known = self._file.records("predictions", "prediction", image_ids, parse.prediction_of)
        return {key: PredictionRecord(image_ids[key], math.nan, prediction) for key, prediction in known}

    def packed(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Known predictions by key, as ``downstream.api.to_bytes`` packs them."""
        return dict(self._packed_rows(keys))

    def _packed_rows(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        sql = (
            "SELECT t.key, c.checksum, t.prediction FROM predictions t LEFT JOIN checksums c ON c.place = "
            "'predictions' AND c.key = t.key WHERE t.key IN (?*)"
        )
        for key, kept, blob in self._file.select(sql, keys):
            if self._file.sound("predictions", key, kept, [blob], bytes if kept else parse.prediction_of) is not None:
                yield key, blob

    def known(self, table: str, keys: Iterable[str]) -> set[str]:
        """The ``keys`` that are in ``table`` ("streams" or "predictions").

        Of streams the numbers are checked; their bytes are checked when they are read.
        """
        if table == "streams":
            records = self._file.records(table, "size_bytes, squared_error", keys, parse.stream_counts_of)
            return {key for key, _ in records}
        return {key for key, _ in self._packed_rows(keys)}

    def times(self, kind: str, keys: Iterable[str], conditions: Conditions) -> dict[str, float]:
        """Seconds by key, of those taken under these conditions.

        kind: "encode_s", "decode_s", "head_s" or one of ``latents_kind``.
        """
        sql = (
            "SELECT key, checksum, key, kind, conditions, seconds FROM times WHERE kind = ? AND conditions = ? AND "
            "key IN (?*)"
        )
        rows = self._file.select(sql, keys, kind, conditions.id)
        times = ((key, self._file.sound("times", key, kept, values, parse.seconds_of)) for key, kept, *values in rows)
        return {key: seconds for key, seconds in times if seconds is not None}

    def conditions_alike(self, wanted: Conditions) -> list[Conditions]:
        """The conditions whose times a run may show: its own; of a run on many machines those of any machine, as long
        as repeats, threads and device are the same.
        """
        if not wanted.anywhere:
            return [wanted]
        rows = self._db.execute("SELECT text FROM conditions ORDER BY id").fetchall()
        kept = [known for (text,) in rows if (known := parse.conditions_of(text)) is not None]
        same = (wanted.repeats, wanted.threads, wanted.device)
        return [one for one in kept if (one.repeats, one.threads, one.device) == same and not one.anywhere]

    def add(
        self,
        streams: Mapping[str, tuple[StreamRecord, bytes]],
        predictions: Mapping[str, bytes],
        times: Mapping[tuple[str, str], float],
        conditions: Conditions | None = None,
        origin: int | None = None,
    ) -> None:
        """Keep what one job brought back. Failed records are passed over, and so are bytes no smaller than the pixels.

        streams: record and coded bytes by key. predictions: as ``downstream.api.to_bytes`` packs them, by key. times:
        seconds by (key, kind), kept where their conditions are given; those in the records are not. origin: what the
        records are made for, as ``mark_used`` numbers it.
        """
        rows = [
            (k, int(r.size_bytes), int(r.squared_error), *self._placed(r, d), origin)
            for k, (r, d) in streams.items()
            if r.status == "ok"
        ]
        sums = [("streams", key, checksum([size, error])) for key, size, error, *_ in rows]
        sums += [("streams.data", key, checksum([size, data])) for key, size, _, data, *_ in rows]
        sums += [("streams.file", key, checksum([size, file])) for key, size, _, _, file, _ in rows if file]
        sums += [("predictions", key, checksum([blob])) for key, blob in predictions.items()]
        statements: list[Statement] = []
        if rows:
            columns = "(key, size_bytes, squared_error, data, file, origin)"
            statements.append(Statement(f"INSERT OR REPLACE INTO streams {columns} VALUES (?, ?, ?, ?, ?, ?)", rows))
        if predictions:
            sql = "INSERT OR REPLACE INTO predictions (key, prediction, origin) VALUES (?, ?, ?)"
            statements.append(Statement(sql, [(key, blob, origin) for key, blob in predictions.items()]))
        if times and conditions is not None:
            statements += _keep_times(times, conditions)
        if statements:
            self._file.write(*statements, keep_checksums(sums))

    def _placed(self, record: StreamRecord, data: bytes) -> tuple[bytes | None, str | None]:
        """The bytes of a stream that go into the database, and the sha256 of those that go into a file."""
        height, width = record.image_hw
        if len(data) >= 3 * height * width:
            return None, None
        return (data, None) if len(data) < LEAST_BYTES else (None, self._stream_files.keep(data))

    def mark_used(self, origin: Origin, keys: Mapping[str, Iterable[str]]) -> int:
        """Note that a run uses the results of this origin now; returns its number.

        keys: of the run's streams and predictions, by the names of their tables, to be told whose they are where they
        are records of older versions.
        """
        upsert = (
            "INSERT INTO origins (dataset, codec, point, used) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (dataset, codec, point) DO UPDATE SET used = excluded.used"
        )
        self._file.write(Statement(upsert, [(*origin, time.time())]))
        numbers = "SELECT id FROM origins WHERE dataset = ? AND codec = ? AND point = ?"
        ((number,),) = self._file.rows(numbers, *origin)
        if any(self._file.rows("SELECT id FROM origins WHERE id = ?", OLDER)):
            for table, known in keys.items():
                adopt = f"UPDATE {table} SET origin = ? WHERE key = ? AND origin IS NULL"
                self._file.write(Statement(adopt, ((number, key) for key in known)))
        return int(number)

    def scores(self, key: str) -> list[list[Any]] | None:
        """Cached scores as [metric, value, part], or None."""
        return next((scores for _, scores in self._file.records("scores", "scores", [key], parse.scores_of)), None)

    def add_scores(self, key: str, scores: list[list[Any]]) -> None:
        """Keep scores as [metric, value, part]."""
        self._put("scores", key, json.dumps(scores))

    def samples(self, key: str) -> dict[str, npt.NDArray[np.float64]] | None:
        """Cached values of every resample by metric, float64 (R,) each, or None."""
        records = self._file.records("samples", "names, data", [key], parse.samples_of)
        return next((samples for _, samples in records), None)

    def add_samples(self, key: str, samples: Mapping[str, npt.NDArray[np.float64]]) -> None:
        """Keep the values of every resample by metric, float64 (R,) each."""
        data = np.stack(list(samples.values())).astype("<f8").tobytes()
        self._put("samples", key, json.dumps(list(samples)), data)

    def counts(self, key: str) -> npt.NDArray[np.int64] | None:
        """Cached counts behind a score, by its key, or None."""
        return next((counts for _, counts in self._file.records("counts", "shape, data", [key], parse.counts_of)), None)

    def add_counts(self, key: str, counts: npt.NDArray[np.int64]) -> None:
        """Keep the counts behind a score, by its key."""
        self._put("counts", key, json.dumps(counts.shape), counts.astype("<i8").tobytes())

    def _put(self, table: str, key: str, *values: Any) -> None:
        row = (key, *values)
        statement = Statement(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", [row])
        self._file.write(statement, keep_checksums([(table, key, checksum(values))]))


def latents_kind(names: Sequence[str]) -> str:
    """The kind of the time from bytes to the latents of these names; it depends on the names."""
    return f"latents_s({','.join(names)})"


def _keep_times(times: Mapping[tuple[str, str], float], conditions: Conditions) -> list[Statement]:
    rows = [(key, kind, conditions.id, float(seconds)) for (key, kind), seconds in times.items()]
    known = [(conditions.id, json.dumps(conditions.plain()))]
    sums = [(*values, checksum(values)) for values in rows]
    return [
        Statement("INSERT OR IGNORE INTO conditions VALUES (?, ?)", known),
        Statement("INSERT OR REPLACE INTO times VALUES (?, ?, ?, ?, ?)", sums),
    ]
