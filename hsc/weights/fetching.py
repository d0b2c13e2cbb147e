"""What is not here yet and can be downloaded: said before anything is fetched, and fetched only where a run is about to
use it.

item --unfetched--> "not fetched yet; would download 74 MB from https://..."       lists, the doctor, available()
item --fetch------> in the cache                                                   a run, before it asks what is available
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from hsc.errors import DataError, UnavailableError
from hsc.weights.download import offline

_log = logging.getLogger(__name__)


@runtime_checkable
class Fetches(Protocol):
    """Capability of a plug-in whose weights or images can be downloaded."""

    def unfetched(self) -> str:
        """What use would download, as ``would_download`` puts it; empty where all is here. Never fetches."""

    def fetch(self) -> None:
        """Bring it here, once.

        Raises:
            UnavailableError: it cannot be fetched.
        """


def unfetched(item: Any) -> str:
    """What a plug-in of any kind would download on use; empty where it is all here, or nothing can be fetched for it."""
    return item.unfetched() if isinstance(item, Fetches) else ""


def fetch_all(items: Sequence[Any]) -> None:
    """Bring here what these plug-ins need and lack, unless HSC_OFFLINE forbids it; what cannot be fetched stays
    unavailable, with a warning.
    """
    for item in items:
        try:
            if isinstance(item, Fetches) and not offline() and item.unfetched():
                item.fetch()
        except (UnavailableError, DataError) as error:
            _log.warning("%s", error)


def would_download(size_bytes: float, source: str) -> str:
    """The sentence about something that is not here yet.

    >>> would_download(77_800_000, "https://a.example/b.pth")
    'not fetched yet; would download 78 MB from https://a.example/b.pth'
    """
    size = f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{max(size_bytes / 1e6, 1):.0f} MB"
    return f"not fetched yet; would download {size} from {source}"


@contextlib.contextmanager
def nothing_fetched() -> Iterator[None]:
    """Forbid the network, as HSC_OFFLINE does, until the end of the block."""
    before = os.environ.get("HSC_OFFLINE")
    os.environ["HSC_OFFLINE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HSC_OFFLINE"]
        else:
            os.environ["HSC_OFFLINE"] = before
