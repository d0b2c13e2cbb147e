"""Download a file once, verify its checksum, and keep it in the cache folder.

    url --> NAME.part (grows, can be resumed) --sha256 agrees--> NAME      in the cache folder

Switches: HSC_CACHE names the cache folder (default ~/.cache/hsc), HSC_OFFLINE=1 forbids the network.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import logging
import os
import re
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from hsc.errors import DownloadError

Algorithm = Literal["sha256", "md5"]

_BLOCK = 1 << 20
_TIMEOUT_S = 30
_DIGITS = {"sha256": (8, 64), "md5": (6, 32)}
"""How many hex digits a checksum has, at least and in whole."""
_offline_blocks: list[None] = []  # one entry for each open block of ``without_network``
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The folder of downloaded files: HSC_CACHE, else hsc below XDG_CACHE_HOME or ~/.cache."""
    given = os.environ.get("HSC_CACHE")
    return (
        Path(given).expanduser() if given else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hsc"
    )


def offline() -> bool:
    """True where HSC_OFFLINE or an open block of ``without_network`` forbids the network."""
    return bool(_offline_blocks) or os.environ.get("HSC_OFFLINE", "").lower() not in ("", "0", "false", "no")


@contextlib.contextmanager
def without_network() -> Iterator[None]:
    """Forbid the network in this process, as HSC_OFFLINE does, until the end of the block; blocks may be nested."""
    _offline_blocks.append(None)
    try:
        yield
    finally:
        _offline_blocks.pop()


def cached(name: str) -> Path | None:
    """The cached file of a name, or None if it was never downloaded. Its checksum was verified on download."""
    path = cache_folder() / name
    return path if path.is_file() else None


def fetch_file(
    url: str, digest: str, name: str, *, size_bytes: int | None = None, algorithm: Algorithm = "sha256"
) -> Path:
    """The file at ``url``, from the cache or downloaded now.

    digest: checksum of the file, 64 hex digits; at least the first eight where its publisher states no more. algorithm:
    of the checksum; "md5", of which six digits are enough, tells damage and another version but not a forgery, so it is
    for publishers that state nothing else. name: path below the cache folder ("coco/val2017.zip"). size_bytes: the
    expected length, to refuse a wrong file early. An interrupted download resumes where it stopped; of several
    processes that need the same file, one downloads it and the others wait.

    Raises:
        DownloadError: HSC_OFFLINE is set, the server cannot be reached, or the checksum differs.
    """
    least, most = _DIGITS[algorithm]
    if not least <= len(digest) <= most or not re.fullmatch(r"[0-9a-f]+", digest):
        raise DownloadError(
            f"the checksum of {name!r} came as {digest!r}, expected {least} to {most} hex digits of its {algorithm}"
        )
    path = cached(name)
    if path:
        return path if is_ours(path) else _verified(path, digest, algorithm)
    target = cache_folder() / name
    if offline():
        raise DownloadError(
            f"{name!r} is not in the cache and HSC_OFFLINE is set; unset it, or put {url} at {target} yourself"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target):
            if not target.is_file():
                part = _own_name(target.with_name(target.name + ".part"))
                _transfer(url, part, size_bytes)
                _verify(part, digest, url, algorithm)
                part.replace(target)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{url} answered {error.code} {error.reason}; put the file at {target} yourself") from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            f"cannot download {url}: {error or type(error).__name__}; check the network and try again, or put the "
            f"file at {target} yourself"
        ) from error
    return target


@contextlib.contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the lock of a file or folder, ``NAME.lock`` beside it, if the system has locks.

    The lock ends with the process, so none is left behind.
    """
    with _open_own(_own_name(target.with_name(target.name + ".lock")), "ab") as lock:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_ours(path: Path) -> bool:
    """Whether a file belongs to this user or to root; in a shared cache folder, other users' files are not trusted."""
    if not hasattr(os, "geteuid"):  # Windows
        return True
    try:
        return {path.lstat().st_uid, path.stat().st_uid} <= {os.geteuid(), 0}
    except OSError:
        return False


