"""Copying a folder to a file system with folders of its own, which must be there before files are put into them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from benchmarks.files import upload as uploading
from benchmarks.files.upload import read_at, upload
from hsc.errors import DownloadError


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of a server's: any URI opens it."""
    (tmp_path / "disk" / "home").mkdir(parents=True)
    served = DirFileSystem(path=str(tmp_path / "disk"), fs=LocalFileSystem())
    monkeypatch.setattr(uploading, "opened", lambda uri: (served, uri.partition("://")[2]))
    return tmp_path / "disk"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    (folder / "a" / "b" / "c").write_text("inside")
    (folder / "link").symlink_to("/etc/hostname")
    return folder


def test_folders_are_made_there(disk: Path, folder: Path) -> None:
    assert upload(folder, "any://home/runs/first", "run.json", lambda name: False) == 2
    there = disk / "home" / "runs" / "first"
    assert (there / "a" / "b" / "c").read_text() == "inside"
    assert sorted(path.name for path in there.iterdir()) == ["a", "run.json"]
    assert read_at("any://home/runs/first", "run.json", 10) == b"{}"
    assert read_at("any://home/runs/first", "none.json", 10) is None
    with pytest.raises(DownloadError, match="more than 1 bytes"):
        read_at("any://home/runs/first", "run.json", 1)


def test_a_bucket_that_is_not_there_is_not_made(disk: Path, folder: Path) -> None:
    with pytest.raises(DownloadError):
        upload(folder, "any://hmoe/runs/first", "run.json", lambda name: False)
    assert [path.name for path in disk.iterdir()] == ["home"]
