"""The network: a ResNet or ResNeXt trunk with a feature pyramid, proposals, and heads for classes, boxes and masks."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, pad
from torchvision.models import resnet
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import FrozenBatchNorm2d

from downstream.networks.rcnn.layout import BLOCKS, Layout
from downstream.networks.rcnn.modules import RATIOS, Anchors, Pooler

_CHANNELS, _HIDDEN = 256, 1024
_MULTIPLE = 32
"""The padded input's sides are multiples of this."""


class Rcnn(nn.Module):
    """A detector of Detectron2's kind. Labels are 0 for the first class; there is none for the background."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.backbone = _trunk(layout)
        self.rpn = _proposals()
        self.roi_heads = _heads(layout)

    def forward(self, planes: Tensor) -> dict[str, Tensor]:
        """Boxes, scores, labels and, where the network gives them, masks of one resized picture.

        planes: float (3, H, W), R, G and B from 0 to 255. Boxes (N, 4) are in its pixels; masks (N, 28, 28) are
        probabilities over each box.
        """
        mean, std = (planes.new_tensor(values)[:, None, None] for values in (self.layout.mean, self.layout.std))
        height, width = planes.shape[-2:]
        padded = pad((planes - mean) / std, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE))[None]
        features = self.backbone(padded)
        sizes = [(height, width)]
        proposals, _ = self.rpn(ImageList(padded, sizes), features)
        (found,), _ = self.roi_heads(features, proposals, sizes)
        found["labels"] = found["labels"] - 1
        if "masks" in found:
            found["masks"] = found["masks"][:, 0]
        return dict(found)


def paste(masks: Tensor, boxes: Tensor, image_hw: tuple[int, int]) -> Tensor:
    """Masks over their boxes drawn into the picture: probabilities (N, S, S), boxes (N, 4) -> bool (N, H, W).

    A pixel belongs to an object where the probability at its centre is one half or more; pixels outside the box have
    none.
    """
    height, width = image_hw
    planes = masks.new_zeros((len(masks), height, width), dtype=torch.bool)
    for number, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        left, top, right, bottom = box.tolist()
        x0, y0 = max(0, int(left) - 1), max(0, int(top) - 1)
        x1, y1 = min(width, int(right) + 2), min(height, int(bottom) + 2)
        if x1 <= x0 or y1 <= y0 or right <= left or bottom <= top:
            continue
        x = (torch.arange(x0, x1, device=masks.device) + 0.5 - left) / (right - left) * 2 - 1
        y = (torch.arange(y0, y1, device=masks.device) + 0.5 - top) / (bottom - top) * 2 - 1
        grid = torch.stack((x.expand(len(y), -1), y[:, None].expand(-1, len(x))), dim=-1)[None]
        inside = grid_sample(mask[None, None], grid.to(mask.dtype), align_corners=False)[0, 0]
        planes[number, y0:y1, x0:x1] = inside >= 0.5
    return planes


def _trunk(layout: Layout) -> BackboneWithFPN:
    norm = functools.partial(FrozenBatchNorm2d, eps=1e-5)
    trunk = resnet.ResNet(
        resnet.Bottleneck,
        list(BLOCKS[layout.depth]),
        groups=layout.groups,
        width_per_group=layout.width,
        norm_layer=norm,
    )
    for stage in (trunk.layer2, trunk.layer3, trunk.layer4):
        block: Any = stage[0]
        block.conv1.stride, block.conv2.stride = ((2, 2), (1, 1)) if layout.stride_in_1x1 else ((1, 1), (2, 2))
    stages: Mapping[str, str] = {f"layer{number}": str(number - 1) for number in range(1, 5)}
    return BackboneWithFPN(trunk, dict(stages), [256, 512, 1024, 2048], _CHANNELS)


def _proposals() -> RegionProposalNetwork:
    return RegionProposalNetwork(
        Anchors(),
        RPNHead(_CHANNELS, len(RATIOS)),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_top_n={"training": 2000, "testing": 1000},
        post_nms_top_n={"training": 1000, "testing": 1000},
        nms_thresh=0.7,
    )


def _heads(layout: Layout) -> RoIHeads:
    classes = layout.classes + 1  # torchvision counts the background as class 0
    masks: dict[str, Any] = {}
    if layout.masks:
        masks = {
            "mask_roi_pool": Pooler(14),
            "mask_head": MaskRCNNHeads(_CHANNELS, (256, 256, 256, 256), dilation=1),
            "mask_predictor": MaskRCNNPredictor(256, 256, classes),
        }
    return RoIHeads(
        Pooler(7),
        TwoMLPHead(_CHANNELS * 49, _HIDDEN),
        FastRCNNPredictor(_HIDDEN, classes),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=512,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=0.05,
        nms_thresh=0.5,
        detections_per_img=100,
        **masks,
    )
