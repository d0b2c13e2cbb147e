"""A folder copied to a URI, so that whoever reads there never takes a part of it for the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.files.remote_paths import opened, unreached
from benchmarks.files.transfer import put_files
from hsc.errors import DownloadError
from hsc.weights.fetching import FetchDisplay


def read_at(uri: str, name: str, max_bytes: int) -> bytes | None:
    """The content of a file below a URI, or None where there is none.

    Raises:
        DownloadError: the place cannot be reached, or the file is larger.
    """
    filesystem, root = opened(uri)
    try:
        if not filesystem.exists(f"{root}/{name}"):
            return None
        with filesystem.open(f"{root}/{name}", "rb") as stream:
            data: bytes = stream.read(max_bytes + 1)
    except Exception as error:  # each protocol has errors of its own
        raise DownloadError(unreached(uri, error)) from error
    if len(data) > max_bytes:
        raise DownloadError(
            f"{uri}/{name} has more than {max_bytes:,} bytes, so it is none of a run's; name another place"
        )
    return data


def upload(
    folder: Path, uri: str, last: str, stale: Callable[[str], bool], progress: FetchDisplay | None = None
) -> int:
    """Copy the files of a folder to a URI; returns how many.

    last: the name of the file that makes a folder count as finished: it goes first there, and is put last. stale:
    whether a file there, by its name below the URI, goes where the folder has none of that name; others stay.

    Raises:
        DownloadError: something of it failed; ``folder`` is as it was.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    names = [path.relative_to(folder).as_posix() for path in paths]
    filesystem, root = opened(uri)
    try:
        there = {path[len(root) :].removeprefix("/") for path in _found(filesystem, root)}
        for name in sorted(there, key=lambda name: name != last):
            if name == last or (stale(name) and name not in names):
                filesystem.rm_file(f"{root}/{name}")
    except Exception as error:  # each protocol has errors of its own
        raise DownloadError(unreached(uri, error)) from error
    put_files(filesystem, folder, [name for name in names if name != last], root, uri, progress)
    put_files(filesystem, folder, [name for name in names if name == last], root, uri, None)
    return len(names)


def _found(filesystem: Any, root: str) -> Iterable[str]:
    found: Iterable[str] = filesystem.find(root) if filesystem.exists(root) else ()
    return found
