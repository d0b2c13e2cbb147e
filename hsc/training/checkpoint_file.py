"""Checkpoints of short trainings: one file with the step and the state of a few parts, to resume from."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["step"])
    except Exception as error:  # torch.load raises many kinds of errors for a damaged file
        raise DataError(f"{path} is not a readable checkpoint: {error}; remove it to start again") from error
