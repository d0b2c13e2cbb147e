"""The cache: what is damaged in it counts as unknown, what is another's is refused in one sentence, and several runs
share it.
"""

from __future__ import annotations

import io
import json
import logging
import math
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from run_folders import squares_line

from benchmarks.api import ScoreRow, StreamRecord
from benchmarks.cli.run import main
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.checksums import checksum
from benchmarks.harness.conditions import Conditions
from benchmarks.harness.executors import Inline
from benchmarks.harness.indexed_image import IndexedImage, Pixels
from benchmarks.runs.rows import frame
from downstream.api import (
    Detections,
    FeaturePair,
    Fidelity,
    Masks,
    Prediction,
    SegmentationMap,
    arrays_of,
    from_bytes,
    to_bytes,
)
from downstream.packed_arrays import unpack
from hsc.errors import DataError, ResultsError

IMAGE = IndexedImage(0, "image", Pixels("a" * 64, (8, 9), 100))
CONDITIONS = Conditions(1, 1, 1, "cpu", "", "host", "processor", 2)
BOXES = Detections(
    np.array([[1, 2, 3, 4]], np.float32), np.array([0.5], np.float32), np.array([1]), Masks((b"0123",), (8, 8))
)
PREDICTIONS = {
    "boxes": BOXES,
    "map": SegmentationMap(np.arange(64, dtype=np.uint8).reshape(8, 8)),
    "likeness": Fidelity("psnr", np.array([1.0, 2.0])),
    "features": FeaturePair(np.ones((2, 4), np.float32), np.zeros((2, 4), np.float32)),
}


def filled(path: Path) -> Store:
    """A store with one record of each kind, under the key "k"."""
    store = Store(path)
    store.add_pixels("data", {"image": Pixels("a" * 64, (8, 9), 100)})
    stream = StreamRecord("image", (8, 9), 5, 9.0, 9.0, 77)
    times = {("k", "encode_s"): 0.5, ("k", "decode_s"): 0.25, ("k", "head_s"): 0.125}
    store.add({"k": (stream, b"bytes")}, {"k": to_bytes(BOXES)}, times, CONDITIONS)
    store.add_scores("k", [["ap", 0.5, ""], ["ap", math.nan, "car"]])
    store.add_samples("k", {"ap": np.arange(4.0), "ap50": np.arange(4.0) + 1})
    store.add_counts("k", np.arange(6).reshape(2, 3))
    return store


READ: dict[str, Callable[[Store], Any]] = {
    "pixels": lambda store: store.pixels("data", ["image"]).get("image"),
    "streams": lambda store: store.streams({"k": IMAGE}).get("k"),
    "data": lambda store: store.data(["k"]).get("k"),
    "predictions": lambda store: store.predictions({"k": "image"}).get("k"),
    "known streams": lambda store: store.known("streams", ["k"]) or None,
    "known predictions": lambda store: store.known("predictions", ["k"]) or None,
    "encode_s": lambda store: store.times("encode_s", ["k"], CONDITIONS).get("k"),
    "head_s": lambda store: store.times("head_s", ["k"], CONDITIONS).get("k"),
    "scores": lambda store: store.scores("k"),
    "samples": lambda store: store.samples("k"),
    "counts": lambda store: store.counts("k"),
}
DAMAGE = [
    ("pixels", "height", 7, ["pixels"]),
    ("pixels", "sha256", "b" * 64, ["pixels"]),
    ("pixels", "source_bytes", "x", ["pixels"]),
    ("streams", "size_bytes", 4, ["streams", "data", "known streams"]),
    ("streams", "size_bytes", "five", ["streams", "data", "known streams"]),
    ("streams", "squared_error", 78, ["streams", "known streams"]),
    ("streams", "squared_error", None, ["streams", "known streams"]),
    ("streams", "data", b"Bytes", ["data"]),
    ("streams", "data", b"byte", ["data"]),
    ("streams", "data", None, ["data"]),
    ("predictions", "prediction", b"", ["predictions", "known predictions"]),
    ("predictions", "prediction", None, ["predictions", "known predictions"]),
    ("predictions", "prediction", to_bytes(PREDICTIONS["map"]), ["predictions", "known predictions"]),
    ("predictions", "prediction", 17, ["predictions", "known predictions"]),
    ("scores", "scores", '[["ap", 0.9, ""]]', ["scores"]),
    ("scores", "scores", "[" * 100_000, ["scores"]),
    ("scores", "scores", None, ["scores"]),
    ("samples", "names", '["ap"]', ["samples"]),
    ("samples", "names", "7", ["samples"]),
    ("samples", "data", b"1234567", ["samples"]),
    ("samples", "data", bytes(64), ["samples"]),
    ("counts", "shape", "[3, 2]", ["counts"]),
    ("counts", "shape", "[1e99]", ["counts"]),
    ("counts", "data", bytes(48), ["counts"]),
    ("counts", "data", b"123", ["counts"]),
    ("times", "seconds", 0.375, ["encode_s", "head_s"]),
    ("times", "seconds", "soon", ["encode_s", "head_s"]),
    ("times", "seconds", math.inf, ["encode_s", "head_s"]),
]


