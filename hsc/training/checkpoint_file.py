"""Checkpoints of short trainings: a step and the state of a few parts in one file, which the same command goes on from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hsc.errors import DataError


def keep(path: Path, step: int, parts: Mapping[str, Any]) -> None:
    """Write whole or not at all. step: how many are done. parts: things with a state dict, by name."""
    torch.save({"step": step} | {name: part.state_dict() for name, part in parts.items()}, path.with_suffix(".partial"))
    os.replace(path.with_suffix(".partial"), path)


def resume(path: Path, parts: Mapping[str, Any]) -> int:
    """Bring parts to where ``keep`` left them; the steps that are done, 0 where there is no such file.

    Raises:
        DataError: it is damaged, or of other parts.
    """
    if not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["step"])
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise DataError(f"{path} is not a readable checkpoint: {error}; remove it to start anew") from error
