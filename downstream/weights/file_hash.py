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


def why_not_file(path: Path, noun: str, sha256_start: str, cure: str) -> str | None:
    """None if a file of weights is there and is the right one, else one sentence with the reason and the cure.

    noun: whose weights they are, such as "Inception's". sha256_start: the first digits of the right file's sha256.
    """
    if not path.is_file():
        return f"{noun} weights are missing ({path.name}) and are not downloaded automatically; {cure}"
    sha256 = sha256_of(path)
    if sha256.startswith(sha256_start):
        return None
    return f"{path.name} is not {noun} weights: its sha256 begins {sha256[:8]}, expected {sha256_start}"