def known(store: Store) -> dict[str, str]:
    return {name: repr(found) for name, read in READ.items() if (found := read(store)) is not None}


def change(path: Path, *statements: tuple[str, tuple[Any, ...]]) -> None:
    db = sqlite3.connect(path)
    with db:
        for sql, values in statements:
            db.execute(sql, values)
    db.close()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with filled(tmp_path / "store.sqlite") as store:
        assert set(known(store)) == set(READ)
        record = store.streams({"k": IMAGE})["k"]
        assert (record.size_bytes, record.squared_error, store.data(["k"]), math.isnan(record.encode_s)) == (
            5,
            77,
            {"k": b"bytes"},
            True,
        )
        assert store.pixels("data", ["image"]) == {"image": Pixels("a" * 64, (8, 9), 100)}
        assert store.scores("k")[0] == ["ap", 0.5, ""]  # type: ignore[index]
        assert store.times("decode_s", ["k", "l"], CONDITIONS) == {"k": 0.25}
        np.testing.assert_array_equal(store.counts("k"), [[0, 1, 2], [3, 4, 5]])  # type: ignore[arg-type]
        assert store.samples("k")["ap50"].tolist() == [1, 2, 3, 4]  # type: ignore[index]


@pytest.mark.parametrize(
    ("table", "column", "value", "unknown"), DAMAGE, ids=[f"{t}.{c}-{n}" for n, (t, c, _, _) in enumerate(DAMAGE)]
)
def test_a_damaged_record_counts_as_unknown_alone_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, table: str, column: str, value: Any, unknown: list[str]
) -> None:
    path = tmp_path / "store.sqlite"
    with filled(path) as store:
        whole = known(store)
    change(path, (f"UPDATE {table} SET {column} = ?", (value,)))
    with caplog.at_level(logging.WARNING), Store(path) as store:
        left = known(store)
    assert left == {name: text for name, text in whole.items() if name not in unknown}
    said = [r.getMessage() for r in caplog.records]
    assert len(said) == 1
    assert f"holds damaged records (the first: {table} " in said[0]
    assert "they count as unknown and are measured anew" in said[0]


def test_text_that_is_no_text_damages_its_record_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with filled(path) as store:
        store.add_scores("l", [["ap", 0.25, ""]])
    change(path, ("UPDATE scores SET scores = CAST(x'5bff5d' AS TEXT) WHERE key = 'k'", ()))
    with Store(path) as store:
        assert store.scores("k") is None
        assert store.scores("l") == [["ap", 0.25, ""]]


@pytest.mark.parametrize(
    ("table", "column", "value", "unknown"),
    [
        case
        for case in DAMAGE
        if case[2] in (None, "x", "five", b"byte", b"", 17, "7", b"1234567", b"123", "[1e99]", "[" * 100_000)
    ],
)
def test_older_records_have_no_checksum_and_are_read_where_they_can_be_ones(
    tmp_path: Path, table: str, column: str, value: Any, unknown: list[str]
) -> None:
    path = tmp_path / "store.sqlite"
    with filled(path) as store:
        whole = known(store)
    change(path, ("DROP TABLE checksums", ()))
    with Store(path) as store:
        assert known(store) == whole
    if value is None and column == "data":
        return  # streams that are too large to keep have none
    change(path, (f"UPDATE {table} SET {column} = ?", (value,)))
    with Store(path) as store:
        assert known(store) == {name: text for name, text in whole.items() if name not in unknown}


