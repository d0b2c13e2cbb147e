"""Copies in the cache folder of data that lie elsewhere: fetched before a run by one process, and read as local files.

    s3://bucket/photos --list--> files and their facts --fetch what is new--> CACHE/remote/HASH/photos/...

A copy is as its source was when it was fetched last: files that have changed there (size, and checksum or time) are
fetched again, and those that have gone are removed. It counts as whole only then, so a fetch that was stopped is never
read as a smaller data set; the next one goes on where it stopped. With HSC_OFFLINE the copy is read as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.files.kept_copy import KeptCopy
from benchmarks.files.remote_listing import RemoteFile, listed
from benchmarks.files.remote_paths import is_remote, opened, plain_path, safe_name, unreached
from hsc.errors import DataError, DownloadError, HscError, UsageError
from hsc.weights.download import is_ours, locked, offline
from hsc.weights.fetching import FetchDisplay, display, displayed, would_download


@dataclass(frozen=True)
class Place:
    """A folder or file that a data set reads. uri: a path, or a URI.

    parts: names below it that are read; only these are fetched. ("",) is everything.
    """

    uri: str
    parts: tuple[str, ...] = ("",)

    def local(self) -> Path:
        """The path to read: the place itself, or its copy in the cache. Nothing is fetched.

        Raises:
            DataError: there is no whole copy.
        """
        if not is_remote(self.uri):
            return plain_path(self.uri)
        if reason := _failed.get(self):
            raise DataError(reason)
        copy = KeptCopy(self.uri)
        if not copy.is_whole(self.parts):
            cure = (
                " and HSC_OFFLINE is set; unset it"
                if offline()
                else "; hsc-bench run fetches it, into a folder (HSC_CACHE) that all machines of a run share"
            )
            raise DataError(f"{self.uri} is not, or not as a whole, in the cache folder{cure}")
        return copy.path


class ReadsPlaces:
    """Base class of data sets whose paths may be URIs: it makes them ``hsc.weights.fetching.Fetches``."""

    def places(self) -> Sequence[Place]:
        """The folders and files that the data set reads."""
        raise NotImplementedError

    def unfetched(self) -> str:
        """What a fetch would download, as a sentence; empty for paths, and for copies that are as their source is.

        The source is asked for its list of files, unless HSC_OFFLINE forbids it.

        Raises:
            DownloadError: it cannot be reached.
            DataError: there is nothing.
        """
        sentences = [unfetched(place) for place in self.places()]
        return "; ".join(sentence for sentence in sentences if sentence)

    def fetch(self) -> None:
        """Bring the files here.

        Raises:
            DownloadError: the source cannot be reached, or the disk is full.
            DataError: as ``unfetched``.
        """
        for place in self.places():
            fetch(place)


class _Plan(NamedTuple):
    """A place as it is now: all of its files."""

    filesystem: Any
    files: list[RemoteFile]


_planned: dict[Place, _Plan] = {}
"""Plans that were made for ``unfetched`` and not carried out yet."""
_failed: dict[Place, str] = {}
"""Why the last fetch of a place failed, in this process."""


def unfetched(place: Place) -> str:
    """As ``ReadsPlaces.unfetched``, of one place."""
    if not is_remote(place.uri) or offline():
        return ""
    with _failures_kept(place):
        plan, copy = _plan(place), KeptCopy(place.uri)
        missing = copy.missing(plan.files)
        if not missing and copy.is_whole(place.parts) and not copy.strangers(plan.files, place.parts):
            return ""
        _planned[place] = plan
        return would_download(sum(file.size_bytes or 0 for file in missing), place.uri)


def fetch(place: Place) -> None:
    """Bring a place here, if it is a URI; one process does it, and others that want it wait.

    Raises as ``ReadsPlaces.fetch``.
    """
    if not is_remote(place.uri):
        return
    if offline():
        raise DownloadError(f"{place.uri} is not fetched, since HSC_OFFLINE is set; unset it")
    with _failures_kept(place):
        plan, copy = _planned.pop(place, None) or _plan(place), KeptCopy(place.uri)
        try:
            copy.folder.mkdir(parents=True, exist_ok=True)
            if not is_ours(copy.folder):
                raise DownloadError(
                    f"{copy.folder} is another user's, and is not written to; name your own folder in HSC_CACHE"
                )
            with locked(copy.folder):
                copy.update(plan.filesystem, plan.files, place.parts, display())
        except OSError as error:
            raise DownloadError(
                f"cannot copy {place.uri} to {error.filename or copy.path}: {error.strerror or error}; make room, or "
                f"name another folder in HSC_CACHE, and run the same line again to go on"
            ) from error


def fetched(uri: str, progress: FetchDisplay | None = None) -> Path:
    """The path of a copy that is fetched now, or read as it is where HSC_OFFLINE is set. Raises as ``fetch``."""
    place = Place(uri)
    with displayed(progress):
        if not offline():
            fetch(place)
    return place.local()


def why_not_untrusted(settings: Mapping[str, Any], *names: str) -> str | None:
    """A phrase on a setting that is a URI, for ``data_only``: a folder from elsewhere makes nobody use the network."""
    for name in names:
        if is_remote(settings.get(name)):
            return f"{name} came as {str(settings[name])[:200]}, without trust it is a path of a file system"
    return None


def _plan(place: Place) -> _Plan:
    if strange := [part for part in place.parts if part and not safe_name(part)]:
        raise DataError(f"{strange[0]!r} leads out of {place.uri}; give a name below it")
    filesystem, root = opened(place.uri)
    try:
        return _Plan(filesystem, listed(filesystem, root, place.parts, place.uri))
    except HscError:
        raise
    except Exception as error:  # each protocol has errors of its own
        raise DownloadError(unreached(place.uri, error)) from error


@contextlib.contextmanager
def _failures_kept(place: Place) -> Iterator[None]:
    """Keep the reason of a failure, which ``Place.local`` then gives, so that no copy of before stands in unasked."""
    _failed.pop(place, None)
    try:
        yield
    except UsageError as error:
        _failed[place] = str(error)
        raise DownloadError(str(error)) from error
    except HscError as error:
        _failed[place] = f"{error}; with HSC_OFFLINE=1, a copy in the cache is read as it is"
        raise
