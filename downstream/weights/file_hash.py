"""What decides a head's answer beside its config: the sha256 of its weights, kept while the file stays the same."""

from __future__ import annotations

from pathlib import Path

from hsc.errors import UnavailableError
from hsc.files.file_digests import sha256_of_file


def sha256_of(path: str | Path) -> str:
    """sha256 of a file, hexadecimal; read again only where the file may have changed.

    Raises:
        UnavailableError: there is no such file.
    """
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise UnavailableError(
            f"the weights {path} cannot be read: {error.strerror}; give the path of the file"
        ) from error
