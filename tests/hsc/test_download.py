"""Downloads from a small local server: checksums, resume, damage, offline."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hsc.errors import DownloadError
from hsc.weights.download import cache_folder, cached, fetch_file, offline

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What the server does next, and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    break_after: int | None = None
    ranges: bool = True
    status: int = 200
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.headers.get("Range"))
            if state.status != 200:
                self.send_error(state.status)
                return
            start = int(self.headers["Range"][6:-1]) if state.ranges and "Range" in self.headers else 0
            if start and start >= len(state.content):
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.break_after])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}/file.bin"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HSC_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def test_fetched_once_and_proven(server: Server, cache: Path) -> None:
    path = fetch_file(server.url, SHA256, "sets/file.bin", size_bytes=len(CONTENT))
    assert path == cache / "sets" / "file.bin"
    assert path.read_bytes() == CONTENT
    assert cached("sets/file.bin") == path
    assert not path.with_name("file.bin.part").exists()
    assert fetch_file(server.url, SHA256, "sets/file.bin") == path
    assert server.asked == [None]


def test_a_broken_fetch_goes_on_where_it_stopped(server: Server) -> None:
    server.break_after = 70_000
    with pytest.raises(DownloadError, match="70000 of 102400 bytes"):
        fetch_file(server.url, SHA256, "file.bin")
    assert cached("file.bin") is None
    server.break_after = None
    assert fetch_file(server.url, SHA256, "file.bin").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=70000-"]


def test_a_server_that_does_not_resume_sends_it_again(server: Server) -> None:
    server.break_after = 5
    with pytest.raises(DownloadError):
        fetch_file(server.url, SHA256, "file.bin")
    server.break_after, server.ranges = None, False
    assert fetch_file(server.url, SHA256, "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("size_bytes", [None, len(CONTENT)])
def test_a_whole_part_is_only_proven(server: Server, cache: Path, size_bytes: int | None) -> None:
    cache.mkdir()
    (cache / "file.bin.part").write_bytes(CONTENT)
    assert fetch_file(server.url, SHA256, "file.bin", size_bytes=size_bytes).read_bytes() == CONTENT


def test_damage_is_seen_deleted_and_cured_by_trying_again(server: Server, cache: Path) -> None:
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(DownloadError, match=f"expected {SHA256}.*try again"):
        fetch_file(server.url, SHA256, "file.bin")
    assert not (cache / "file.bin").exists()
    assert not (cache / "file.bin.part").exists()
    server.content = CONTENT
    assert fetch_file(server.url, SHA256, "file.bin").read_bytes() == CONTENT


def test_a_damaged_part_is_not_kept_for_ever(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / "file.bin.part").write_bytes(b"x" * 50)
    with pytest.raises(DownloadError, match="sha256"):
        fetch_file(server.url, SHA256, "file.bin")
    assert fetch_file(server.url, SHA256, "file.bin").read_bytes() == CONTENT


def test_another_length_is_refused_early(server: Server) -> None:
    with pytest.raises(DownloadError, match="offers 102400 bytes, expected 7"):
        fetch_file(server.url, SHA256, "file.bin", size_bytes=7)


def test_offline_names_the_cure(server: Server, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("HSC_OFFLINE", "1")
    assert offline()
    with pytest.raises(DownloadError, match=r"HSC_OFFLINE is set.*put http://.* at .*file\.bin"):
        fetch_file(server.url, SHA256, "file.bin")
    assert server.asked == []
    cache.mkdir()
    (cache / "file.bin").write_bytes(CONTENT)
    assert fetch_file(server.url, SHA256, "file.bin") == cache / "file.bin"


@pytest.mark.parametrize(
    ("value", "expected"), [("", False), ("0", False), ("false", False), ("1", True), ("yes", True)]
)
def test_offline_words(value: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_OFFLINE", value)
    assert offline() is expected


def test_a_refusing_server_and_none_at_all_are_named(server: Server) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match="answered 404"):
        fetch_file(server.url, SHA256, "file.bin")
    with pytest.raises(DownloadError, match=r"http:.*put the file at"):
        fetch_file("http://127.0.0.1:9/x", SHA256, "file.bin")


def test_a_checksum_that_is_none_is_refused(server: Server) -> None:
    with pytest.raises(DownloadError, match="8 to 64 hex digits"):
        fetch_file(server.url, "abc", "file.bin")


def test_several_at_once_fetch_once(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch_file(server.url, SHA256, "file.bin"), range(4)))
    assert {p.read_bytes() for p in paths} == {CONTENT}
    assert server.asked == [None]


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HSC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "hsc"


# A cache folder that other users can write to


@pytest.fixture
def valued(tmp_path: Path) -> Path:
    """A file that is worth something to us and lies elsewhere."""
    path = tmp_path / "valued"
    path.write_text("do not touch")
    return path


def planted(cache: Path, kind: str, name: str, valued: Path) -> Path:
    """Something under a name that fetching will use."""
    cache.mkdir(exist_ok=True)
    path = cache / name
    if kind == "link":
        path.symlink_to(valued)
    elif kind == "dangling":
        path.symlink_to(valued.with_name("not yet"))
    elif kind == "hard link":
        os.link(valued, path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("another's")
        os.chown(path, 12345, 12345)
    return path


KINDS = [
    "link",
    "dangling",
    "hard link",
    "fifo",
    "folder",
    pytest.param("other", marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root")),
]


@pytest.mark.parametrize("name", ["file.bin.lock", "file.bin.part"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_others_planted_is_neither_followed_nor_written(
    server: Server, cache: Path, valued: Path, kind: str, name: str
) -> None:
    path = planted(cache, kind, name, valued)
    assert fetch_file(server.url, SHA256, "file.bin").read_bytes() == CONTENT
    assert valued.read_text() == "do not touch"
    assert not valued.with_name("not yet").exists()
    if kind == "other":
        assert path.read_text() == "another's"
    assert (cache / "file.bin").stat().st_uid == os.geteuid()


@pytest.mark.parametrize("kind", KINDS)
def test_where_our_own_names_are_taken_too_it_is_one_sentence(
    server: Server, cache: Path, valued: Path, kind: str
) -> None:
    for name in ("file.bin.lock", f"file.bin.lock-{os.geteuid()}"):
        planted(cache, kind, name, valued)
    with pytest.raises(
        DownloadError, match=rf"file\.bin\.lock-{os.geteuid()} is a link or another user's file.*HSC_CACHE"
    ):
        fetch_file(server.url, SHA256, "file.bin")
    assert valued.read_text() == "do not touch"
    assert not valued.with_name("not yet").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("right", [True, False])
def test_another_users_file_is_proven_before_it_is_used(server: Server, cache: Path, right: bool) -> None:
    cache.mkdir()
    path = cache / "file.bin"
    path.write_bytes(CONTENT if right else b"planted")
    os.chown(path, 12345, 12345)
    if right:
        assert fetch_file(server.url, SHA256, "file.bin") == path
    else:
        with pytest.raises(
            DownloadError, match=f"is another user's and has the sha256 .*, expected {SHA256}; remove it"
        ):
            fetch_file(server.url, SHA256, "file.bin")
    assert server.asked == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_users_frames_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import numpy as np

    from benchmarks.datasets.roadscenes.cache import cached_frame

    monkeypatch.setenv("HSC_CACHE", str(tmp_path))
    cached_frame.cache_clear()
    first = cached_frame(2, 901, (96, 64), on_disk=True).image.copy()
    (file,) = (tmp_path / "roadscenes").rglob("*.npz")
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    with np.load(file) as kept:
        arrays = dict(kept)
    np.savez(file, **{**arrays, "image": np.zeros_like(arrays["image"])})
    cached_frame.cache_clear()
    assert cached_frame(2, 901, (96, 64), on_disk=True).image.max() == 0  # our own are taken as they are
    os.chown(file, 12345, 12345)
    cached_frame.cache_clear()
    assert (cached_frame(2, 901, (96, 64), on_disk=True).image == first).all()
    cached_frame.cache_clear()


def test_files_are_written_under_names_that_nobody_can_plant(tmp_path: Path, valued: Path) -> None:
    from hsc.files.atomic_files import replacing, write_text

    names = []

    def write(part: Path) -> None:
        names.append(part.name)
        part.write_text("x")

    for _ in range(2):
        with replacing(tmp_path / "table.csv") as part:
            write(part)
        with replacing(tmp_path / "weights.bin") as part:
            write(part)
    assert len(set(names)) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["table.csv", "valued", "weights.bin"]
    (tmp_path / "table.csv").unlink()
    (tmp_path / "table.csv").symlink_to(valued)
    write_text(tmp_path / "table.csv", "new")
    assert (valued.read_text(), (tmp_path / "table.csv").read_text()) == ("do not touch", "new")