def as_npz(prediction: Prediction) -> bytes:
    """A prediction as older caches hold it."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays_of(prediction))
    return file.getvalue()


def test_predictions_of_older_caches_are_read(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.add({}, {name: as_npz(prediction) for name, prediction in PREDICTIONS.items()}, {})
        found = store.predictions({name: name for name in PREDICTIONS})
    assert {name: to_bytes(record.prediction) for name, record in found.items() if record.prediction} == {
        name: to_bytes(prediction) for name, prediction in PREDICTIONS.items()
    }


@pytest.mark.parametrize("pack", [to_bytes, as_npz])
def test_random_damage_to_an_older_cache_is_no_traceback(pack: Callable[[Prediction], bytes]) -> None:
    random = np.random.default_rng(0)
    blobs = {name: pack(prediction) for name, prediction in PREDICTIONS.items()}
    for name, blob in blobs.items():
        assert pack(from_bytes(blob)) == blob
        for _ in range(60):
            spoilt = bytearray(blob)
            for place in random.integers(0, len(blob), random.integers(1, 4)):
                spoilt[place] ^= int(random.integers(1, 256))
            try:
                found = from_bytes(
                    bytes(spoilt[: random.integers(1, len(blob) + 1)] if random.random() < 0.3 else spoilt)
                )
            except DataError:
                continue
            assert type(found) is type(PREDICTIONS[name])


def bomb(size: int) -> bytes:
    """A map that unpacks to ``size`` bytes."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("labels.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (size,)})
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))
    return file.getvalue()


def test_what_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    import resource

    data = bomb(600 << 20)
    assert len(data) < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"unpack to 6291.* bytes in 1 arrays, expected at most 536870912"):
        from_bytes(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    with Store(tmp_path / "store.sqlite") as store:
        store._db.execute("INSERT INTO predictions (key, prediction) VALUES (?, ?)", ("k", data))
        assert store.known("predictions", ["k"]) == set()
        assert store.predictions({"k": "image"}) == {}


@pytest.mark.parametrize(
    ("shape", "kind", "content"),
    [
        ((1 << 40,), "<f4", b""),
        ((1 << 62, 8), "|u1", b"12345678"),
        ((3,), "<f8", b"1"),
        ((-1,), "|u1", b"1"),
        ((1,), "|O", b"12345678"),
    ],
)
def test_an_array_that_announces_more_than_is_there_is_not_made(
    shape: tuple[int, ...], kind: str, content: bytes
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("labels.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": kind, "fortran_order": False, "shape": shape})
        member.write(content)
    with pytest.raises(DataError, match="damaged"):
        unpack(file.getvalue())


def test_checksums_tell_types_and_borders_apart() -> None:
    lists: list[list[Any]] = [["a", "b"], ["ab"], ["a", b"b"], [1], ["1"], [1.0], [None], [""], [], [b""]]
    assert len({checksum(values) for values in lists}) == len(lists)


# A whole run on a damaged cache


class Counted(FindSquares):
    """Counts what it reads."""

    read: int = 0

    def predict(self, images: Any) -> list[Any]:
        type(self).read += len(images)
        return super().predict(images)


def whole_run(cache: Path, overwrite: str = "missing") -> pd.DataFrame:
    config = configure(
        "detection", Squares(12), [Blocks(8), Blocks(4)], [Counted()], anchors=[], resamples=40, overwrite=overwrite
    )  # type: ignore[arg-type]
    table = frame(run(config, cache=cache, executor=Inline(), keep_streams=2).score_rows, ScoreRow)
    return table[~table["metric"].isin(["encode_s", "decode_s", "head_s"])].reset_index(drop=True)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE streams SET data = x'00' || substr(data, 2) WHERE data IS NOT NULL",
        "UPDATE streams SET size_bytes = size_bytes + 1",
        "UPDATE streams SET squared_error = 'x'",
        "UPDATE predictions SET prediction = substr(prediction, 1, 40)",
        "UPDATE predictions SET prediction = x'00'",
        'UPDATE scores SET scores = \'[["ap", 0.99, ""]]\'',
        "UPDATE samples SET data = x'0000000000000000'",
        "UPDATE counts SET shape = '[1]'",
        "UPDATE pixels SET height = 1",
    ],
)
def test_a_run_on_a_damaged_cache_measures_what_is_damaged_and_gives_the_same_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    whole = whole_run(tmp_path)
    change(tmp_path / "store.sqlite", (damage, ()))
    read = Counted.read
    with caplog.at_level(logging.WARNING):
        pd.testing.assert_frame_equal(whole_run(tmp_path), whole)
    assert (Counted.read > read) == ("predictions" in damage)
    assert any("damaged records" in r.getMessage() for r in caplog.records) != (
        "counts" in damage
    )  # boxes have no counts
    caplog.clear()
    pd.testing.assert_frame_equal(whole_run(tmp_path), whole)
    assert ("streams SET data" in damage) == any("damaged" in r.getMessage() for r in caplog.records)
    if "predictions" in damage:
        change(tmp_path / "store.sqlite", (damage, ()))
        left = whole_run(tmp_path, "never")
        assert set(left[left["metric"] == "ap"]["status"]) == {"missing"}


