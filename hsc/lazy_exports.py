"""The public names of a package, each imported when it is first asked for, so that importing the package stays light.

__getattr__ = lazy_exports(__name__, {"bd_rate": "benchmarks.stats.point_lists"})
benchmarks.bd_rate  --first use--> benchmarks.stats.point_lists is imported, the name is set in ``benchmarks``
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any


def lazy_exports(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package. homes: the module that each public name lives in, or ``module:name there``.

    Names of one module are set together. Functions and errors then say that they come from the package, as those of
    httpx do. Other classes keep their own module, since ``typing.get_type_hints`` resolves their annotations there.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name].partition(":")[0]
        module = importlib.import_module(home)
        for public, place in homes.items():
            source, _, there = place.partition(":")
            if source == home:
                value = getattr(module, there or public)
                if isinstance(value, FunctionType) or (isinstance(value, type) and issubclass(value, Exception)):
                    value.__module__ = package
                setattr(sys.modules[package], public, value)
        return vars(sys.modules[package])[name]

    return get
