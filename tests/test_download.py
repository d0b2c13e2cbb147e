"""Fetching against a small server on this machine: proof, resume, damage, offline."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hsc.download import cache_folder, cached, fetch_file, offline
from hsc.errors import DownloadError

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
    with pytest.raises(DownloadError, match="70000 of 102400 bytes; what came is kept"):
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


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("false", False), ("1", True), ("yes", True)])
def test_offline_words(value: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_OFFLINE", value)
    assert offline() is expected


def test_a_refusing_server_and_none_at_all_are_named(server: Server) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match="answered 404"):
        fetch_file(server.url, SHA256, "file.bin")
    with pytest.raises(DownloadError, match="cannot fetch"):
        fetch_file("http://127.0.0.1:9/x", SHA256, "file.bin")


def test_a_checksum_that_is_none_is_refused(server: Server) -> None:
    with pytest.raises(DownloadError, match="64 hex digits"):
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