# Caches that cannot be used


def refused(cache: Path, capsys: pytest.CaptureFixture[str], out: Path) -> str:
    """The one sentence of the command line, which ends with 2."""
    line = [
        "--dataset",
        "squares",
        "--head",
        "squares",
        "--codec",
        "blocks",
        "--quiet",
        "--workers",
        "1",
        "--gallery",
        "0",
    ]
    assert main([*line, "--cache", str(cache), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: the cache {cache / 'store.sqlite'} ")
    assert said.count("\n") == 1
    assert "--cache" in said
    return said


def test_a_folder_or_a_file_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a" / "store.sqlite").mkdir(parents=True)
    assert "unable to open" in refused(tmp_path / "a", capsys, tmp_path / "out")
    (tmp_path / "b").write_text("a file")
    refused(tmp_path / "b", capsys, tmp_path / "out")


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE moz_places (id INTEGER)",
        "CREATE TABLE streams (id INTEGER, codec TEXT)",
        "CREATE TABLE pixels (x INT, y INT, colour TEXT)",
    ],
)
def test_another_programs_database_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], schema: str
) -> None:
    path = tmp_path / "cache" / "store.sqlite"
    path.parent.mkdir()
    change(path, (schema, ()))
    before = path.read_bytes()
    assert "is another program's database" in refused(tmp_path / "cache", capsys, tmp_path / "out")
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"GIF89a" * 1000, b"SQLite format 3\x00" + b"x" * 5000])
def test_a_file_that_is_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "store.sqlite").write_bytes(content)
    refused(tmp_path / "cache", capsys, tmp_path / "out")
    assert (tmp_path / "cache" / "store.sqlite").read_bytes() == content


def test_a_full_disk_is_one_sentence_and_what_was_there_stays(tmp_path: Path) -> None:
    with filled(tmp_path / "store.sqlite") as store:
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        record = StreamRecord("image", (999, 999), 9, 1.0, 1.0, 1)
        with pytest.raises(
            ResultsError,
            match=r"cannot be written: database or disk is full; see to the room .* or name another with --cache",
        ):
            store.add({"new": (record, bytes(9))}, {"new": bytes(300_000)}, {("new", "encode_s"): 1.0}, CONDITIONS)
        assert store.data(["k", "new"]) == {"k": b"bytes"}
        assert store.times("encode_s", ["k", "new"], CONDITIONS) == {"k": 0.5}


def test_a_cache_that_may_only_be_read_is_one_sentence(tmp_path: Path) -> None:
    with filled(tmp_path / "store.sqlite") as store:
        store._db.execute("PRAGMA query_only = 1")
        with pytest.raises(ResultsError, match="cannot be written: attempt to write a readonly database"):
            store.add_scores("new", [["ap", 1.0, ""]])


def test_three_runs_on_one_cache_at_once_give_one_table(tmp_path: Path) -> None:
    options = {"codec": "blocks(size=[8, 4])", "workers": 1, "gallery": 0, "resamples": 20, "cache": tmp_path / "cache"}
    line = squares_line("--no-noise-floor", **options)
    import os

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".", "tests/plugin", os.environ.get("PYTHONPATH", "")])}
    runs = [
        subprocess.Popen(
            [*line, "--repeats", str(n), "--out", str(tmp_path / f"out{n}")],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in (1, 2, 3)
    ]
    said = [found.communicate(timeout=150)[1] for found in runs]
    assert [found.returncode for found in runs] == [0, 0, 0], said
    tables = [pd.read_csv(tmp_path / f"out{n}" / "scores.csv", keep_default_na=False) for n in (1, 2, 3)]
    times = [t[t["metric"].isin(["encode_s", "decode_s", "head_s"])] for t in tables]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(
            *(t[~t["metric"].isin(["encode_s", "decode_s", "head_s"])] for t in (tables[0], table))
        )
    for n, table in zip((1, 2, 3), times, strict=True):
        assert set(table["status"]) == {"ok"}
        assert all(
            reason.startswith("measured once" if n == 1 else f"measured {n} times") for reason in table["reason"]
        )
        assert json.loads((tmp_path / f"out{n}" / "run.json").read_text())["times"]["repeats"] == n
