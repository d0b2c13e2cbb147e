"""What decides a head's answer beside its config: the sha256 of its weights, kept while the file stays the same."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from hsc.errors import UnavailableError


def sha256_of(path: str | Path) -> str:
    """sha256 of a file, hexadecimal.

    Raises:
        UnavailableError: there is no such file.
    """
    try:
        status = Path(path).stat()
    except OSError as error:
        raise UnavailableError(f"the weights {path} cannot be read: {error.strerror}; give the path of the file") from error
    return _digest(str(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _digest(path: str, size_bytes: int, changed_ns: int) -> str:
    """Size and time of change stand in the key, so that a file replaced under the same name is read again."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
