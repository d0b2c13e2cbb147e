"""Fetch a file once, prove it is the right one, keep it.

    url --> NAME.part (grows, is resumed) --sha256 agrees--> NAME      in the cache folder

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

_BLOCK = 1 << 20
_TIMEOUT_S = 30
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where fetched files are kept: HSC_CACHE, else hsc below XDG_CACHE_HOME or ~/.cache."""
    given = os.environ.get("HSC_CACHE")
    return (
        Path(given).expanduser() if given else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hsc"
    )


def offline() -> bool:
    """True where HSC_OFFLINE forbids the network."""
    return os.environ.get("HSC_OFFLINE", "").lower() not in ("", "0", "false", "no")


def cached(name: str) -> Path | None:
    """The kept file of that name, or None where it was never fetched. Its checksum was proven when it came."""
    path = cache_folder() / name
    return path if path.is_file() else None


def fetch_file(url: str, sha256: str, name: str, *, size_bytes: int | None = None) -> Path:
    """The file at ``url``, from the cache or fetched now.

    sha256: 64 hex digits the bytes must have. name: path below the cache folder ("coco/val2017.zip"). size_bytes: the
    expected length, to refuse a wrong file early. A fetch that broke off goes on where it stopped; of several processes
    that want the same file one fetches and the others wait.

    Raises:
        DownloadError: HSC_OFFLINE is set, the server cannot be reached, or the bytes are not the pinned ones.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise DownloadError(f"the checksum of {name!r} came as {sha256!r}, expected 64 hex digits of a sha256")
    known = cached(name)
    if known:
        return known if is_ours(known) else _proven(known, sha256)
    target = cache_folder() / name
    if offline():
        raise DownloadError(
            f"{name!r} is not in the cache and HSC_OFFLINE is set; unset it, or put {url} at {target} yourself"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if not target.is_file():
                part = _own_name(target.with_name(target.name + ".part"))
                _transfer(url, part, size_bytes)
                _prove(part, sha256, url)
                part.replace(target)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{url} answered {error.code} {error.reason}; put the file at {target} yourself") from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            f"cannot fetch {url}: {error or type(error).__name__}; check the network and try again, or put the file "
            f"at {target} yourself"
        ) from error
    return target


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the file's lock, where the system has locks; it goes with the process, so none is ever left behind."""
    with _open_own(_own_name(target.with_name(target.name + ".lock")), "ab") as lock:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_ours(path: Path) -> bool:
    """Whether a file was put there by this user or the system's own: in a cache folder that several share, others'
    files are not to be trusted.
    """
    if not hasattr(os, "geteuid"):
        return True
    try:
        return {path.lstat().st_uid, path.stat().st_uid} <= {os.geteuid(), 0}
    except OSError:
        return False


def _proven(path: Path, sha256: str) -> Path:
    """Another user's file, if it is the right one."""
    with path.open("rb") as file:
        came = hashlib.file_digest(file, "sha256").hexdigest()
    if came != sha256:
        raise DownloadError(
            f"{path} is another user's and has the sha256 {came}, expected {sha256}; remove it, or name your own "
            f"folder in HSC_CACHE"
        )
    return path


def _own_name(path: Path) -> Path:
    """``path``, or a name of this user's beside it where something lies that this user did not write: another's file,
    or a link.
    """
    try:
        about = path.lstat()
    except FileNotFoundError:
        return path
    return path if _is_own(about) else path.with_name(f"{path.name}-{os.geteuid()}")


def _is_own(about: os.stat_result) -> bool:
    """A plain file of this user's, under one name alone."""
    return (
        stat.S_ISREG(about.st_mode)
        and about.st_nlink == 1
        and (not hasattr(os, "geteuid") or about.st_uid == os.geteuid())
    )


def _open_own(path: Path, mode: Literal["ab", "wb"]) -> BinaryIO:
    """Open a file to write whose name others can foresee: in a shared folder no link of theirs is followed, and no file
    of theirs written.

    Raises:
        DownloadError: what lies there is not this user's own plain file.
    """
    flags = (
        os.O_WRONLY
        | os.O_CREAT
        | getattr(os, "O_NOFOLLOW", 0)
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_BINARY", 0)
    )
    foreign = (
        f"{path} is a link or another user's file, and is not written to; remove it, or name your own folder in "
        f"HSC_CACHE"
    )
    try:
        number = os.open(path, flags | (os.O_APPEND if mode == "ab" else 0), 0o666)
    except OSError as error:
        raise (DownloadError(foreign) if path.is_symlink() or path.exists() else error) from error
    if not _is_own(os.fstat(number)):
        os.close(number)
        raise DownloadError(foreign)
    if mode == "wb":
        os.ftruncate(number, 0)
    return os.fdopen(number, mode)


def _transfer(url: str, part: Path, size_bytes: int | None) -> None:
    """Append what is missing to ``part``; start over where the server does not resume."""
    have = part.stat().st_size if part.exists() else 0
    if size_bytes is not None and have >= size_bytes:
        if have == size_bytes:
            return
        have = 0
    request = urllib.request.Request(
        url, headers={"User-Agent": "hsc-bench"} | ({"Range": f"bytes={have}-"} if have else {})
    )
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            error.close()
            return  # the part is whole already, or wrong: the checksum tells
        raise
    with answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        with _open_own(part, "ab" if resumed else "wb") as out:
            _log.info("fetching %s%s", url, f" from byte {have}" if resumed else "")
            _copy(answer, out, have if resumed else 0, size_bytes, url)


def _copy(answer: http.client.HTTPResponse, out: BinaryIO, have: int, size_bytes: int | None, url: str) -> None:
    stated = answer.headers.get("Content-Length")
    expected = have + int(stated) if stated and stated.isdigit() else size_bytes
    if size_bytes is not None and expected is not None and expected != size_bytes:
        raise DownloadError(f"{url} offers {expected} bytes, expected {size_bytes}; it is another version of the file")
    while block := answer.read(_BLOCK):
        have += len(block)
        if expected is not None and have > expected:
            raise DownloadError(f"{url} sent more than the {expected} bytes it announced")
        out.write(block)
    if expected is not None and have < expected:
        raise OSError(f"the connection closed after {have} of {expected} bytes; what came is kept")


def _prove(part: Path, sha256: str, url: str) -> None:
    with part.open("rb") as file:
        came = hashlib.file_digest(file, "sha256").hexdigest()
    if came != sha256:
        part.unlink()
        raise DownloadError(
            f"{url} has the sha256 {came}, expected {sha256}; it is damaged or another version, and was deleted: try "
            f"again"
        )
