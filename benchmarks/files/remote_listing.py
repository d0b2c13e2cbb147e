"""What lies at a URI: the files below it, each with the facts by which a change shows."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.files.remote_paths import safe_name
from hsc.errors import DataError

_CHECKSUMS = ("ETag", "etag", "md5Hash", "crc32c", "Content-MD5", "Digest", "checksum", "blob_id", "sha")
_TIMES = ("LastModified", "last_modified", "Last-Modified", "mtime", "modified", "updated", "created")


class RemoteFile(NamedTuple):
    """A file elsewhere. name: below the place, with slashes; "" where the place is this file. path: as its file system
    has it. size_bytes: None where it is not stated. version: a checksum or time, as the file system states it; may be
    empty.
    """

    name: str
    path: str
    size_bytes: int | None
    version: str

    @property
    def facts(self) -> list[int | str | None]:
        """What changes where the file changes, for JSON."""
        return [self.size_bytes, self.version]


def listed(filesystem: Any, root: str, parts: Sequence[str], uri: str) -> list[RemoteFile]:
    """The files below ``root``, in the order of their names, or the one that it is.

    parts: names below it, of folders or files, which are all that is listed; "" for everything. Those that are not
    there are left out.

    Raises:
        DataError: there is nothing, or a name leads out of the folder that it would be put into.
        Exception: whatever the file system raises where it cannot be reached.
    """
    files: dict[str, RemoteFile] = {}
    for part in parts:
        path = f"{root}/{part}" if part else root
        if filesystem.isdir(path):
            found: Mapping[str, Mapping[str, Any]] = filesystem.find(path, detail=True)
        elif filesystem.exists(path):
            found = {path: filesystem.info(path)}
        else:
            continue
        for file in _files(filesystem, found, root, uri):
            files[file.name] = file
    if not files:
        where = " or ".join(part for part in parts if part)
        raise DataError(f"there is nothing at {uri}{f' below {where}' if where else ''}; check the name")
    return [files[name] for name in sorted(files)]


def _files(filesystem: Any, found: Mapping[str, Mapping[str, Any]], root: str, uri: str) -> Iterator[RemoteFile]:
    web = root.startswith(("http://", "https://"))
    for path, stated in found.items():
        below = path[len(root) :].removeprefix("/") if path.startswith(root) else f"/{path}"
        if web and ("?" in below or "#" in below):
            continue  # links of an index page that sort it
        if below.endswith("/") or stated.get("type") == "directory":
            continue  # a folder's mark
        name = urllib.parse.unquote(below) if web else below
        if name and not safe_name(name):
            raise DataError(f"the name {name[:200]!r} at {uri} leads out of the folder that it is copied to; rename it")
        facts = filesystem.info(path) if stated.get("size") is None else stated
        size = facts.get("size")
        version = next((str(facts[key]) for key in (*_CHECKSUMS, *_TIMES) if facts.get(key)), "")
        yield RemoteFile(name, path, size if isinstance(size, int) else None, version)
