"""Weights files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let a file appear whole or not at all. write: given the name to write to."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")  # a name that nobody can have planted a link under
    try:
        write(part)
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)  # safetensors writes files only their owner can read
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
