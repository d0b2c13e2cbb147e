"""Arguments of commands that may be URIs, and the refusal of URIs in all others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.files.remote_paths import check_remote, is_remote, refuse_remote, without_file_scheme

FOLDERS: tuple[Any, ...]
"""The types of arguments that are folders or files."""


def out_folder(text: str) -> Path | str:
    """The type of an argument that names where results go: a path, or a URI, which stays a text."""
    return text if is_remote(text) else Path(without_file_scheme(text))


def run_folder(text: str) -> Path | str:
    """The type of an argument that names a finished run which is only read: a path, or a URI, which ``settle`` copies
    into the cache.
    """
    return out_folder(text)


FOLDERS = (Path, out_folder, run_folder)


def settle(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse URIs where only a path will do, and replace those of finished runs by the paths of their copies.

    Raises:
        UsageError: there is one that is refused, or cannot be read here.
        DownloadError, DataError: a run cannot be fetched.
    """
    for action in parser._actions:
        value = getattr(options, action.dest, None)
        if action.type is run_folder and value is not None:
            several = isinstance(value, list)
            paths = [_fetched(one, options) for one in (value if several else [value])]
            setattr(options, action.dest, paths if several else paths[0])
        elif action.type is out_folder or action.dest == "dataset":
            if isinstance(value, str):
                check_remote(value)
        else:
            for one in value if isinstance(value, list | tuple) else [value]:
                if isinstance(one, Path):  # which has made one slash of two
                    refuse_remote(str(one).replace(":/", "://", 1))
                elif isinstance(one, str):
                    refuse_remote(one)


def _fetched(folder: Path | str, options: argparse.Namespace) -> Path:
    if isinstance(folder, Path):
        return folder
    from benchmarks.files.mirror import fetched
    from benchmarks.harness.progress import Bar

    check_remote(folder)
    return fetched(folder, None if getattr(options, "quiet", False) else Bar())
