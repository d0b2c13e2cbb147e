"""Reading files of a folder that somebody else may have made: as data, within bounds, through no link out of it.

A file is refused in one sentence if it is no plain file (a folder, a pipe, a device), lies elsewhere, or is larger than
that of any run.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hsc.errors import ResultsError

MAX_BYTES = 1 << 28
"""Size of one file of a run: about a million operating points."""


def exists(path: Path) -> bool:
    """Whether there is anything of that name, a broken link too."""
    return os.path.lexists(path)


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """A whole file.

    Raises:
        ResultsError: it is missing, no plain file, too large, or a link that leads out of its folder.
    """
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
            raise ResultsError(
                f"{path} is a link that leads out of the run's folder, and is not followed; put the file itself there"
            )
        # without O_NONBLOCK, opening a pipe waits for somebody to write into it
        with open(
            os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)), "rb"
        ) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ResultsError(
                    f"{path} cannot be read: it is {_kind(status.st_mode)}, expected a plain file; restore it or run "
                    f"again"
                )
            data = file.read(max_bytes + 1) if status.st_size <= max_bytes else b""
            if status.st_size > max_bytes or len(data) > max_bytes:
                raise ResultsError(
                    f"{path} is damaged: it has {max(status.st_size, len(data)):,} bytes, expected at most "
                    f"{max_bytes:,}; run again"
                )
            return data
    except FileNotFoundError as error:
        raise ResultsError(
            f"{path} is missing and cannot be read; name the folder that hsc-bench run wrote, or run it again"
        ) from error
    except RuntimeError as error:  # pathlib raises it for circular links before Python 3.13
        raise ResultsError(f"{path} cannot be read: {os.strerror(errno.ELOOP)}") from error
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}") from error


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """A whole file of UTF-8, line ends as they are.

    Raises:
        ResultsError: as ``read_bytes``, or it is not UTF-8.
    """
    try:
        return read_bytes(path, max_bytes).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ResultsError(
            f"{path} is damaged, it cannot be read as UTF-8: {error}; restore it or run again"
        ) from error


def read_json(path: Path, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """A file of JSON. parse_constant: as ``from_json``.

    Raises:
        ResultsError: as ``read_text``, or it is no JSON that a run writes.
    """
    try:
        return from_json(read_text(path), parse_constant)
    except ValueError as error:
        raise ResultsError(
            f"{path} is damaged, it is no JSON that a run writes: {error}; restore it or run again"
        ) from error


def from_json(text: str | bytes, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """JSON with numbers that fit floats and 64 bits, and with each name once an object.

    parse_constant: is given NaN, Infinity and -Infinity, which standard JSON lacks, as texts and returns their values;
    floats by default.

    Raises:
        ValueError: it is no JSON, holds a number out of range or a name twice, or is nested too deep.
    """
    try:
        return json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=parse_constant, object_pairs_hook=_once
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) >= 1 << 64:
        raise ValueError(f"a whole number of {len(digits)} digits, expected one of 64 bits")
    return number


def _finite(digits: str) -> float:
    if (number := float(digits)) in (float("inf"), float("-inf")):
        raise ValueError(f"the number {digits[:20]} is larger than any that a run writes")
    return number


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return values
