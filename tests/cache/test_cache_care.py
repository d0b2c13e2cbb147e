"""``hsc-bench cache``: what is in a cache, what a rule removes of it, and what damage it finds."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import StreamRecord
from benchmarks.cache.contents import contents
from benchmarks.cache.opened import opened
from benchmarks.cli.main import main
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Origin, Store
from benchmarks.harness.cache_lock import alone
from benchmarks.harness.executors import Inline
from benchmarks.harness.stream_files import LEAST_BYTES
from benchmarks.reporting.outcome import Outcome
from benchmarks.runs import provenance

DAY = 86_400


def measured(cache: Path, size: int, *, images: int = 3, threshold: int = 120) -> Outcome:
    """A run of one operating point, whose numbers come from the cache where it has them."""
    config = configure(
        "detection", Squares(images=images), [Blocks(size)], [FindSquares(threshold=threshold)], anchors=[], resamples=0
    )
    return run(config, cache=cache, executor=Inline())


def finished(folder: Path, outcome: Outcome) -> None:
    """What a run's folder says of it."""
    folder.mkdir(parents=True)
    provenance.write(folder / "run.json", provenance.describe(outcome.plan, 1, "cpu", {"command": ""}))


def change(cache: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(cache / "store.sqlite")) as db, db:
        assert db.execute(sql, values).rowcount > 0


def counts(cache: Path) -> dict[str, int]:
    tables = ("streams", "predictions", "times", "scores", "checksums")
    with closing(sqlite3.connect(cache / "store.sqlite")) as db:
        return {table: db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables}


