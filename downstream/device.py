"""Where networks run: the harness says so in the environment, which its workers inherit."""

from __future__ import annotations

import os


def device() -> str:
    """torch's name of the device, from HSC_DEVICE: "cpu" unless told, "cuda", "cuda:1"."""
    return os.environ.get("HSC_DEVICE", "") or "cpu"
