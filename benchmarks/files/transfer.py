"""Files brought here from a file system of fsspec, and put there: several at once.

file elsewhere --> UNFINISHED/HASH (grows, can be resumed) --size agrees--> its place
file here --> its place elsewhere
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.files.remote_listing import RemoteFile
from benchmarks.files.remote_paths import unreached
from hsc.errors import DownloadError
from hsc.weights.fetching import FetchDisplay

T = TypeVar("T")

_BLOCK = 1 << 20
_THREADS = 16
"""Files at once, where the protocol's package serves several: small ones wait for the network most of the time."""
_SHOWN_S = 0.2
_MB = 1_000_000


@dataclass
class _Shown:
    """What is shown of a transfer. done_bytes: fetched so far, counted by several threads."""

    progress: FetchDisplay | None
    done_bytes: int = 0
    shown_mb: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size_bytes: int) -> None:
        with self.lock:
            self.done_bytes += size_bytes
        if self.stopped.is_set():
            raise DownloadError("the transfer was stopped; run the same line again to go on")

    def show(self) -> None:
        new_mb = self.done_bytes // _MB - self.shown_mb
        if self.progress and new_mb:
            self.shown_mb += new_mb
            self.progress.advance("", new_mb)


def fetch_files(
    filesystem: Any,
    files: Sequence[RemoteFile],
    place_of: Callable[[RemoteFile], Path],
    unfinished: Path,
    uri: str,
    progress: FetchDisplay | None,
) -> Iterator[RemoteFile]:
    """Fetch files; each is yielded once it is in its place. unfinished: a folder for their beginnings, which is kept.

    Raises:
        DownloadError: a file cannot be read, or changes meanwhile.
        OSError: a file cannot be written.
    """

    def work(file: RemoteFile, shown: _Shown) -> None:
        _fetch(filesystem, file, place_of(file), unfinished, uri, shown)

    size_bytes = sum(file.size_bytes or 0 for file in files)
    yield from _at_once(filesystem, files, work, f"fetching {len(files)} files, MB", size_bytes, progress)


def put_files(
    filesystem: Any, folder: Path, names: Sequence[str], root: str, uri: str, progress: FetchDisplay | None
) -> None:
    """Put files of a folder below ``root`` of a file system, where they replace those of their names.

    Raises:
        DownloadError: one cannot be put there.
    """

    def work(name: str, shown: _Shown) -> None:
        target = f"{root}/{name}"
        try:
            try:
                filesystem.put_file(str(folder / name), target)
            except FileNotFoundError:
                if not filesystem.exists(root[: root.find("/", 1)] if "/" in root[1:] else root):
                    raise  # a bucket of another name is nothing to be made
                filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
                filesystem.put_file(str(folder / name), target)
            written = filesystem.info(target).get("size")
        except Exception as error:  # each protocol has errors of its own
            raise DownloadError(unreached(f"{uri}/{name}", error)) from error
        size_bytes = (folder / name).stat().st_size
        if written not in (None, size_bytes):
            raise DownloadError(f"{uri}/{name} has {written:,} bytes, expected {size_bytes:,}")
        shown.add(size_bytes)

    size_bytes = sum((folder / name).stat().st_size for name in names)
    for _ in _at_once(filesystem, names, work, f"copying {len(names)} files, MB", size_bytes, progress):
        pass


def _at_once(
    filesystem: Any,
    items: Sequence[T],
    work: Callable[[T, _Shown], None],
    stage: str,
    size_bytes: int,
    progress: FetchDisplay | None,
) -> Iterator[T]:
    """The items as their ``work`` is done. Threads are for packages that serve them (``async_impl`` of fsspec)."""
    threads = _THREADS if getattr(filesystem, "async_impl", False) else 1
    shown, waiting, pending = _Shown(progress), iter(items), dict[Future[None], T]()
    if progress and items:
        progress.begin(stage, max(1, size_bytes // _MB))
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                while len(pending) < 2 * threads and (item := next(waiting, None)) is not None:
                    pending[pool.submit(work, item, shown)] = item
                if not pending:
                    break
                done, _ = wait(pending, timeout=_SHOWN_S, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda future: future.exception() is not None):  # failures last
                    future.result()
                    yield pending.pop(future)
                shown.show()
        finally:
            shown.stopped.set()
            pool.shutdown(cancel_futures=True)
            if progress and items:
                progress.end()


def unfinished_name(file: RemoteFile) -> str:
    """The name of a file's beginning: another one for another version of it."""
    return hashlib.sha256(f"{file.name}\0{file.facts}".encode("utf-8", "surrogateescape")).hexdigest()


def _fetch(filesystem: Any, file: RemoteFile, place: Path, unfinished: Path, uri: str, shown: _Shown) -> None:
    part = unfinished / unfinished_name(file)
    try:
        stream = filesystem.open(file.path, "rb")
    except Exception as error:  # each protocol has errors of its own
        raise DownloadError(unreached(f"{uri}: {file.name}", error)) from error
    with stream, part.open("ab") as out:
        _seek(stream, out, file)
        shown.add(out.tell())
        while block := _read(stream, f"{uri}: {file.name}"):
            out.write(block)
            shown.add(len(block))
        size_bytes = out.tell()
    if file.size_bytes not in (None, size_bytes):
        part.unlink()
        raise DownloadError(
            f"{file.name or 'the file'} at {uri} has {size_bytes:,} bytes, its listing said {file.size_bytes:,}; it "
            f"may have changed meanwhile: run the same line again"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    part.replace(place)


def _seek(stream: Any, out: Any, file: RemoteFile) -> None:
    """Go on after what is here of the file; start again where that cannot be told, or the stream cannot seek."""
    if done_bytes := out.tell():
        if file.version and file.size_bytes is not None and done_bytes <= file.size_bytes:
            with contextlib.suppress(ValueError, OSError, NotImplementedError):
                stream.seek(done_bytes)
                return
        out.truncate(0)


def _read(stream: Any, name: str) -> bytes:
    try:
        data: bytes = stream.read(_BLOCK)
    except Exception as error:  # each protocol has errors of its own
        raise DownloadError(unreached(name, error)) from error
    return data
