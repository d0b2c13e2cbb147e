"""A CenterNet that other people trained on COCO, as a teacher: a TensorFlow.js graph model.

    images ──MobileNetV3──> maps at 1/4, 1/8, 1/16, 1/32 ──> bells of 80 classes, distances to the sides, at 1/4

Source: Zhou et al. 2019, "Objects as Points"; the distances as in Liu et al. 2020, "Training-Time-Friendly Network for
Real-Time Object Detection".
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.training.teachers.seen import Seen
from hsc.training.teachers.tfjs_graph import TfjsGraph

_HEAD = "tower_0/CenternetHead/"
_OUTPUTS = (
    "tower_0/MobilenetV3/expanded_conv_3/expand/Relu",
    "tower_0/MobilenetV3/expanded_conv_5/expand/Relu",
    "tower_0/MobilenetV3/expanded_conv_11/add",
    "tower_0/extern1/hard_swish/mul_1",
    f"{_HEAD}centernet_cls_output/BiasAdd",
    "tower_0/wh",
)
_MULTIPLE = 32
_HALF_RANGE = 127.5  # it takes pixels of 0 to 255
_LEAST_DISTANCE = 1.0


class CenterNetTeacher(nn.Module):
    """The detector as a teacher: the backbone's maps that its head reads, of four scales, and its objects.

    The sides' distances are logarithms of pixels.
    """

    def __init__(self, graph: TfjsGraph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, images: Tensor) -> Seen:
        """What it sees in images (B, 3, h, w), -1 to 1; last rows and columns are repeated up to multiples of 32."""
        height, width = (-side % _MULTIPLE for side in images.shape[2:])
        padded = functional.pad(images, (0, width, 0, height), mode="replicate") if height or width else images
        *features, bells, sides = self.graph((padded + 1) * _HALF_RANGE)
        objects = torch.cat([bells, sides.clamp(min=_LEAST_DISTANCE).log()], 1)
        return Seen(tuple(features), objects=objects)


def load_centernet(path: Path) -> CenterNetTeacher:
    """The teacher of a .json, beside its .bin, in evaluation mode.

    Raises:
        DataError: a file is missing or damaged, or it is another graph.
    """
    return CenterNetTeacher(TfjsGraph(path, _OUTPUTS)).eval()
