"""Places as URIs: told from paths, opened with the package fsspec, and refused where only a file system will do.

    "photos", "file:///data/photos" --> a path, as it is
    "s3://bucket/photos"            --> fsspec --> its file system and the path there

fsspec (BSD-3-Clause) is the extra ``remote``; the packages for the protocols are the user's choice (s3fs, gcsfs, ...),
and so are the credentials, which those packages look up themselves.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from hsc.errors import DownloadError, UsageError

_STORE = r"s3a?|gs|gcs|r2|oss|az|abfss?|adl|wasbs?|hdfs|webhdfs|hf|s?ftp|ssh|smb|memory"
_IN_STORE = re.compile(rf"\b(?:{_STORE})://[^\s'\",)]*", re.IGNORECASE)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://\S.*")
_IN_TEXT = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]+://[^\s'\",)]*")
_SECRET = re.compile(r"://[^/@]*:[^/@]*@")
_FILE = "file://"
_ELSE = "mount it or copy it to a file system that all machines of the run share, and give the path there"


def is_remote(place: object) -> bool:
    """Whether a place is a URI of anything but this machine's own files.

    >>> [is_remote(place) for place in ("s3://bucket/photos", "photos", "file:///photos", "s3:/x")]
    [True, False, False, False]
    """
    return isinstance(place, str) and bool(_URI.fullmatch(place)) and not place.lower().startswith(_FILE)


def plain_path(place: str) -> Path:
    """The path that a text names which is no remote place; ``file://`` before it is left out.

    >>> plain_path("file:///data/photos").as_posix()
    '/data/photos'
    """
    return Path(without_file_scheme(place)).expanduser()


def without_file_scheme(place: str) -> str:
    """A place without ``file://``, where it begins so."""
    return place[len(_FILE) :] if place.lower().startswith(_FILE) else place


def joined(place: str, name: str) -> str:
    """The place of a name below another place, which may be a path or a URI.

    >>> joined("s3://bucket/data", "camvid")
    's3://bucket/data/camvid'
    """
    return f"{place.rstrip('/')}/{name}" if is_remote(place) else str(Path(place, name))


def last_name(uri: str) -> str:
    """The last name of a URI that a folder can have here.

    >>> last_name("s3://bucket/photos/"), last_name("https://a.example/..")
    ('photos', 'remote')
    """
    name = uri.partition("://")[2].rstrip("/").rpartition("/")[2]
    return name if safe_name(name) and not re.search(r"[?#:]", name) else "remote"


def safe_name(name: str) -> bool:
    """Whether a path that comes from elsewhere names something below the folder that it is put into.

    >>> safe_name("a/b.png"), safe_name("../b.png"), safe_name("a//b.png"), safe_name("/etc/passwd")
    (True, False, False, False)
    """
    if re.search(r"[\0\\]", name) or len(name.encode("utf-8", "surrogateescape")) > 4000:
        return False
    return not PurePosixPath(name).is_absolute() and not {"", ".", ".."} & set(name.split("/"))


def refuse_remote(text: str) -> None:
    """Refuse a text, such as a spec or the argument of an option, that names a place in an object store.

    >>> refuse_remote("images(path=photos)")

    Raises:
        UsageError: it does.
    """
    if place := _IN_STORE.search(text):
        raise UsageError(
            f"{place[0]!r} lies in an object store, and only data sets, --out and the folders of finished runs are "
            f"read or written there; {_ELSE}"
        )


def check_remote(text: str) -> None:
    """Refuse a text, such as the spec of a data set, with a URI that cannot be read here, or that holds a password.

    Nothing is connected to.

    Raises:
        UsageError: it does.
    """
    for place in _IN_TEXT.findall(text):
        if is_remote(place):
            _require(place)


def _require(uri: str) -> None:
    """Check that the packages for a URI are installed. Raises UsageError."""
    if _SECRET.search(uri):
        raise UsageError(
            f"the URI of {last_name(uri)!r} holds a password, which the run's files would show; leave it out, and set "
            f"it where the protocol's package looks for credentials"
        )
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(
            f"{uri!r} is read with the package fsspec, which is not installed; pip install 'hsc-bench[remote]', or "
            f"{_ELSE}"
        ) from error
    try:
        fsspec.get_filesystem_class(uri.partition("://")[0].lower())
    except (ImportError, ValueError) as error:
        raise UsageError(f"{uri!r} cannot be read here ({error}); install that package, or {_ELSE}") from error


def opened(uri: str) -> tuple[Any, str]:
    """The file system of a URI, as fsspec has it, and the path there. Listings of before are forgotten.

    Raises:
        UsageError: as ``check_remote``.
        DownloadError: the file system cannot be used, such as without credentials.
    """
    _require(uri)
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
        filesystem.invalidate_cache()
    except Exception as error:  # each protocol has errors of its own
        raise DownloadError(unreached(uri, error)) from error
    return filesystem, str(path).rstrip("/")


def unreached(uri: str, error: Exception) -> str:
    """A sentence on an error of a protocol's package, of whatever type."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return f"cannot reach {uri} ({reason}); check its name, the network and the credentials"
