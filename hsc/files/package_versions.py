"""The versions of installed packages, each looked up once: a look reads and parses a file."""

from __future__ import annotations

import functools
import importlib.metadata


@functools.cache
def installed_version(package: str) -> str:
    """The version of an installed package.

    Raises:
        PackageNotFoundError: it is not installed; it may be, the next time.
    """
    return importlib.metadata.version(package)
