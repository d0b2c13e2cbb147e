"""Files known by content: what is read again, and what the index is worth where it is damaged, planted or not to be
written.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sqlite3
import time
from pathlib import Path

import pytest

from benchmarks.files import content_index
from benchmarks.files.content_index import digest_of, sha256_of_files
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from hsc.errors import DataError
from hsc.files import file_digests
from hsc.files.file_digests import SETTLED_NS, FileState, read_sha256, sha256_of_file, state_of


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of its own, and a process that knows no file."""
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_digests, "_kept", {})


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as left alone from the moment they are written."""
    monkeypatch.setattr(file_digests, "SETTLED_NS", -SETTLED_NS)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a new process begins with."""
    monkeypatch.setattr(file_digests, "_kept", {})


def index(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "content.sqlite"


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / f"{number}.bin" for number in range(3)]
    for file in files:
        file.write_bytes(file.name.encode())
    expected = [sha256(file.name.encode()) for file in files]
    assert sha256_of_files(files) == expected
    forget(monkeypatch)
    read: list[str] = []

    def counted(path: str) -> tuple[str, FileState | None]:
        read.append(os.path.basename(path))
        return read_sha256(path)

    monkeypatch.setattr(content_index, "read_sha256", counted)
    assert sha256_of_files(files) == expected
    assert read == []
    files[1].write_bytes(b"other")
    assert sha256_of_files(files) == [expected[0], sha256(b"other"), expected[2]]
    assert read == ["1.bin"]


@pytest.mark.parametrize("way", ["written over", "renamed into place", "time put back"])
def test_other_content_of_the_same_size_is_seen(
    way: str, tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    before = file.stat()
    assert sha256_of_files([file]) == [sha256(b"one")]
    time.sleep(0.02)  # a tick of the file system's clock
    if way == "renamed into place":
        (tmp_path / "b.bin").write_bytes(b"two")
        os.utime(tmp_path / "b.bin", ns=(before.st_atime_ns, before.st_mtime_ns))
        (tmp_path / "b.bin").replace(file)
    else:
        file.write_bytes(b"two")
    if way == "time put back":
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sha256_of_files([file]) == [sha256(b"two")] == [sha256_of_file(file)]
    forget(monkeypatch)
    assert sha256_of_files([file]) == [sha256(b"two")]


def test_what_was_written_a_moment_ago_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    assert read_sha256(file) == (sha256(b"one"), None)
    assert sha256_of_files([file]) == [sha256(b"one")]
    assert file_digests.kept_sha256(file, state_of(file)) is None
    assert (
        not index(tmp_path).exists() or not sqlite3.connect(index(tmp_path)).execute("SELECT * FROM files").fetchall()
    )
    old = state_of(file)._replace(mtime_ns=0, ctime_ns=10**9)
    assert old.settled(10**9 + SETTLED_NS + 1)
    assert not old.settled(10**9 + SETTLED_NS)


@pytest.mark.parametrize("damage", ["not a database", "cut", "another table", "nonsense in a row"])
def test_a_damaged_index_costs_time_alone(
    damage: str, tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    sha256_of_files([file])
    path = index(tmp_path)
    if damage == "not a database":
        path.write_bytes(b"x" * 5000)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        with sqlite3.connect(path) as database:
            database.execute("DROP TABLE files" if damage == "another table" else "UPDATE files SET sha256 = 'zz'")
            if damage == "another table":
                database.execute("CREATE TABLE files (name TEXT)")
        database.close()
    for _ in range(2):
        forget(monkeypatch)
        assert sha256_of_files([file]) == [sha256(b"one")]
    if damage == "not a database":  # begun anew
        with sqlite3.connect(path) as database:
            assert database.execute("SELECT sha256 FROM files").fetchall() == [(sha256(b"one"),)]
        database.close()


def test_a_planted_link_is_not_followed(tmp_path: Path, settled: None) -> None:
    target = tmp_path / "somebody's file"
    target.touch()
    index(tmp_path).parent.mkdir()
    index(tmp_path).symlink_to(target)
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    assert sha256_of_files([file]) == [sha256(b"one")]
    assert target.read_bytes() == b""


def test_a_cache_that_cannot_be_written_costs_time_alone(
    tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "file" / "below"))
    (tmp_path / "a.bin").write_bytes(b"one")
    assert sha256_of_files([tmp_path / "a.bin"]) == [sha256(b"one")]


def _hash_all(folder: str, cache: str) -> list[str]:
    os.environ["HSC_CACHE"] = cache
    file_digests.SETTLED_NS = -SETTLED_NS
    return sha256_of_files(sorted(Path(folder).iterdir()))


def test_two_runs_may_write_it_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03}").write_bytes(str(number).encode())
    expected = [sha256(str(number).encode()) for number in range(300)]
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.starmap(_hash_all, [(str(folder), str(tmp_path / "cache"))] * 6) == [expected] * 6
    with sqlite3.connect(index(tmp_path)) as database:
        assert database.execute("SELECT count(*) FROM files").fetchone() == (300,)
    database.close()


def test_names_count_and_their_bytes_need_not_be_utf8(tmp_path: Path, settled: None) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.png"))
    odd.write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    names = [(odd.name, odd), ("b", tmp_path / "b")]
    assert digest_of(names) == digest_of(names)
    assert (
        len({digest_of(names), digest_of(names[::-1]), digest_of(names, "start"), digest_of([("c", odd), names[1]])})
        == 4
    )


@pytest.mark.parametrize("what", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    with pytest.raises(DataError, match="odd"):
        sha256_of_files([path])


def test_a_listing_is_kept_until_its_folder_changes(tmp_path: Path, settled: None) -> None:
    looked: list[str] = []

    @kept_while_unchanged(2)
    def names(folder: Path) -> Listing[list[str]]:
        looked.append(folder.name)
        return Listing(sorted(os.listdir(folder)), frozenset({folder}))

    (tmp_path / "a").mkdir()
    assert names(tmp_path / "a") == names(tmp_path / "a") == []
    assert looked == ["a"]
    time.sleep(0.02)
    (tmp_path / "a" / "x").touch()
    assert names(tmp_path / "a") == ["x"]
    assert looked == ["a", "a"]
    for other in "bc":
        (tmp_path / other).mkdir()
        names(tmp_path / other)
    names(tmp_path / "a")
    assert looked == ["a", "a", "b", "c", "a"]


def test_a_listing_of_a_folder_that_changed_a_moment_ago_is_not_kept(tmp_path: Path) -> None:
    @kept_while_unchanged(2)
    def names(folder: Path) -> Listing[list[str]]:
        return Listing(sorted(os.listdir(folder)), frozenset({folder}))

    for name in "xyz":
        (tmp_path / name).touch()
        assert name in names(tmp_path)
