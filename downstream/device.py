"""Where networks run: the harness says so in the environment, which its workers inherit."""

from __future__ import annotations

import os


def device() -> str:
    """torch's name of the device, from HSC_DEVICE: "cpu" unless told, "cuda", "cuda:1"."""
    return os.environ.get("HSC_DEVICE", "") or "cpu"


def device_facts() -> dict[str, str]:
    """For a head's provenance: the kind of device where it is not the CPU, since floats differ between them."""
    kind = device().partition(":")[0]
    return {} if kind == "cpu" else {"device": kind}
