"""Places as URIs: told from paths, and refused in one sentence where they cannot be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import evaluate
from benchmarks.cli.main import main
from benchmarks.files.remote_paths import (
    check_remote,
    is_remote,
    joined,
    last_name,
    plain_path,
    refuse_remote,
    safe_name,
)
from hsc.errors import UsageError


@pytest.mark.parametrize("place", ["s3://bucket/x", "gs://bucket/a b", "S3A://b", "abfss://c@a.net/x", "hdfs:///x"])
def test_a_place_in_an_object_store_is_refused_with_its_name(place: str) -> None:
    with pytest.raises(UsageError, match="file system") as refused:
        refuse_remote(f"images(path='{place}')")
    assert place.split(maxsplit=1)[0] in str(refused.value)


@pytest.mark.parametrize("path", ["results/s3/x", "C:/photos", "ray://first:10001", "s3:/x", "logs3/x", "plugins3:1"])
def test_paths_and_addresses_pass(path: str) -> None:
    refuse_remote(path)


def test_plain_files_are_no_remote_place() -> None:
    assert not is_remote("file:///data/photos")
    assert plain_path("file:///data/photos") == Path("/data/photos")
    assert joined("data", "camvid") == "data/camvid"
    assert joined("s3://bucket/", "camvid") == "s3://bucket/camvid"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a/b.png", True),
        ("a..b/.c", True),
        ("..", False),
        ("a/../../b", False),
        ("/b", False),
        ("a//b", False),
        ("a\\b", False),
        ("a\0b", False),
        ("./b", False),
    ],
)
def test_names_that_lead_elsewhere_are_told(name: str, safe: bool) -> None:
    assert safe_name(name) is safe


@pytest.mark.parametrize("uri", ["s3://", "s3://bucket/..", "http://a.example/x?y=z", "http://a.example:8000/"])
def test_a_uri_without_a_usable_last_name_has_one_all_the_same(uri: str) -> None:
    assert last_name(uri) == "remote"


@pytest.mark.parametrize(
    "line",
    [
        ["run", "--dataset", 'images(path="nowhere://bucket/x")', "--dry-run"],
        ["run", "--dataset", "centre_crops(of=\"folders(root='nowhere://bucket/x')\")", "--dry-run"],
        ["run", "--out", "nowhere://bucket/run", "--limit", "1"],
        ["run", "--cache", "s3://bucket/cache", "--limit", "1"],
        ["run", "--head", 'onnx(path="s3://bucket/x.onnx")', "--dry-run"],
        ["run", "--codec", 'hsc(model="s3://bucket/x")', "--dry-run"],
        ["run", "--save-images", "s3://bucket/x", "--limit", "1"],
        ["report", "s3://bucket/run"],
        ["rerun", "s3://bucket/run"],
        ["merge", "a", "b", "--out", "s3://bucket/run"],
        ["verify", "nowhere://bucket/run"],
        ["compare", "a", "nowhere://bucket/run"],
        ["paper", "nowhere://bucket/run", "--out", "paper"],
    ],
)
def test_the_command_line_refuses_it_and_makes_no_folder(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(line) == 2
    assert "file system that all machines of the run share" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_settings_is_refused_likewise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.toml").write_text('cache = "s3://bucket/cache"\nlimit = 1\n')
    assert main(["run", "--config", "run.toml"]) == 2
    assert "s3://bucket/cache" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]


def test_python_refuses_what_cannot_be_read_there() -> None:
    with pytest.raises(UsageError, match="nowhere://bucket/x"):
        evaluate(dataset='images(path="nowhere://bucket/x")')
    with pytest.raises(UsageError, match="s3://bucket/x"):
        evaluate(codecs=['hsc(model="s3://bucket/x")'])


def test_without_fsspec_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"hsc-bench\[remote\].*file system"):
        check_remote('images(path="memory://photos")')
    check_remote('images(path="file:///photos")')


def test_a_password_in_a_uri_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError) as refused:
        check_remote('images(path="sftp://me:hush@a.example/photos")')
    assert "hush" not in str(refused.value)
    check_remote('images(path="memory://me@a.example/photos")')
