"""The torch device that networks run on: which one is in use, and whether this machine has it.

    with use_device("cuda:1"):      a run passes its device on, in this process
        current_device()            -> "cuda:1"; outside the block HSC_DEVICE, or else "cpu"

The environment variable HSC_DEVICE is a user's default. It is only read here, never written: whoever starts a worker
process passes the name on and calls ``use_device`` there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from hsc.errors import UsageError

_in_use: list[str] = []


@contextmanager
def use_device(name: str) -> Iterator[None]:
    """Make a device the current one of this process for the length of a ``with`` block; blocks may be nested.

    name: torch's name of the device, "cpu", "cuda" or "cuda:N". It is not checked; see ``check_device``.
    """
    _in_use.append(name)
    try:
        yield
    finally:
        _in_use.pop()


def current_device() -> str:
    """torch's name of the current device: that of the innermost ``use_device``, else HSC_DEVICE, else "cpu"."""
    return _in_use[-1] if _in_use else os.environ.get("HSC_DEVICE", "") or "cpu"


def usable(device: str) -> str:
    """Return the device's name once torch has computed on it, before anything is read or trained.

    Raises:
        UsageError: this machine, or this build of torch, does not have the device.
    """
    import torch

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
    """Refuse a device that this machine does not have, before anything runs.

    Raises:
        UsageError: the name is none of a device, or torch does not see the device.
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
