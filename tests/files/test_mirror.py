"""Copies of data that lie elsewhere: whole or not at all, fetched once, and again where the source has changed."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from benchmarks.files import mirror
from benchmarks.files.kept_copy import KeptCopy
from benchmarks.files.mirror import Place, fetch, fetched, unfetched
from benchmarks.files.remote_listing import listed
from benchmarks.files.transfer import unfinished_name
from hsc.errors import DataError, DownloadError
from hsc.weights.fetching import displayed

URI = "memory://bucket/photos"
PLACE = Place(URI)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """fsspec's files in memory, empty; and a cache folder."""
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HSC_OFFLINE", raising=False)
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    memory.pipe({"/bucket/photos/a.png": b"first", "/bucket/photos/b/c.png": b"second", "/bucket/other": b"x"})
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    mirror._failed.clear()


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Counting:
    """A file system that counts the files that are opened, and fails at one of them."""

    def __init__(self, memory: Any, monkeypatch: pytest.MonkeyPatch, breaks: str = "") -> None:
        self.opened: list[str] = []
        own = type(memory)._open

        def counted(itself: Any, path: str, mode: str = "rb", **options: Any) -> Any:
            if mode == "rb":
                self.opened.append(path)
            if breaks and path.endswith(breaks):
                raise ConnectionError("gone")
            return own(itself, path, mode, **options)

        monkeypatch.setattr(type(memory), "_open", counted)


def beginning_of(store: Any, name: str) -> Path:
    """Where the beginning of a file of the folder is kept."""
    file = next(file for file in listed(store, "/bucket/photos", [""], URI) if file.name == name)
    folder = KeptCopy(URI).folder
    part = folder.with_name(f"{folder.name}.unfinished") / unfinished_name(file)
    part.parent.mkdir(parents=True)
    return part


