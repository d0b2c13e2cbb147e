"""Large streams are files beside the cache: found again, held against their hash, coded again where they are lost."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import FindSquares, Squares

from benchmarks.api import StreamRecord
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Origin, Store
from benchmarks.harness.executors import Inline
from benchmarks.harness.stream_files import LEAST_BYTES, StreamFiles
from hsc.errors import DataError, ResultsError

LARGE = bytes(range(256)) * (LEAST_BYTES // 256)
SMALL = LARGE[:-1]


def record(data: bytes) -> StreamRecord:
    return StreamRecord("image", (200, 200), len(data), 0.0, 0.0, 5)


def named(data: bytes, cache: Path) -> Path:
    name = hashlib.sha256(data).hexdigest()
    return cache / "streams" / name[:2] / name[2:]


def files(cache: Path) -> list[Path]:
    return [path for path in (cache / "streams").rglob("*") if path.is_file()]


def test_large_streams_are_files_and_equal_ones_are_one_file(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.add({"a": (record(LARGE), LARGE), "b": (record(LARGE), LARGE), "c": (record(SMALL), SMALL)}, {}, {})
        assert files(tmp_path) == [named(LARGE, tmp_path)]
        assert named(LARGE, tmp_path).read_bytes() == LARGE
        assert store.data(["a", "b", "c", "d"]) == {"a": LARGE, "b": LARGE, "c": SMALL}
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as db:
        kept = dict(db.execute("SELECT key, LENGTH(data) FROM streams").fetchall())
    assert kept == {"a": None, "b": None, "c": len(SMALL)}


def test_streams_no_smaller_than_the_pixels_are_kept_nowhere(tmp_path: Path) -> None:
    pixels = bytes(3 * 200 * 200)
    with Store(tmp_path / "store.sqlite") as store:
        store.add({"raw": (record(pixels), pixels)}, {}, {})
        assert store.data(["raw"]) == {"raw": None}
    assert files(tmp_path) == []


@pytest.mark.parametrize("content", [None, LARGE[:-1], LARGE + b"x", b"\1" + LARGE[1:], b""])
def test_a_lost_or_damaged_file_is_unknown_with_a_word_and_replaced(
    content: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.add({"a": (record(LARGE), LARGE)}, {}, {})
        path = named(LARGE, tmp_path)
        path.unlink() if content is None else path.write_bytes(content)
        with caplog.at_level(logging.WARNING):
            assert store.data(["a"]) == {}
            assert store.data(["a"]) == {}
        assert len(caplog.records) == 1
        store.add({"a": (record(LARGE), LARGE)}, {}, {})
        assert store.data(["a"]) == {"a": LARGE}
    assert files(tmp_path) == [path]


@pytest.mark.parametrize("name", ["../../../secret", "A" * 64, "", 7, None])
def test_a_record_leads_to_no_other_file(name: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(LARGE)
    with pytest.raises(DataError, match="expected a size and a sha256"):
        StreamFiles(tmp_path / "a" / "streams").read(len(LARGE), name)


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "streams").write_text("a file in the way")
    with (
        Store(tmp_path / "store.sqlite") as store,
        pytest.raises(ResultsError, match=r"^the cache cannot write .*; see to the room and the permissions there"),
    ):
        store.add({"a": (record(LARGE), LARGE)}, {}, {})


OLDER = """
CREATE TABLE pixels (dataset TEXT, image_id TEXT, sha256 TEXT, height INT, width INT, source_bytes INT,
    PRIMARY KEY (dataset, image_id));
CREATE TABLE streams (key TEXT PRIMARY KEY, size_bytes INT, encode_s REAL, decode_s REAL, squared_error INT, data BLOB);
CREATE TABLE predictions (key TEXT PRIMARY KEY, head_s REAL, prediction BLOB);
"""


def test_caches_of_older_versions_are_read_and_learn_what_their_records_are_of(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(OLDER)
        rows = [("a", len(LARGE), 5, LARGE), ("b", 3, 5, b"abc")]
        db.executemany("INSERT INTO streams (key, size_bytes, squared_error, data) VALUES (?, ?, ?, ?)", rows)
    with Store(path) as store:
        assert store.data(["a", "b"]) == {"a": LARGE, "b": b"abc"}
        number = store.mark_used(Origin("squares", "jpeg", "quality=5"), {"streams": ["b", "c"]})
    with closing(sqlite3.connect(path)) as db:
        assert dict(db.execute("SELECT key, origin FROM streams").fetchall()) == {"a": None, "b": number}
        assert db.execute("SELECT id, codec FROM origins ORDER BY id").fetchall() == [(0, ""), (number, "jpeg")]


@dataclass(frozen=True)
class Large:
    """Raw pixels with one row less, which are more than a small stream."""

    rate_field: ClassVar[str] = ""

    def encode(self, image: np.ndarray) -> bytes:
        return bytes(image.shape[:2]) + image[:-1].tobytes()

    def decode(self, data: bytes) -> np.ndarray:
        height, width = data[:2]
        rows = np.frombuffer(data[2:], np.uint8).reshape(height - 1, width, 3)
        return np.concatenate([rows, rows[-1:]])

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"code": "large-1"}


def test_a_run_codes_again_what_is_lost_and_gives_the_same_numbers(tmp_path: Path) -> None:
    def scores(threshold: int) -> list[tuple[str, float]]:
        heads = [FindSquares(threshold=threshold)]
        config = configure("detection", Squares(images=3), [Large()], heads, anchors=[], resamples=0)
        rows = run(config, cache=tmp_path, executor=Inline()).score_rows
        assert {row.status for row in rows} == {"ok"}
        return [(row.metric, row.value) for row in rows if row.metric in ("bpp", "psnr", "ap")]

    first = scores(120)
    assert len(files(tmp_path)) == 3
    for path in files(tmp_path)[:2]:
        path.unlink()
    assert scores(121)[0] == first[0]
    assert len(files(tmp_path)) == 3
