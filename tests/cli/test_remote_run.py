"""A run whose data and folder lie in an object store (here: fsspec's memory, which worker processes do not see)."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import PIL.Image
import pytest

from benchmarks.api import DATASETS
from benchmarks.cli import merge, paper, remote_out
from benchmarks.cli.main import main
from benchmarks.cli.places import settle
from benchmarks.files import mirror
from hsc.errors import ResultsError

DATA = 'images(path="memory://bucket/photos")'
OUT = "memory://bucket/runs/first"
LINE = ["run", "--dataset", DATA, "--head", "squares", "--codec", "blocks", "--anchor", "blocks", "--resamples", "0"]
LINE += ["--no-noise-floor", "--gallery", "0", "--quiet", "--workers", "1", "--out", OUT]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """fsspec's files in memory, with three pictures; and an empty working folder."""
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "downloads"))
    monkeypatch.delenv("HSC_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path)
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for index in range(3):
        file = io.BytesIO()
        PIL.Image.fromarray(DATASETS.build("squares").load(index).image).save(file, "PNG")
        memory.pipe(f"/bucket/photos/{index}.png", file.getvalue())
    yield memory
    memory.store.clear()
    mirror._failed.clear()


def names(store: Any) -> set[str]:
    return {path.removeprefix("/bucket/runs/first/") for path in store.find("/bucket/runs/first")}


def test_a_run_reads_and_writes_there_and_is_checked_from_there(
    store: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*LINE, "--keep-streams", "2"]) == 0
    local = Path("results/runs/first")
    assert names(store) == {path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file()}
    assert store.cat("/bucket/runs/first/scores.csv") == (local / "scores.csv").read_bytes()
    about = json.loads(store.cat("/bucket/runs/first/run.json"))
    assert about["dataset"]["config"]["path"] == "memory://bucket/photos"
    settings = tomllib.loads(store.cat("/bucket/runs/first/run.toml").decode())
    assert settings["dataset"] == DATA
    assert str(Path.cwd()) not in json.dumps({**about, "environment": {}})
    capsys.readouterr()

    assert main(["compare", OUT, str(local)]) == 0
    assert main(["verify", OUT, "--no-streams", "--quiet"]) == 0
    monkeypatch.setenv("HSC_CACHE", "another")  # as on another machine: an untrusted folder makes it fetch nothing
    monkeypatch.setattr(mirror, "_failed", {})
    assert main(["verify", str(local), "--quiet"]) == 2
    assert "without trust" in capsys.readouterr().out
    assert not Path("another", "remote").exists()
    assert main(["verify", str(local), "--quiet", "--trust"]) == 0

    for path in local.iterdir():
        path.unlink()  # as on another machine: a finished run of other settings there is told from there
    capsys.readouterr()
    before = dict(store.store)
    assert main([*LINE, "--limit", "2"]) == 2
    message = capsys.readouterr().err
    assert OUT in message
    assert "--overwrite-folder" in message
    assert store.store == before


@pytest.mark.parametrize("command", [merge, paper])
def test_commands_that_only_read_runs_read_copies(command: Any, store: Any) -> None:
    store.pipe("/bucket/runs/first/run.json", b"{}")
    parser = command.parser()
    options = parser.parse_args([OUT, "here", "--out", "both"])
    settle(parser, options)
    copied, here = options.folders if command is merge else options.runs
    assert (copied.name, (copied / "run.json").read_text()) == ("first", "{}")
    assert here == Path("here")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folder as a run leaves it, as far as copying it goes."""
    folder = tmp_path / "first"
    (folder / "predictions").mkdir(parents=True)
    for name in ("run.json", "scores.csv", "predictions/a.json"):
        (folder / name).write_text(name)
    return folder


def test_of_an_earlier_run_there_nothing_stays(store: Any, finished: Path) -> None:
    earlier = ("sheet.jpg", "errors.csv", "predictions/old.json", "notes.txt", "notes/errors.csv")
    store.pipe({f"/bucket/runs/first/{name}": b"of the earlier run" for name in earlier})
    assert remote_out.copy(finished, OUT, None) == 3
    assert names(store) == {"run.json", "scores.csv", "predictions/a.json", "notes.txt", "notes/errors.csv"}
    assert store.cat("/bucket/runs/first/scores.csv") == b"scores.csv"


def test_a_run_that_cannot_be_copied_stays_here_and_is_unfinished_there(
    store: Any, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote_out.copy(finished, OUT, None)
    put_file = type(store).put_file

    def refused(itself: Any, lpath: str, rpath: str, **options: Any) -> None:
        if rpath.endswith("scores.csv"):
            raise PermissionError("no right to write")
        put_file(itself, lpath, rpath, **options)

    with monkeypatch.context() as patches:
        patches.setattr(type(store), "put_file", refused)
        with pytest.raises(ResultsError, match="no right to write") as told:
            remote_out.copy(finished, OUT, None)
    assert str(finished) in str(told.value)
    assert len([path for path in finished.rglob("*") if path.is_file()]) == 3
    assert "run.json" not in names(store)
    remote_out.copy(finished, OUT, None)
    assert "run.json" in names(store)


def test_half_a_file_there_is_told(store: Any, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(store), "put_file", lambda itself, lpath, rpath, **options: itself.pipe(rpath, b"h"))
    with pytest.raises(ResultsError, match="has 1 bytes"):
        remote_out.copy(finished, OUT, None)


def test_a_place_that_cannot_be_reached_is_told_before_anything_is_coded(
    store: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(itself: Any, path: str, **options: Any) -> bool:
        raise ConnectionError("no such host")

    monkeypatch.setattr(type(store), "exists", gone)
    assert main(LINE) == 2
    assert "no such host" in capsys.readouterr().err
    assert not Path("results").exists()
