"""How much a cache holds, and of what: by codec and data set, as far as its records say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.cache.opened import Opened
from benchmarks.harness.cache_file import OLDER

SMALL = ("pixels", "times", "scores", "samples", "counts")
"""Tables of small records, of which nothing but their number is told."""


class Amount(NamedTuple):
    """A number of records or files, and the bytes in them."""

    records: int = 0
    size_bytes: int = 0

    def plus(self, other: Amount) -> Amount:
        """Both together."""
        return Amount(self.records + other.records, self.size_bytes + other.size_bytes)


class Usage(NamedTuple):
    """One codec on one data set, both as specs; empty for records of older versions, of which this is not known.

    points: operating points. streams: with the bytes that are kept of them. used: when a run last used one, in seconds
    since 1970.
    """

    dataset: str
    codec: str
    points: int
    streams: Amount
    predictions: Amount
    used: float


@dataclass(frozen=True)
class Contents:
    """All of a cache. database_bytes: of its files. files: streams beside it. small: numbers of records by table."""

    database_bytes: int
    files: Amount
    usages: tuple[Usage, ...]
    small: dict[str, int]


def contents(cache: Opened) -> Contents:
    """Count what an open cache holds.

    Raises:
        ResultsError: it is damaged.
    """
    rows = cache.file.rows
    origins = {number: (dataset, codec, used) for number, dataset, codec, used in rows(_ORIGINS)}
    streams = {origin: Amount(*amount) for origin, *amount in rows(_STREAMS)}
    predictions = {origin: Amount(*amount) for origin, *amount in rows(_PREDICTIONS)}
    usages: dict[tuple[str, str], Usage] = {}
    for origin in sorted({*streams, *predictions}):
        dataset, codec, used = origins.get(origin, ("", "", 0.0))
        now = Usage(dataset, codec, 1, streams.get(origin, Amount()), predictions.get(origin, Amount()), used)
        before = usages.get((dataset, codec))
        usages[dataset, codec] = now if before is None else _joined(before, now)
    small = {table: next(rows(f"SELECT COUNT(*) FROM {table}"))[0] for table in SMALL}
    files = list(cache.streams.files())
    return Contents(
        sum(path.stat().st_size for path in database_files(cache.file.path)),
        Amount(len(files), sum(file.size_bytes for file in files)),
        tuple(sorted(usages.values())),
        small,
    )


def _joined(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.dataset,
        one.codec,
        one.points + other.points,
        one.streams.plus(other.streams),
        one.predictions.plus(other.predictions),
        max(one.used, other.used),
    )


def database_files(path: Path) -> Iterable[Path]:
    """The database and what SQLite keeps beside it, as far as they are there."""
    return [file for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))) if file.is_file()]


_ORIGINS = "SELECT id, dataset, codec, used FROM origins"
_STREAMS = (
    f"SELECT COALESCE(origin, {OLDER}) AS o, COUNT(*), SUM(CASE WHEN data IS NULL AND file IS NULL THEN 0 ELSE "
    f"size_bytes END) FROM streams GROUP BY o"
)
_PREDICTIONS = f"SELECT COALESCE(origin, {OLDER}) AS o, COUNT(*), SUM(LENGTH(prediction)) FROM predictions GROUP BY o"