def test_a_folder_is_copied_once(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(store, monkeypatch)
    with pytest.raises(DataError):
        PLACE.local()
    assert unfetched(PLACE)
    fetch(PLACE)
    assert content(PLACE.local()) == {"a.png": b"first", "b/c.png": b"second"}
    assert PLACE.local().name == "photos"
    assert unfetched(PLACE) == ""
    fetch(PLACE)
    assert len(counting.opened) == 2


def test_one_file_is_copied(store: Any) -> None:
    assert fetched("memory://bucket/photos/a.png").read_bytes() == b"first"
    store.pipe("/bucket/photos/a.png", b"later")
    assert fetched("memory://bucket/photos/a.png").read_bytes() == b"later"


def test_what_has_changed_is_fetched_again_and_what_has_gone_goes(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(PLACE)
    counting = Counting(store, monkeypatch)
    store.pipe("/bucket/photos/a.png", b"FIRST")  # of the same size
    store.rm("/bucket/photos/b/c.png")
    assert unfetched(PLACE)
    fetch(PLACE)
    assert content(PLACE.local()) == {"a.png": b"FIRST"}
    assert counting.opened == ["/bucket/photos/a.png"]


def test_a_file_that_became_a_folder_and_back(store: Any) -> None:
    fetch(PLACE)
    store.rm("/bucket/photos/a.png")
    store.pipe("/bucket/photos/a.png/x", b"inside")
    assert content(fetched(URI)) == {"a.png/x": b"inside", "b/c.png": b"second"}
    store.rm("/bucket/photos/a.png", recursive=True)
    store.pipe("/bucket/photos/a.png", b"a file")
    assert content(fetched(URI)) == {"a.png": b"a file", "b/c.png": b"second"}


def test_files_that_somebody_put_into_the_copy_go(store: Any) -> None:
    fetch(PLACE)
    (PLACE.local() / "d.png").write_bytes(b"none of the source")
    assert unfetched(PLACE)
    assert "d.png" not in content(fetched(URI))


def test_a_stopped_fetch_is_no_smaller_data_set_and_goes_on(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patches:
        Counting(store, patches, breaks="c.png")
        with pytest.raises(DownloadError, match="gone"):
            fetch(PLACE)
        with pytest.raises(DataError, match="gone"):
            PLACE.local()
    counting = Counting(store, monkeypatch)
    fetch(PLACE)
    assert counting.opened == ["/bucket/photos/b/c.png"]
    assert len(content(PLACE.local())) == 2


def test_a_change_that_cannot_be_fetched_leaves_no_mixture(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(PLACE)
    store.pipe({"/bucket/photos/a.png": b"new", "/bucket/photos/b/c.png": b"new, too"})
    Counting(store, monkeypatch, breaks="c.png")
    with pytest.raises(DownloadError):
        fetch(PLACE)
    mirror._failed.clear()  # as in another process
    with pytest.raises(DataError):
        PLACE.local()


def test_a_large_file_goes_on_where_it_stopped(store: Any) -> None:
    data = bytes(range(256)) * 20_000
    store.pipe("/bucket/photos/a.png", data)
    part = beginning_of(store, "a.png")
    beginning = b"!" * 1000 + data[1000:3_000_000]
    part.write_bytes(beginning)
    assert content(fetched(URI))["a.png"] == beginning + data[3_000_000:]


def test_a_beginning_of_another_version_is_not_used(store: Any) -> None:
    beginning_of(store, "a.png").write_bytes(b"old")
    store.pipe("/bucket/photos/a.png", b"new one")
    assert content(fetched(URI))["a.png"] == b"new one"


def test_only_the_parts_that_are_read_are_fetched(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store.pipe({"/bucket/set/train/x": b"1", "/bucket/set/val/y": b"2", "/bucket/set/list.txt": b"3"})
    val, train = (Place("memory://bucket/set", (part, "list.txt", "absent")) for part in ("val", "train"))
    fetch(val)
    assert content(val.local()) == {"val/y": b"2", "list.txt": b"3"}
    with pytest.raises(DataError):
        train.local()
    fetch(train)
    monkeypatch.setenv("HSC_OFFLINE", "1")
    assert content(val.local()) == content(train.local()) == {"val/y": b"2", "train/x": b"1", "list.txt": b"3"}
    with pytest.raises(DataError, match="HSC_OFFLINE"):
        Place("memory://bucket/set").local()


def test_offline_the_copy_is_read_as_it_is(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(PLACE)
    store.rm("/bucket/photos", recursive=True)
    with pytest.raises(DataError, match="nothing at"):
        unfetched(PLACE)
    with pytest.raises(DataError, match="HSC_OFFLINE"):
        PLACE.local()
    mirror._failed.clear()
    monkeypatch.setenv("HSC_OFFLINE", "1")
    assert unfetched(PLACE) == ""
    assert len(content(fetched(URI))) == 2
    with pytest.raises(DownloadError, match="HSC_OFFLINE"):
        fetch(PLACE)


@pytest.mark.parametrize("name", ["../../evil", "b/../../evil", "b//evil"])
def test_names_that_lead_out_of_the_copy_are_refused(name: str, store: Any, tmp_path: Path) -> None:
    store.store[f"/bucket/photos/{name}"] = store.store["/bucket/photos/a.png"]
    with pytest.raises(DataError, match="evil"):
        fetch(PLACE)
    assert not list(tmp_path.rglob("*evil*"))


def test_a_part_that_leads_out_is_refused(store: Any) -> None:
    with pytest.raises(DataError, match="leads out"):
        fetch(Place(URI, ("../other",)))


def test_a_file_that_is_shorter_than_listed_is_refused(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(Place("memory://bucket/other"))
    plan = mirror._plan(PLACE)
    store.pipe("/bucket/photos/a.png", b"cut")
    mirror._planned[PLACE] = plan
    with pytest.raises(DownloadError, match="has 3 bytes"):
        fetch(PLACE)


def test_progress_counts_megabytes(store: Any) -> None:
    shown: list[tuple[str, int]] = []

    class Display:
        def begin(self, stage: str, total: int) -> None:
            shown.append((stage, total))

        def advance(self, cell: str, images: int) -> None:
            shown.append(("advance", images))

        def end(self) -> None:
            shown.append(("end", 0))

    store.pipe("/bucket/photos/a.png", bytes(3_500_000))
    with displayed(Display()):
        fetch(PLACE)
        fetch(PLACE)
    assert shown[0][1] == 3
    assert sum(count for kind, count in shown if kind == "advance") == 3
    assert [kind for kind, _ in shown].count("end") == 1


def test_a_web_folder_and_file(store: Any, tmp_path: Path) -> None:
    site = tmp_path / "site" / "photos"
    (site / "b").mkdir(parents=True)
    (site / "a picture.png").write_bytes(b"first")
    (site / "b" / "c.png").write_bytes(b"second")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None: ...

    handler = functools.partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}/photos"
        assert content(fetched(uri)) == {"a picture.png": b"first", "b/c.png": b"second"}
        assert unfetched(Place(uri)) == ""
        assert fetched(f"{uri}/b/c.png").read_bytes() == b"second"
        server.shutdown()
