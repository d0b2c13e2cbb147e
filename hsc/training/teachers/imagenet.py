"""Classifiers of photographs, pretrained on ImageNet, as teachers: MobileNetV2 and EfficientNet-lite0.

    images ──normalise──> blocks ─ ─> maps at 1/4, 1/8, 1/16 and 1/32 of the sides

Their weights are in packages that users install (``PACKAGES``); the code of these packages is not run.

Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"; the networks:
Sandler et al. 2018, "MobileNetV2"; Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from hsc.errors import UsageError
from hsc.training.teachers import efficientnet_lite
from hsc.training.teachers.seen import Seen
from hsc.training.teachers.weights_file import load_strictly, read_weights
from hsc.weights import packaged_networks

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_EVEN_MEAN, _EVEN_DEVIATION = (127 / 255,) * 3, (128 / 255,) * 3
_MOBILENET_TAPS = (3, 6, 13, 17)
_EFFICIENTNET_TAPS = (3, 5, 11, 16)  # the first is the stem


MOBILENET, EFFICIENTNET = "mobilenet", "efficientnet-lite0"
PACKAGES = {MOBILENET: packaged_networks.MOBILENET, EFFICIENTNET: packaged_networks.EFFICIENTNET}


class Normalised(nn.Module):
    """Images (B, 3, h, w) from -1 to 1 as a network's input: (0 to 1, less the mean) / deviation."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, deviation: Sequence[float] = IMAGENET_DEVIATION) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return ((images + 1) / 2 - self.mean) / self.deviation


class ClassifierFeatures(nn.Module):
    """Feature maps of a classifier's blocks.

    blocks: run in turn. taps: indices of the blocks whose outputs are the maps; none is run after the last.
    """

    def __init__(self, blocks: Sequence[nn.Module], taps: Sequence[int], normalised: Normalised) -> None:
        super().__init__()
        self.normalised = normalised
        self.blocks = nn.ModuleList(list(blocks)[: taps[-1] + 1])
        self.taps = tuple(taps)

    def forward(self, images: Tensor) -> Seen:
        """The maps of images (B, 3, h, w), -1 to 1; sides that strides do not divide are rounded up."""
        x, maps = self.normalised(images), []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taps:
                maps.append(x)
        return Seen(tuple(maps))


def load_classifier(name: str) -> ClassifierFeatures:
    """The teacher "mobilenet" or "efficientnet-lite0", in evaluation mode.

    Raises:
        UsageError: the package with its weights is not installed.
        DataError: the weights are damaged.
    """
    file = weights_file(name)
    if file is None:
        raise UsageError(f"--perceptual {name} needs its weights: {PACKAGES[name].install}")
    weights = read_weights(file)
    if name == MOBILENET:
        from torchvision.models import mobilenet_v2

        network = mobilenet_v2()
        load_strictly(network, weights, file)
        teacher = ClassifierFeatures(list(network.features), _MOBILENET_TAPS, Normalised())
    else:
        lite = efficientnet_lite.EfficientNetLite0()
        load_strictly(lite, efficientnet_lite.renamed(weights), file)
        even = Normalised(_EVEN_MEAN, _EVEN_DEVIATION)
        teacher = ClassifierFeatures([lite.stem, *lite.blocks], _EFFICIENTNET_TAPS, even)
    return teacher.eval().to(memory_format=torch.channels_last)


def weights_file(name: str) -> Path | None:
    """The file of weights of "mobilenet" or "efficientnet-lite0", None where its package is not installed."""
    return PACKAGES[name].file()
