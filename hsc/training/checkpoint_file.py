"""Checkpoints of trainings: one file with the step and the state of a few parts, to resume from."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from hsc.errors import DataError


def keep(path: Path, step: int, parts: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all. step: number of steps done. parts: by name, with a state dict each."""
    torch.save({"step": step} | {name: part.state_dict() for name, part in parts.items()}, path.with_suffix(".partial"))
    os.replace(path.with_suffix(".partial"), path)


def resume(path: Path, parts: Mapping[str, Any]) -> int:
    """Load a checkpoint into its parts and return the number of steps done, 0 if there is no such file.

    Raises:
        DataError: the file is damaged, or holds other parts.
    """
    if not path.exists():
        return 0
    state = read(path)
    with _readable(path):
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["step"])


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    Raises:
        DataError: the file is missing or damaged.
    """
    with _readable(path):
        return dict(torch.load(path, weights_only=True, map_location="cpu"))


def recipe_in(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The recipe that a checkpoint, or a part of one, keeps as JSON under "recipe".

    Raises:
        DataError: it keeps none.
    """
    with _readable(path):
        return dict(json.loads(content["recipe"]))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Let whatever goes wrong mean that the file is no readable checkpoint; a ``DataError`` stays as it is."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # torch.load raises many kinds of errors for a damaged file
        raise DataError(f"{path} is not a readable checkpoint: {error}; remove it to start again") from error