def asked(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and all that ``hsc-bench cache`` says."""
    code = main(["cache", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out + said.err


def with_large(cache: Path, *keys: str) -> None:
    """A stream that is a file under each key, of an origin of its own, as large as the key says."""
    with Store(cache / "store.sqlite") as store:
        for key in keys:
            data = np.random.default_rng(len(key)).bytes(LEAST_BYTES + len(key))
            origin = store.mark_used(Origin("photos", key, "q=1"), {})
            store.add({key: (StreamRecord("i", (999, 999), len(data), 0, 0, 1), data)}, {}, {}, origin=origin)


def test_contents_are_told_by_codec_and_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(tmp_path, 8)
    measured(tmp_path, 4)
    with_large(tmp_path, "large")
    with opened(tmp_path) as cache:
        held = contents(cache)
    usages = {(usage.dataset, usage.codec): usage for usage in held.usages}
    blocks = usages["squares(images=3)", "blocks"]
    assert (blocks.points, blocks.streams.records, blocks.predictions.records) == (2, 6, 6)
    assert 0 < blocks.streams.size_bytes < 6 * 56 * 144 * 3
    assert abs(blocks.used - time.time()) < 60
    assert usages["squares(images=3)", "original"].streams == (3, 0)  # raw pixels are not kept
    assert usages["photos", "large"].streams == held.files == (1, LEAST_BYTES + 5)
    code, said = asked(capsys, "--cache", tmp_path)
    assert code == 0
    assert "16.4 kB in 1 files of streams" in said
    assert any(line.split()[:4] == ["blocks", "squares(images=3)", "2", "6"] for line in said.splitlines())


def test_what_no_run_has_used_for_long_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(tmp_path, 8)
    measured(tmp_path, 4)
    with_large(tmp_path, "large", "larger")
    change(tmp_path, "UPDATE origins SET used = ? WHERE point = 'size=8' OR codec = 'large'", time.time() - 40 * DAY)
    before = counts(tmp_path)
    code, said = asked(capsys, "prune", "--older-than", 30, "--dry-run", "--cache", tmp_path)
    assert code == 0
    assert said.startswith("would remove 4 streams (")
    assert "and 3 predictions (" in said
    assert "1 file (16.4 kB)" in said
    assert counts(tmp_path) == before
    code, said = asked(capsys, "prune", "--older-than", 30, "--cache", tmp_path)
    assert said.startswith("removed 4 streams (")
    after = counts(tmp_path)
    assert {table: before[table] - after[table] for table in ("streams", "predictions", "scores")} == {
        "streams": 4,
        "predictions": 3,
        "scores": 0,
    }
    assert after["times"] < before["times"]
    assert after["checksums"] < before["checksums"]
    assert len(list((tmp_path / "streams").rglob("*/*"))) == 1
    assert asked(capsys, "verify", "--cache", tmp_path)[0] == 0
    with Store(tmp_path / "store.sqlite") as store:
        assert set(store.data(["large", "larger"])) == {"larger"}
    assert measured(tmp_path, 4).plan.todo == 0
    again = measured(tmp_path, 8)
    assert again.plan.todo == 3
    assert {row.status for row in again.score_rows} == {"ok"}


def test_a_run_renews_what_it_uses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(tmp_path, 8)
    change(tmp_path, "UPDATE origins SET used = 0")
    measured(tmp_path, 8)
    assert "would remove 0 streams" in asked(capsys, "prune", "--older-than", 1, "--dry-run", "--cache", tmp_path)[1]


def test_what_runs_were_made_from_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = tmp_path / "cache"
    finished(tmp_path / "runs" / "coarse", measured(cache, 8))
    finished(tmp_path / "fine", measured(cache, 4, images=2))
    measured(cache, 4, images=4)
    measured(cache, 8, threshold=99)
    code, _ = asked(capsys, "prune", "--keep-runs", tmp_path / "runs", tmp_path / "fine", "--cache", cache)
    assert code == 0
    assert measured(cache, 8).plan.todo == 0
    assert measured(cache, 4, images=2).plan.todo == 0
    assert measured(cache, 2, images=1).plan.todo == 1
    assert measured(cache, 4, images=4).plan.todo == 3  # two images at size=4, one original
    assert measured(cache, 8, threshold=99).plan.todo == 6


def test_a_run_that_does_not_say_what_it_is_of_removes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = measured(tmp_path / "cache", 8)
    finished(tmp_path / "runs" / "one", outcome)
    text = (tmp_path / "runs" / "one" / "run.json").read_text().replace("blocks-1", "blocks-2")
    (tmp_path / "runs" / "one" / "run.json").write_text(text)
    before = counts(tmp_path / "cache")
    for place, message in (("runs", "does not say from which records"), ("cache", "no finished run was found in")):
        code, said = asked(capsys, "prune", "--keep-runs", tmp_path / place, "--cache", tmp_path / "cache")
        assert code == 2
        assert message in said
    assert counts(tmp_path / "cache") == before


def test_all_goes_and_the_next_run_begins_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(tmp_path, 8)
    with_large(tmp_path, "large")
    assert asked(capsys, "prune", "--all", "--dry-run", "--cache", tmp_path)[0] == 0
    assert (tmp_path / "store.sqlite").exists()
    assert asked(capsys, "prune", "--all", "--cache", tmp_path)[1].startswith("removed 7 streams (")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.lock"]
    assert measured(tmp_path, 8).plan.todo == 6


@pytest.mark.parametrize("rule", [["--all"], ["--older-than", "0"]])
def test_a_cache_in_use_is_left_alone(rule: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(tmp_path, 8)
    before = counts(tmp_path)
    with Store(tmp_path / "store.sqlite") as store, Store(tmp_path / "store.sqlite"):
        code, said = asked(capsys, "prune", *rule, "--cache", tmp_path)
        assert code == 2
        assert "is in use by a run, so nothing was removed" in said
        assert len(store.known("streams", store_keys(tmp_path))) == before["streams"]
        assert asked(capsys, "verify", "--cache", tmp_path)[0] == 0
    assert counts(tmp_path) == before
    assert asked(capsys, "prune", *rule, "--cache", tmp_path)[0] == 0


def store_keys(cache: Path) -> list[str]:
    with closing(sqlite3.connect(cache / "store.sqlite")) as db:
        return [key for (key,) in db.execute("SELECT key FROM streams")]


def test_a_run_waits_while_records_are_removed(tmp_path: Path) -> None:
    measured(tmp_path, 8)
    path = tmp_path / "store.sqlite"
    code = (
        "import sys, pathlib; from benchmarks.harness.cache import Store; "
        "Store(pathlib.Path(sys.argv[1])); print('open')"
    )
    with alone(path):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert process.stderr.readline().startswith("waiting for hsc-bench cache")
        assert process.poll() is None
    assert process.communicate(timeout=60)[0] == "open\n"


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("UPDATE streams SET squared_error = 1 WHERE key = (SELECT MIN(key) FROM streams)", "sizes and errors"),
        (
            "UPDATE streams SET data = x'00' WHERE key = (SELECT MAX(key) FROM streams WHERE data NOT NULL)",
            "coded bytes of",
        ),
        ("UPDATE predictions SET prediction = x'00' WHERE key = (SELECT MIN(key) FROM predictions)", "predictions"),
        ("UPDATE scores SET scores = '[]' WHERE key = (SELECT MIN(key) FROM scores)", "scores"),
        (
            "UPDATE times SET seconds = 5 WHERE kind = 'encode_s' AND key = (SELECT MIN(key) FROM streams)",
            "times",
        ),
        ("UPDATE pixels SET height = 1 WHERE image_id = 'squares-1'", "images"),
        ("UPDATE streams SET file = ? WHERE key = 'large'", "coded bytes in files"),
    ],
)
def test_damage_is_found(sql: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(tmp_path, 8)
    with_large(tmp_path, "large")
    assert asked(capsys, "verify", "--cache", tmp_path)[1].endswith("the cache is sound\n")
    change(tmp_path, sql, *(["0" * 64] if "?" in sql else []))
    code, said = asked(capsys, "verify", "--cache", tmp_path)
    assert code == 1
    (line,) = [line for line in said.splitlines() if "damaged:" in line]
    assert line.startswith(kind)
    assert "1 damaged: " in line


def test_a_spoilt_file_is_found_and_a_part_of_one_is_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_large(tmp_path, "large")
    (path,) = (path for path in (tmp_path / "streams").rglob("*") if path.is_file())
    part = path.with_name(f".{path.name}.abc.part")
    part.write_bytes(b"half")
    assert asked(capsys, "prune", "--older-than", 1, "--cache", tmp_path)[1].endswith(
        "1 file (4 B) of streams among them\n"
    )
    assert path.exists()
    assert not part.exists()
    path.write_bytes(bytes(len(path.read_bytes())))
    assert "coded bytes in files: 1, 1 damaged: large" in asked(capsys, "verify", "--cache", tmp_path)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prune"], "prune needs one rule: --keep-runs, --older-than DAYS or --all"),
        (["show", "--all"], "show removes nothing"),
        (["verify", "--dry-run"], "verify removes nothing"),
        (["prune", "--older-than", "-1"], "-1 days came, expected 0 or more"),
        (["prune", "--older-than", "nan"], "nan days came"),
    ],
)
def test_requests_that_make_no_sense(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path / "store.sqlite"):
        pass
    code, said = asked(capsys, *arguments, "--cache", tmp_path)
    assert code == 2
    assert message in said


@pytest.mark.parametrize("action", [["show"], ["verify"], ["prune", "--all"]])
def test_where_there_is_no_cache_none_is_made(
    action: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = asked(capsys, *action, "--cache", tmp_path / "nowhere")
    assert code == 2
    assert "there is no cache in" in said
    assert not (tmp_path / "nowhere").exists()
