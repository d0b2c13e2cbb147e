"""Atomic writes: a file appears whole or not at all, and a failure leaves the old file as it was."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, of the same ending, that replaces ``path`` at the end of the block.

    After an error it is deleted instead. The file gets the usual permissions of new files, whatever the library that
    writes it chose.
    """
    # a random name, so that nobody can have planted a link under it
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part{path.suffix}")
    try:
        yield part
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
