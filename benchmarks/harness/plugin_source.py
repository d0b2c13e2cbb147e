"""A hash of the source code of plug-ins that state no version.

class ─ its module ─┬─ in this project's packages ─────> nothing: its provenance says what it is
                    ├─ in a package of others ─────────> all of the package's source files
                    ├─ a module of its own ────────────> its file, and the modules beside it that it imports
                    └─ typed into a session ───────────> the class's own code, as it was compiled
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from benchmarks.files.content_index import digest_of
from benchmarks.programs.script_imports import imported_beside

OURS = ("hsc", "downstream", "benchmarks")
_SUFFIXES = (".py", ".so", ".pyd")

_hashed: dict[str, tuple[list[Any], str]] = {}


def source_sha256(cls: type) -> str:
    """sha256 of the source of a plug-in's class, "" for one of ours.

    The source is taken as it was when its package was last imported or reloaded in this process, as far as that is
    known, since a file that was edited later is not what runs.

    Raises:
        DataError: a source file cannot be read.
    """
    top = cls.__module__.partition(".")[0]
    if top in OURS:
        return ""
    module = sys.modules.get(top)
    files = _files(module) if module else {}
    if not files:
        return hashlib.sha256(repr(list(_compiled(cls))).encode()).hexdigest()
    specs = [loaded.__spec__ or loaded for name, loaded in sorted(sys.modules.items()) if name.partition(".")[0] == top]
    known, sha256 = _hashed.get(top, ([], ""))
    if len(known) != len(specs) or any(old is not new for old, new in zip(known, specs, strict=True)):
        sha256 = digest_of(sorted(files.items()))
        _hashed[top] = specs, sha256
    return sha256


def _files(module: ModuleType) -> dict[str, Path]:
    """Source files by their path in the package, or the one file of a module."""
    folders = [Path(folder) for folder in getattr(module, "__path__", [])]
    below = (Path(root, name) for folder in folders for root, _, names in os.walk(folder) for name in names)
    files = {file.as_posix(): file for file in below if file.suffix in _SUFFIXES}
    if files:
        start = os.path.commonpath([str(folder) for folder in folders])
        return {Path(name).relative_to(start).as_posix(): file for name, file in files.items()}
    file = Path(getattr(module, "__file__", None) or "")
    if not file.is_file():
        return {}
    beside = imported_beside(file) if file.suffix == ".py" else ()
    return {file.name: file, **{part.relative_to(file.parent).as_posix(): part for part in beside}}


def _compiled(cls: type) -> Iterator[Any]:
    """The compiled code of the class's functions and of those they call in its module, and its plain values.

    Places in files are left out.
    """
    waiting = [(name, _function(value) or value) for name, value in sorted(vars(cls).items())]
    seen: set[int] = set()
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, FunctionType) and id(value) not in seen:
            seen.add(id(value))
            yield name, _of_code(value.__code__), repr(value.__defaults__)
            called = [(name, value.__globals__[name]) for name in value.__code__.co_names if name in value.__globals__]
            waiting += [pair for pair in called if getattr(pair[1], "__module__", cls.__module__) == cls.__module__]
        elif (
            isinstance(value, type)
            and value is not cls
            and value.__module__ == cls.__module__
            and id(value) not in seen
        ):
            seen.add(id(value))
            waiting += [(name, _function(part) or part) for name, part in sorted(vars(value).items())]
        elif isinstance(value, str | int | float) and not name.startswith("__"):
            yield name, repr(value)


def _function(value: Any) -> Any:
    """The function of a property, a class method or a static method, else None."""
    return getattr(value, "fget", None) or getattr(value, "__func__", None)


def _of_code(code: CodeType) -> tuple[Any, ...]:
    return code.co_code, tuple(_constant(value) for value in code.co_consts), code.co_names


def _constant(value: Any) -> Any:
    """A constant in a form that is the same in every process, as the order of a set is not."""
    if isinstance(value, CodeType):
        return _of_code(value)
    if isinstance(value, frozenset):
        return "frozenset", sorted(repr(part) for part in value)
    return tuple(_constant(part) for part in value) if isinstance(value, tuple) else repr(value)
