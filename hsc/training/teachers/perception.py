"""Networks that judge images while the inversion encoder is trained: perceptual distance, identity, parsing.

    images (B, 3, h, w), -1 to 1 ──network──> feature maps or vectors, one tensor or several

Perceptual networks are teachers, used in turn: those of --teacher and --perceptual; or MobileNetV2, if its package is
installed; or none. Which of them a training had is written into its card. They are used in training alone. Identity and
parsing networks are not in any package, so users name their own, as "package.module:function": a function without
arguments that returns the network.

Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (LPIPS), here
without learned weights; at three scales: Yao et al. 2022, "Feature-Style Encoder for Style-Based GAN Inversion".
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.errors import UsageError
from hsc.training.teachers import imagenet
from hsc.training.teachers.named import frozen, load_teachers, public_name, user_network
from hsc.training.teachers.seen import Seen

NONE = "none"
_SCALES = 3


class Judges(NamedTuple):
    """The networks of a training, and what they are called in its card.

    perceptual: teachers, used in turn, one per step. identity, parsing: None for none.
    """

    perceptual: tuple[nn.Module, ...] = ()
    identity: nn.Module | None = None
    parsing: nn.Module | None = None
    names: tuple[tuple[str, str], ...] = ()


def load_judges(
    teachers: tuple[Path, ...], perceptual: tuple[str, ...], identity: str | None, parsing: str | None, device: str
) -> Judges:
    """The networks that a command names, frozen, on a device; the perceptual one is found here if it names none.

    teachers: files of ``hsc.training.teacher``. perceptual: names of ``hsc.training.teachers.named``, or "none" alone.
    identity, parsing: "package.module:function", or None for none.

    Raises:
        UsageError: a name leads to no network, or "none" is not alone.
        DataError: a teacher's file is damaged.
    """
    if not teachers and not perceptual and imagenet.weights_file(imagenet.MOBILENET) is not None:
        perceptual = (imagenet.MOBILENET,)
    named = without_none(teachers, perceptual)
    names = ", ".join([*(path.name for path in teachers), *(public_name(name) for name in named)])
    recogniser, parser = (None if name is None else frozen(user_network(name), device) for name in (identity, parsing))
    return Judges(
        tuple(load_teachers(teachers, named, device)),
        recogniser,
        parser,
        (("perceptual", names or NONE), ("identity", identity or NONE), ("parsing", parsing or NONE)),
    )


def without_none(teachers: tuple[Path, ...], perceptual: tuple[str, ...]) -> tuple[str, ...]:
    """The names of perceptual networks, none for "none".

    Raises:
        UsageError: "none" is not alone.
    """
    if NONE not in perceptual:
        return perceptual
    if teachers or len(perceptual) > 1:
        raise UsageError("--perceptual none stands beside other perceptual networks; give either none or the others")
    return ()


def perceptual_loss(network: nn.Module, decoded: Tensor, images: Tensor, side: int) -> Tensor:
    """The distance of unit feature vectors, summed over the network's maps and three scales: (B, 3, h, w) -> (B,).

    side: to which images are first brought; it is halved for each further scale. Scales too small for the network are
    left out.
    """
    total = torch.zeros(len(images), device=images.device)
    for scale in range(_SCALES):
        size = side >> scale
        if size % getattr(network, "multiple", 1):
            break
        pair = [resized(x, size) for x in (decoded, images)]
        for seen, wanted in zip(_maps(network, pair[0]), _maps(network, pair[1]), strict=True):
            difference = functional.normalize(seen.float(), dim=1) - functional.normalize(wanted.float(), dim=1)
            total = total + difference.square().sum(1).flatten(1).mean(1)
    return total


def cosine_loss(network: nn.Module, decoded: Tensor, images: Tensor, side: int) -> Tensor:
    """1 less the cosine of the network's outputs for both, the mean over its outputs: (B, 3, h, w) -> (B,).

    side: to which images are brought.
    """
    pairs = zip(_maps(network, resized(decoded, side)), _maps(network, resized(images, side)), strict=True)
    apart = [1 - functional.cosine_similarity(a.float().flatten(1), b.float().flatten(1)) for a, b in pairs]
    return torch.stack(apart).mean(0)


def resized(images: Tensor, side: int) -> Tensor:
    """Images as squares of this side, as the encoder resizes its input."""
    if images.shape[2:] == (side, side):
        return images
    return functional.interpolate(images, (side, side), mode="bilinear", align_corners=False, antialias=True)


def _maps(network: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    outputs = network(images)
    if isinstance(outputs, Seen):
        return outputs.features
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
