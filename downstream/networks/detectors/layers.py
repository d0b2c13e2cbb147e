"""Layers and base classes of our small networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn


class Candidates(NamedTuple):
    """Boxes before suppression. boxes_xyxy: (N, M, 4), input pixels. scores: (N, M, classes), 0 to 1."""

    boxes_xyxy: Tensor
    scores: Tensor


class Network(nn.Module):
    """A network whose ``forward`` gives raw output maps, a tuple of tensors, as the training loss takes them.

    A network on images takes float32 pixels (N, 3, H, W), 0 to 255, with H and W multiples of ``multiple``. A network
    on latents takes the inputs that ``downstream.networks.latents.inputs`` makes of them.
    """

    multiple: int = 32
    memory_format: torch.memory_format = torch.channels_last
    """The memory layout of images in which this network trains faster on a CPU."""

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the weights that a training run starts from. Raises RuntimeError if they do not fit."""
        self.load_state_dict(tensors)


class Detector(Network):
    """A network whose maps describe boxes."""

    def candidates(self, raw: tuple[Tensor, ...]) -> Candidates:
        """Boxes and scores from the raw maps."""
        raise NotImplementedError


def normalised(pixels: Tensor) -> Tensor:
    """Pixels 0 to 255 mapped to about -2 to 2, so that zero padding is a middle grey."""
    return (pixels - 115.0) / 58.0


class ConvNorm(nn.Sequential):
    """Convolution, batch norm, ReLU; the size is kept at stride 1 and halved at stride 2."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        *,
        dilation: int = 1,
        relu: bool = True,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 * dilation, dilation, groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def output_convolution(inputs: int, outputs: int, kernel: int, *, bias: float, std: float = 0.01) -> nn.Conv2d:
    """A last layer that starts with small weights and the given bias."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.normal_(layer.weight, std=std)
    layer.bias = nn.Parameter(torch.full((outputs,), bias))
    return layer


RARE = -4.6
"""The logit of a prior of 1 %, so that the many empty cells do not swamp the first steps."""


N = TypeVar("N", bound=Network)


def fused(network: N) -> N:
    """Fold every batch norm of ``network`` into its convolution, in place; returns it in evaluation mode."""
    network.eval()
    for module in network.modules():
        if isinstance(module, ConvNorm):
            convolution, norm = module[0], module[1]
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            module[0] = torch.nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)
            module[1] = nn.Identity()
    return network


def cell_centres(rows: int, columns: int, stride: int) -> Tensor:
    """Centres of the cells of one level, (rows * columns, 2) as x, y in input pixels."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return (torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride  # (rows, columns, 2) -> (cells, 2)
