"""Downloads that plug-ins need: announced in lists, and carried out only by a run that is about to use them.

item --unfetched--> "not fetched yet; would download 74 MB from https://..."    lists, the doctor, available()
item --fetch------> in the cache                                                a run, before it checks availability
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from hsc.errors import DataError, UnavailableError
from hsc.weights.download import offline
from hsc.weights.download import without_network as nothing_fetched

__all__ = [
    "FetchDisplay",
    "Fetches",
    "display",
    "displayed",
    "fetch_all",
    "nothing_fetched",
    "size_text",
    "unfetched",
    "would_download",
]

_log = logging.getLogger(__name__)


class FetchDisplay(Protocol):
    """A display of how far downloads have come, in MB; the progress of a run is one."""

    def begin(self, stage: str, total: int) -> None: ...

    def advance(self, cell: str, images: int) -> None: ...

    def end(self) -> None: ...


_displays: list[FetchDisplay | None] = []  # one entry for each open block of ``displayed``


@contextlib.contextmanager
def displayed(progress: FetchDisplay | None) -> Iterator[None]:
    """Have downloads in this block show how far they have come."""
    _displays.append(progress)
    try:
        yield
    finally:
        _displays.pop()


def display() -> FetchDisplay | None:
    """The display of the innermost block of ``displayed``."""
    return _displays[-1] if _displays else None


@runtime_checkable
class Fetches(Protocol):
    """Capability of a plug-in that can download its weights or images."""

    def unfetched(self) -> str:
        """The sentence of ``would_download`` about missing files; empty if none is missing. Never downloads."""

    def fetch(self) -> None:
        """Download the missing files, once.

        Raises:
            UnavailableError: they cannot be downloaded.
        """


def unfetched(item: Any) -> str:
    """A sentence on what a plug-in of any kind would download; empty if nothing is missing or can be downloaded."""
    return item.unfetched() if isinstance(item, Fetches) else ""


def fetch_all(items: Sequence[Any], progress: FetchDisplay | None = None) -> None:
    """Download the files that these plug-ins lack, unless HSC_OFFLINE forbids it. progress: shows how far it has come.

    A plug-in whose files cannot be downloaded stays unavailable, and a warning is logged.
    """
    with displayed(progress):
        for item in items:
            try:
                if isinstance(item, Fetches) and not offline() and item.unfetched():
                    item.fetch()
            except (UnavailableError, DataError) as error:
                _log.warning("%s", error)


def would_download(size_bytes: float, source: str) -> str:
    """The sentence about a file that is not downloaded yet.

    >>> would_download(77_800_000, "https://a.example/b.pth")
    'not fetched yet; would download 78 MB from https://a.example/b.pth'
    """
    return f"not fetched yet; would download {size_text(size_bytes)} from {source}"


def size_text(size_bytes: float) -> str:
    """The size of a download for people, 1 MB at least.

    >>> size_text(815_585_330), size_text(1_068_492_871), size_text(300)
    ('816 MB', '1.1 GB', '1 MB')
    """
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{max(size_bytes / 1e6, 1):.0f} MB"
