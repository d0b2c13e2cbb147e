"""Paths into object stores, which are told from folders before a run makes a folder called ``s3:``."""

from __future__ import annotations

import re

from hsc.errors import UsageError

_REMOTE = re.compile(r"\b(?:s3a?|gs|gcs|r2|oss|az|abfss?|adl|wasbs?|hdfs|webhdfs)://[^\s'\",)]*", re.IGNORECASE)


def refuse_remote(text: str) -> None:
    """Refuse a text, such as a spec or the argument of an option, that names a place in an object store.

    >>> refuse_remote("images(path=photos)")

    Raises:
        UsageError: it does.
    """
    if place := _REMOTE.search(text):
        raise UsageError(
            f"{place[0]!r} lies in an object store, and only paths of a file system are read and written; mount it or "
            f"copy it to one that all machines of the run share, and give the path there"
        )
