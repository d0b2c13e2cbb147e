"""The tensors of Detectron2's Faster and Mask R-CNN under the names of our network.

    backbone.bottom_up.res3.0.conv1.norm.weight   -> backbone.body.layer2.0.bn1.weight
    backbone.fpn_lateral3.weight                  -> backbone.fpn.inner_blocks.1.0.weight
    proposal_generator.rpn_head.objectness_logits -> rpn.head.cls_logits
    roi_heads.box_predictor.cls_score (81, 1024)  -> roi_heads.box_predictor.cls_score, the background first

Detectron2 reads blue, green, red; the first convolution's input channels are turned, so that ours reads red first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from downstream.networks.rcnn.layout import BLOCKS, TRUNKS, Layout
from hsc.errors import DataError

_CAFFE_MEAN, _CAFFE_STD = (123.675, 116.28, 103.53), (1.0, 1.0, 1.0)
_X101_STD = (58.395, 57.12, 57.375)
"""Of R, G, B, from the configs of the zoo: those of ResNeXt divide by the deviation, those of ResNet do not."""
_FORGOTTEN = re.compile(r"(pixel_(mean|std)|.*anchor_generator\..*|.*\.num_batches_tracked)$")
"""What needs no place in our network: constants that its layout holds."""
_RULES = (
    (r"backbone\.bottom_up\.stem\.conv1\.norm\.(\w+)", r"backbone.body.bn1.\1"),
    (r"backbone\.bottom_up\.stem\.conv1\.weight", r"backbone.body.conv1.weight"),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.shortcut\.norm\.(\w+)", r"backbone.body.layer<\1-1>.\2.downsample.1.\3"),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.shortcut\.weight", r"backbone.body.layer<\1-1>.\2.downsample.0.weight"),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.conv(\d)\.norm\.(\w+)", r"backbone.body.layer<\1-1>.\2.bn\3.\4"),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.conv(\d)\.weight", r"backbone.body.layer<\1-1>.\2.conv\3.weight"),
    (r"backbone\.fpn_lateral(\d)\.(weight|bias)", r"backbone.fpn.inner_blocks.<\1-2>.0.\2"),
    (r"backbone\.fpn_output(\d)\.(weight|bias)", r"backbone.fpn.layer_blocks.<\1-2>.0.\2"),
    (r"proposal_generator\.rpn_head\.conv\.(weight|bias)", r"rpn.head.conv.0.0.\1"),
    (r"proposal_generator\.rpn_head\.objectness_logits\.(weight|bias)", r"rpn.head.cls_logits.\1"),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.(weight|bias)", r"rpn.head.bbox_pred.\1"),
    (r"roi_heads\.box_head\.fc1\.(weight|bias)", r"roi_heads.box_head.fc6.\1"),
    (r"roi_heads\.box_head\.fc2\.(weight|bias)", r"roi_heads.box_head.fc7.\1"),
    (r"roi_heads\.box_predictor\.(cls_score|bbox_pred)\.(weight|bias)", r"roi_heads.box_predictor.\1.\2"),
    (r"roi_heads\.mask_head\.mask_fcn(\d)\.(weight|bias)", r"roi_heads.mask_head.<\1-1>.0.\2"),
    (r"roi_heads\.mask_head\.deconv\.(weight|bias)", r"roi_heads.mask_predictor.conv5_mask.\1"),
    (r"roi_heads\.mask_head\.predictor\.(weight|bias)", r"roi_heads.mask_predictor.mask_fcn_logits.\1"),
)


def own_name(name: str) -> str | None:
    """The name in our network of a tensor of Detectron2; None for one that needs no place there.

    Raises:
        KeyError: it is no tensor of these networks.

    >>> own_name("backbone.fpn_lateral3.weight")
    'backbone.fpn.inner_blocks.1.0.weight'
    """
    if _FORGOTTEN.fullmatch(name):
        return None
    for pattern, own in _RULES:
        if found := re.fullmatch(pattern, name):
            return re.sub(r"<(\d)-(\d)>", lambda sum_: str(int(sum_[1]) - int(sum_[2])), found.expand(own))
    raise KeyError(name)


def layout_of_tensors(tensors: Mapping[str, Tensor], path: str) -> Layout:
    """The layout of Detectron2's network, read from the shapes of its tensors.

    Raises:
        DataError: it is none of Faster or Mask R-CNN with a pyramid on ResNet-50, ResNet-101 or ResNeXt-101 32x8d.
    """
    try:
        deepest = max(int(found[1]) for found in (re.match(r".*res4\.(\d+)\.", name) for name in tensors) if found)
        depth = {blocks[2] - 1: depth for depth, blocks in BLOCKS.items()}[deepest]
        middle = tensors["backbone.bottom_up.res2.0.conv2.weight"]
        groups = middle.shape[0] // middle.shape[1]
        width = dict(TRUNKS)[groups]
        classes = tensors["roi_heads.box_predictor.cls_score.weight"].shape[0] - 1
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(
            f"{path} is no Faster or Mask R-CNN with a feature pyramid on R50, R101 or X101-32x8d of Detectron2 "
            f"({error}); name a model_final file of these"
        ) from error
    plain = groups == 1
    return Layout(
        depth=depth,
        groups=groups,
        width=width,
        stride_in_1x1=plain,
        mean=_CAFFE_MEAN,
        std=_CAFFE_STD if plain else _X101_STD,
        classes=classes,
        masks="roi_heads.mask_head.predictor.weight" in tensors,
    )


def to_own(tensors: Mapping[str, Tensor], path: str) -> dict[str, Tensor]:
    """Detectron2's tensors under our names, with the background first and red first.

    Raises:
        DataError: one of them has no place in our network.
    """
    own: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        try:
            target = own_name(name)
        except KeyError as error:
            raise DataError(
                f"{path} holds {name!r}, which Faster and Mask R-CNN of Detectron2's zoo have not; name a file of these"
            ) from error
        if target:
            own[target] = tensor.to(torch.float32).contiguous()
    own["backbone.body.conv1.weight"] = own["backbone.body.conv1.weight"].flip(1).contiguous()
    for kind in ("weight", "bias"):
        scores = own[f"roi_heads.box_predictor.cls_score.{kind}"]
        own[f"roi_heads.box_predictor.cls_score.{kind}"] = torch.cat([scores[-1:], scores[:-1]])
        boxes = own[f"roi_heads.box_predictor.bbox_pred.{kind}"]
        own[f"roi_heads.box_predictor.bbox_pred.{kind}"] = torch.cat([torch.zeros_like(boxes[:4]), boxes])
        masks = own.get(f"roi_heads.mask_predictor.mask_fcn_logits.{kind}")
        if masks is not None:
            own[f"roi_heads.mask_predictor.mask_fcn_logits.{kind}"] = torch.cat([torch.zeros_like(masks[:1]), masks])
    return own
