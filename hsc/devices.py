"""Is there such a device? Asked by whatever trains, before anything is read."""

from __future__ import annotations

import torch

from hsc.errors import UsageError


def usable(device: str) -> str:
    """The device itself, where this torch can compute on it: before anything is read or trained.

    Raises:
        UsageError: there is no such device here.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without it
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"the device {device} was asked for, torch {torch.__version__} cannot use it here ({reason}); use --device cpu") from error
    return device
