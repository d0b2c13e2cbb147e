"""Files that are written whole or not at all: a reader never meets half of one, and a failure leaves what was there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to, with the same ending; on leaving it takes ``path``'s place, on failure it
    goes.

    The file gets the permissions that new files get here, whatever the library that writes it chose.
    """
    part = path.with_name(
        f".{path.name}.{secrets.token_hex(8)}.part{path.suffix}"
    )  # a name that nobody can have planted a link under
    try:
        yield part
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file of UTF-8, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
