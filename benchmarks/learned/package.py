"""The package CompressAI: whether it is here, and its classes, imported on first use."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from importlib.metadata import PackageNotFoundError
from typing import Any

from hsc.errors import UnavailableError
from hsc.files.package_versions import installed_version

_OLDEST = (1, 2, 8)
_CURE = "pip install 'hsc-bench[learned]' (it builds from source, with a C++ compiler, where there is no wheel)"


def why_not() -> str | None:
    """None if CompressAI is installed in a version that is known to fit, else one sentence with the cure."""
    try:
        installed = installed_version("compressai") if importlib.util.find_spec("compressai") else ""
    except PackageNotFoundError:
        installed = ""
    if not installed:
        return f"the package compressai is missing; {_CURE}"
    numbers = tuple(int(part) for part in installed.split(".")[:3] if part.isdigit())
    if numbers < _OLDEST:
        return f"compressai is installed as {installed}, expected 1.2.8 or newer; {_CURE}"
    return None


def imported(module: str) -> Any:
    """A module of CompressAI by its full name. The first import takes seconds: the package loads all that it has.

    Raises:
        UnavailableError: the package is missing, too old, or does not import.
    """
    if reason := why_not():
        raise UnavailableError(reason)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages that it imports, about functions that torch will drop
            return importlib.import_module(module)
    except (ImportError, AttributeError, OSError) as error:
        raise UnavailableError(
            f"compressai {installed_version('compressai')} does not import ({error}); install it again: {_CURE}"
        ) from error
