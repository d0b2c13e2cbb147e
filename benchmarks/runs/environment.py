"""The machine and packages a run was made with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness.conditions import processor

PACKAGES: tuple[str, ...] = (
    *(
        "hsc-bench",
        "numpy",
        "scipy",
        "torch",
        "torchvision",
        "compressai",
        "pillow",
        "pillow-heif",
        "imagecodecs",
        "imageio-ffmpeg",
        "av",
    ),
    *(
        "onnxruntime",
        "hotcoco",
        "pycocotools",
        "numba",
        "ultralytics",
        "mmsegmentation",
        "torchmetrics",
        "torch-fidelity",
    ),
)


def environment() -> dict[str, Any]:
    """The machine and the software; recorded beside the keys, not in them."""
    return {
        "commit": _commit(),
        "python": sys.version.split()[0],
        "packages": {name: v for name in PACKAGES if (v := version(name))},
        "machine": {
            "system": platform.system(),
            "arch": platform.machine(),
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
        },
    }


def version(package: str) -> str | None:
    """A package's installed version, None where it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the source tree this runs from, with "+" where it has uncommitted changes; None when installed."""
    try:
        here = Path(__file__).resolve().parent
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if dirty else "")
