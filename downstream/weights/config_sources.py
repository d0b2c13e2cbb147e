"""The files of an mmengine config: itself and those it inherits from, found by reading them and never by running them.

config.py ─ _base_ = ["../models/a.py", ...] ─────────> those files, and theirs
          └ with read_base(): from ..models.a import * ─> models/a.py, and its own
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from downstream.weights.file_hash import sha256_of

_YAML_BASE = re.compile(r"^_base_:(.*(?:\n[ -].*)*)", re.M)
_WORD = re.compile(r"[^\s\[\],'\"]+\.(?:py|json|ya?ml)")


def sha256_of_config(config: Path) -> str:
    """One sha256 over a config and every file that it inherits from.

    Raises:
        UnavailableError: the config cannot be read.
    """
    digest = hashlib.sha256(sha256_of(config).encode())
    for file in config_sources(config)[1:]:
        digest.update(sha256_of(file).encode())
    return digest.hexdigest()


def config_sources(config: Path) -> list[Path]:
    """The config and every file that it inherits from, each once.

    Bases in other packages and files that cannot be read are left to mmengine's loader.
    """
    sources: list[Path] = []
    waiting = [config]
    while waiting:
        file = waiting.pop()
        if file.is_file() and not any(file.samefile(known) for known in sources):
            sources.append(file)
            waiting += _bases(file)
    return sources


def _bases(file: Path) -> Iterator[Path]:
    """The files that a config names as its bases."""
    try:
        text = file.read_text("utf-8")
        if file.suffix == ".py":
            yield from _of_python(ast.parse(text), file.parent)
        elif file.suffix == ".json":
            yield from (file.parent / name for name in _strings(json.loads(text).get("_base_", [])))
        else:
            yield from (file.parent / name for block in _YAML_BASE.findall(text) for name in _WORD.findall(block))
    except (OSError, ValueError, SyntaxError, AttributeError, RecursionError):
        return  # mmengine's loader reports the fault


def _of_python(tree: ast.Module, folder: Path) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "_base_" for target in node.targets
        ):
            yield from (
                folder / part.value
                for part in ast.walk(node.value)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )
        elif isinstance(node, ast.ImportFrom) and node.level:
            start = folder.joinpath(*[".."] * (node.level - 1), *(node.module or "").split("."))
            yield start.with_suffix(".py") if node.module else start
            yield from (start / f"{alias.name}.py" for alias in node.names)


def _strings(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(part) for part in value] if isinstance(value, list) else []
