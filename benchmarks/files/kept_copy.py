"""The copy of a URI in the cache folder, and what is known of it.

CACHE/remote/HASH/photos/...     the folder, or the one file
CACHE/remote/HASH.files.json     name -> size and version of each file when it was fetched
CACHE/remote/HASH.whole.json     the parts that are complete
CACHE/remote/HASH.unfinished/    beginnings of files
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.files.remote_listing import RemoteFile
from benchmarks.files.remote_paths import last_name
from benchmarks.files.transfer import fetch_files
from hsc.files.atomic_files import write_text
from hsc.weights.download import cache_folder
from hsc.weights.fetching import FetchDisplay

_KEPT_EVERY = 1000
"""Files between two writes of their facts, so that a process that is killed has few of them fetched again."""


@dataclass(frozen=True)
class KeptCopy:
    """The copy of ``uri``. Parts are names below it; "" is everything."""

    uri: str

    @property
    def folder(self) -> Path:
        """The folder that holds nothing but the copy."""
        return cache_folder() / "remote" / hashlib.sha256(self.uri.rstrip("/").encode()).hexdigest()[:16]

    @property
    def path(self) -> Path:
        """The folder, or the file, that is as the one at the URI."""
        return self.folder / last_name(self.uri)

    def is_whole(self, parts: Iterable[str]) -> bool:
        """Whether these parts are as their source was when they were fetched."""
        whole = self._whole()
        return "" in whole or set(parts) <= whole

    def missing(self, files: Iterable[RemoteFile]) -> list[RemoteFile]:
        """The files that are not here, or here in another version."""
        facts = _json(self._beside("files"))
        return [file for file in files if facts.get(file.name) != file.facts or not self._holds(file)]

    def strangers(self, files: Iterable[RemoteFile], parts: Sequence[str]) -> list[Path]:
        """Files in these parts of the copy that its source does not have, or has no more."""
        known = {self._place_of(file) for file in files}
        return [path for part in parts for path in _files_below(self._below(part)) if path not in known]

    def update(
        self, filesystem: Any, files: Sequence[RemoteFile], parts: Sequence[str], progress: FetchDisplay | None
    ) -> None:
        """Make parts as their source is. files: all that it has in them. Until it is done, they do not count as whole.

        Raises:
            DownloadError: a file cannot be fetched; those fetched before are kept.
            OSError: a file cannot be written.
        """
        missing, strangers = self.missing(files), self.strangers(files, parts)
        if missing or strangers:
            self._set_whole({part for part in self._whole() if not any(_meet(part, other) for other in parts)})
        for path in strangers:
            path.unlink()
        if strangers:
            _remove_empty(self.folder)
        facts = _json(self._beside("files"))
        unfinished = self.folder.with_name(f"{self.folder.name}.unfinished")
        unfinished.mkdir(exist_ok=True)

        def keep() -> None:
            write_text(self._beside("files"), json.dumps(facts))

        try:
            for file in fetch_files(filesystem, missing, self._place_of, unfinished, self.uri, progress):
                facts[file.name] = file.facts
                if len(facts) % _KEPT_EVERY == 0:
                    keep()
        finally:
            keep()
        shutil.rmtree(unfinished, ignore_errors=True)
        self._set_whole(self._whole() | set(parts))

    def _below(self, name: str) -> Path:
        return self.path / name if name else self.path

    def _place_of(self, file: RemoteFile) -> Path:
        return self._below(file.name)

    def _holds(self, file: RemoteFile) -> bool:
        try:
            return file.size_bytes in (None, self._place_of(file).stat().st_size)
        except OSError:
            return False

    def _beside(self, holds: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{holds}.json")

    def _whole(self) -> set[str]:
        return set(_json(self._beside("whole")).get("parts", []))

    def _set_whole(self, parts: set[str]) -> None:
        write_text(self._beside("whole"), json.dumps({"uri": self.uri, "parts": sorted(parts)}))


def _files_below(root: Path) -> Iterator[Path]:
    """The file ``root``, or every file below the folder."""
    if root.is_file():
        yield root
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names)


def _remove_empty(root: Path) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    root.mkdir(exist_ok=True)


def _meet(part: str, other: str) -> bool:
    """Whether one of two parts lies within the other."""
    first, second = (f"{name}/" if name else "" for name in (part, other))
    return first.startswith(second) or second.startswith(first)


def _json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of the cache; empty where there is none."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
