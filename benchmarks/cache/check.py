"""Whether the records of a cache are sound: each against its checksum, each file of a stream against its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.cache.opened import Opened
from benchmarks.harness import cache_records as parse
from benchmarks.harness.cache_file import parsed

_PLACES: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "pixels": ("pixels", "sha256, height, width, source_bytes", parse.pixels_of),
    "streams": ("streams", "size_bytes, squared_error", parse.stream_counts_of),
    "streams.data": ("streams", "size_bytes, data", parse.stream_bytes_of),
    "predictions": ("predictions", "prediction", parse.prediction_of),
    "scores": ("scores", "scores", parse.scores_of),
    "samples": ("samples", "names, data", parse.samples_of),
    "counts": ("counts", "shape, data", parse.counts_of),
}
"""Where checksums are kept: the table, the columns that each is over, and what reads them."""
TITLES = {
    "pixels": "images",
    "streams": "sizes and errors of streams",
    "streams.data": "coded bytes of streams",
    "streams.file": "coded bytes in files",
    "predictions": "predictions",
    "times": "times",
    "scores": "scores",
    "samples": "resampled values",
    "counts": "counts",
}


class Checked(NamedTuple):
    """The records of one kind. title: what they are. damaged: keys of those that are damaged or missing."""

    title: str
    records: int
    damaged: tuple[str, ...]


def check(cache: Opened) -> Iterator[Checked]:
    """Read every record of an open cache, a kind after the other; nothing is changed.

    Raises:
        ResultsError: the database itself is damaged.
    """
    for place, (table, columns, parser) in _PLACES.items():
        key = "t.dataset || ' ' || t.image_id" if table == "pixels" else "t.key"
        yield _checked(cache, place, parser, _joined(place, table, key, columns))
    yield _checked(
        cache,
        "streams.file",
        cache.streams.read,
        _joined("streams.file", "streams", "t.key", "size_bytes, file") + " WHERE file IS NOT NULL",
    )
    times = "SELECT key, checksum, key, kind, conditions, seconds FROM times"
    yield _checked(cache, "times", parse.seconds_of, times)


def _joined(place: str, table: str, key: str, columns: str) -> str:
    """The query of a table's keys, checksums and columns."""
    sums = f"checksums c ON c.place = '{place}' AND c.key = {key}"
    return f"SELECT {key}, c.checksum, {columns} FROM {table} t LEFT JOIN {sums}"


def _checked(cache: Opened, place: str, parser: Callable[..., Any], sql: str) -> Checked:
    count, damaged = 0, []
    for key, kept, *values in cache.file.rows(sql):
        count += 1
        if parsed(kept, values, parser) is None:
            damaged.append(key)
    return Checked(TITLES[place], count, tuple(damaged))
