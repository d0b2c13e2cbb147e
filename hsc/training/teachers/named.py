"""Teachers by name: networks that other people trained on photographs, and networks of the user's.

    mobilenet                MobileNetV2, ImageNet               a package (``imagenet.PACKAGES``)
    efficientnet-lite0       EfficientNet-lite0, ImageNet        a package
    espnetv2:FILE            ESPNetv2, Cityscapes or PASCAL VOC  a checkpoint of sacmehta/EdgeNets
    centernet:FILE           CenterNet, COCO                     the .json of a TensorFlow.js graph model
    package.module:function  the user's                          a function without arguments that returns a network

They are the names of ``python -m hsc.training --perceptual``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor, nn

from hsc.errors import UsageError
from hsc.training.teachers import imagenet
from hsc.training.teachers.centernet import load_centernet
from hsc.training.teachers.espnetv2 import load_espnetv2
from hsc.training.teachers.seen import Seen
from hsc.training.teachers.unet import load_teacher

_FROM_FILES: dict[str, Callable[[Path], nn.Module]] = {"espnetv2": load_espnetv2, "centernet": load_centernet}
NAMES = (*imagenet.PACKAGES, *(f"{kind}:FILE" for kind in _FROM_FILES), "package.module:function")


class UserNetwork(nn.Module):
    """A network of the user's as a teacher: what it returns for images, a tensor or several, are its features."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.multiple = int(getattr(network, "multiple", 1))

    def forward(self, images: Tensor) -> Seen:
        outputs = self.network(images)
        return Seen((outputs,) if isinstance(outputs, Tensor) else tuple(outputs))


def load_teachers(files: Sequence[Path], names: Sequence[str], device: str) -> list[nn.Module]:
    """Frozen teachers on a device: first those of files of ``hsc.training.teacher``, then those of names.

    Raises:
        UsageError: a name leads to no network, or its package is not installed.
        DataError: a file is missing or damaged.
    """
    teachers = [*(load_teacher(file) for file in files), *(load_named(name) for name in names)]
    return [frozen(teacher, device) for teacher in teachers]


def load_named(name: str) -> nn.Module:
    """The teacher of a name. Errors are those of ``load_teachers``."""
    if name in imagenet.PACKAGES:
        return imagenet.load_classifier(name)
    kind, _, rest = name.partition(":")
    if kind in _FROM_FILES:
        return _FROM_FILES[kind](Path(rest))
    return UserNetwork(user_network(name))


def public_name(name: str) -> str:
    """A teacher's name for a card, with only the last part of its file's path."""
    kind, _, rest = name.partition(":")
    return f"{kind}:{Path(rest).name}" if kind in _FROM_FILES else name


def user_network(name: str) -> nn.Module:
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
            f"{name!r} leads to no network ({error}); give one of {', '.join(NAMES)}, a function without arguments "
            f"that returns a torch.nn.Module"
        ) from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"{name!r} returned a {type(network).__name__}, expected a torch.nn.Module")
    return network


def frozen(network: nn.Module, device: str) -> nn.Module:
    """The network on a device, in evaluation mode, without gradients for its weights."""
    return network.eval().requires_grad_(False).to(device)
