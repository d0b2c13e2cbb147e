"""The parts in which Detectron2 differs from torchvision: anchors and the pooling of regions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import roi_align

SIZES, RATIOS, STRIDES = (32, 64, 128, 256, 512), (0.5, 1.0, 2.0), (4, 8, 16, 32, 64)
"""Sides of square anchors at each level, height over width, and pixels a cell."""
_SIDE, _LEVEL = 224, 4
"""A region of this side is pooled from this level of the pyramid (Lin et al., "Feature Pyramid Networks", 2017)."""


class Anchors(nn.Module):
    """Anchors at the corners of cells of fixed stride, with sides that are not rounded."""

    def __init__(self) -> None:
        super().__init__()
        shapes = [
            [(size * math.sqrt(1 / ratio), size * math.sqrt(ratio)) for ratio in RATIOS] for size in SIZES
        ]  # width, height
        self.cells = [torch.tensor([[-w / 2, -h / 2, w / 2, h / 2] for w, h in level]) for level in shapes]

    def num_anchors_per_location(self) -> list[int]:
        """The number of anchors of a cell, by level."""
        return [len(cell) for cell in self.cells]

    def forward(self, images: ImageList, features: Sequence[Tensor]) -> list[Tensor]:
        """The anchors of each image, (A, 4) left, top, right, bottom; all levels, rows of cells first."""
        anchors = []
        for feature, cell, stride in zip(features, self.cells, STRIDES, strict=True):
            height, width = feature.shape[-2:]
            y, x = torch.meshgrid(
                torch.arange(height, device=feature.device) * stride,
                torch.arange(width, device=feature.device) * stride,
                indexing="ij",
            )
            corners = torch.stack((x, y, x, y), dim=-1).reshape(-1, 1, 4).to(torch.float32)
            anchors.append((corners + cell.to(feature.device)).reshape(-1, 4))
        return [torch.cat(anchors)] * len(images.image_sizes)


class Pooler(nn.Module):
    """Pools regions from the level that suits their size, aligned to half a pixel, with as many samples as they need.

    side: of the pooled square.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.output_size = (side, side)

    def forward(self, features: Mapping[str, Tensor], boxes: Sequence[Tensor], image_hw: Sequence[object]) -> Tensor:
        """(N, C, side, side) of the N boxes of all images, left, top, right, bottom in pixels of the input."""
        levels = [feature for name, feature in features.items() if name != "pool"]
        numbers = torch.cat([torch.full_like(each[:, :1], number) for number, each in enumerate(boxes)])
        regions = torch.cat([numbers, torch.cat(list(boxes))], dim=1)  # (N, 5), the image's number first
        sides = ((regions[:, 3] - regions[:, 1]) * (regions[:, 4] - regions[:, 2])).clamp(min=0).sqrt()
        places = torch.floor(_LEVEL + torch.log2(sides / _SIDE + 1e-8)).clamp(2, 1 + len(levels)).to(torch.int64) - 2
        pooled = levels[0].new_zeros((len(regions), levels[0].shape[1], *self.output_size))
        for place, (feature, stride) in enumerate(zip(levels, STRIDES, strict=False)):
            chosen = torch.where(places == place)[0]
            pooled[chosen] = roi_align(feature, regions[chosen], self.output_size, 1 / stride, 0, aligned=True)
        return pooled
