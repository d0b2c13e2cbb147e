"""The sha256 of a weights file, kept as long as the file does not change."""

from __future__ import annotations

from pathlib import Path

from hsc.errors import UnavailableError
from hsc.files.file_digests import sha256_of_file


def sha256_of(path: str | Path) -> str:
    """The sha256 of a file, hexadecimal; the file is read again only if it may have changed.

    Raises:
        UnavailableError: the file is missing or cannot be read.
    """
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise UnavailableError(
            f"the weights {path} cannot be read: {error.strerror}; give the path of the file"
        ) from error