def _verified(path: Path, expected: str, algorithm: Algorithm) -> Path:
    """Another user's file, once its checksum is verified."""
    digest = _digest_of(path, algorithm)
    if not digest.startswith(expected):
        raise DownloadError(
            f"{path} is another user's and has the {algorithm} {digest}, expected {expected}; remove it, or name your "
            f"own folder in HSC_CACHE"
        )
    return path


def _digest_of(path: Path, algorithm: Algorithm) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _own_name(path: Path) -> Path:
    """``path``, or this user's name beside it if ``path`` is a link or another user's file."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return path
    return path if _is_own(status) else path.with_name(f"{path.name}-{os.geteuid()}")


def _is_own(status: os.stat_result) -> bool:
    """Whether the status is that of this user's plain file with a single name."""
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_nlink == 1
        and (not hasattr(os, "geteuid") or status.st_uid == os.geteuid())
    )


def _open_own(path: Path, mode: Literal["ab", "wb"]) -> BinaryIO:
    """Open a file for writing under a predictable name, without following links or writing other users' files.

    Raises:
        DownloadError: the path exists and is not this user's own plain file.
    """
    flags = (
        os.O_WRONLY
        | os.O_CREAT
        | getattr(os, "O_NOFOLLOW", 0)
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_BINARY", 0)
    )
    refusal = (
        f"{path} is a link or another user's file, and is not written to; remove it, or name your own folder in "
        f"HSC_CACHE"
    )
    try:
        descriptor = os.open(path, flags | (os.O_APPEND if mode == "ab" else 0), 0o666)
    except OSError as error:
        raise (DownloadError(refusal) if path.is_symlink() or path.exists() else error) from error
    if not _is_own(os.fstat(descriptor)):
        os.close(descriptor)
        raise DownloadError(refusal)
    if mode == "wb":
        os.ftruncate(descriptor, 0)
    return os.fdopen(descriptor, mode)


def _transfer(url: str, part: Path, size_bytes: int | None) -> None:
    """Append the missing bytes to ``part``; start over if the server cannot resume."""
    done_bytes = part.stat().st_size if part.exists() else 0
    if size_bytes is not None and done_bytes >= size_bytes:
        if done_bytes == size_bytes:
            return
        done_bytes = 0
    request = urllib.request.Request(
        url, headers={"User-Agent": "hsc-bench"} | ({"Range": f"bytes={done_bytes}-"} if done_bytes else {})
    )
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and done_bytes:
            error.close()
            return  # the part is complete or wrong, which the checksum will show
        raise
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        with _open_own(part, "ab" if resumed else "wb") as out:
            _log.info("fetching %s%s", url, f" from byte {done_bytes}" if resumed else "")
            _copy(response, out, done_bytes if resumed else 0, size_bytes, url)


def _copy(response: http.client.HTTPResponse, out: BinaryIO, done_bytes: int, size_bytes: int | None, url: str) -> None:
    stated = response.headers.get("Content-Length")
    expected = done_bytes + int(stated) if stated and stated.isdigit() else size_bytes
    if size_bytes is not None and expected is not None and expected != size_bytes:
        raise DownloadError(f"{url} offers {expected} bytes, expected {size_bytes}; it is another version of the file")
    while block := response.read(_BLOCK):
        done_bytes += len(block)
        if expected is not None and done_bytes > expected:
            raise DownloadError(f"{url} sent more than the {expected} bytes it announced")
        out.write(block)
    if expected is not None and done_bytes < expected:
        raise OSError(
            f"the connection closed after {done_bytes} of {expected} bytes; the next attempt resumes from there"
        )


def _verify(part: Path, expected: str, url: str, algorithm: Algorithm) -> None:
    """Check a finished download; delete it and raise DownloadError if its checksum differs."""
    digest = _digest_of(part, algorithm)
    if not digest.startswith(expected):
        part.unlink()
        raise DownloadError(
            f"{url} has the {algorithm} {digest}, expected {expected}; it is damaged or another version, and was "
            f"deleted: try again"
        )
