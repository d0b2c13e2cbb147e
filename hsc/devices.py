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
        raise UsageError(
            f"the device {device} was asked for, torch {torch.__version__} cannot use it here ({reason}); use "
            f"--device cpu"
        ) from error
    return device


def check_device(device: str) -> None:
    """Refuse a device that is not here before anything runs.

    Raises:
        UsageError: it is not a device's name, or torch does not see it.
    """
    kind, _, number = device.partition(":")
    if device == "cpu":
        return
    if kind != "cuda" or (number and not number.isdecimal()):
        raise UsageError(f"device came as {device!r}, expected cpu, cuda or cuda:N")
    import torch

    if not torch.cuda.is_available() or int(number or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device came as {device!r}, torch sees {torch.cuda.device_count()} CUDA devices here; use --device cpu"
        )
