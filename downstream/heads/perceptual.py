"""Fidelity measures that are networks: LPIPS and DISTS. They never download weights.

lpips: Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual metric",
CVPR 2018, version 0.1.
dists: Ding, Ma, Wang, Simoncelli, "Image quality assessment: unifying structure and texture similarity", TPAMI 2020.
Both are computed by torchmetrics (Apache-2.0), which contains their linear layers. Their trunks are torchvision's
AlexNet and VGG16, from torch's own cache.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from downstream.api import HEADS, Fidelity, Prediction
from downstream.device import device_facts
from downstream.heads._reference import ReferenceHead, why_no_torchmetrics
from downstream.ops.batching import as_batch
from downstream.weights.file_hash import sha256_of
from downstream.weights.torchvision_zoo import DEFAULTS, path_of
from hsc.api import Image
from hsc.devices import current_device
from hsc.networks.network_holder import held


@dataclass(frozen=True)
class _Perceptual(ReferenceHead):
    """The common part of both heads. trunk: torchvision's name of the network that gives the features."""

    output: ClassVar[type[Prediction]] = Fidelity
    measure: ClassVar[str]
    trunk: ClassVar[str]

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """One Fidelity for each pair; its one number is the distance of the two images, 0 for equal images."""
        import torch

        network = _network(self.measure, sha256_of(_trunk(self.trunk)), current_device())
        answers: list[Prediction] = []
        with torch.inference_mode():
            for original, image in zip(originals, images, strict=True):
                pair = (as_batch(x).to(current_device()) / 255 for x in (image, original))
                answers.append(Fidelity(self.measure, np.array([float(network(*pair))], np.float64)))
        return answers

    def available(self) -> str | None:
        """None if package and weights are present, else one sentence with the reason and the cure."""
        if reason := why_no_torchmetrics():
            return reason
        path = _trunk(self.trunk)
        if path.is_file():
            return None
        fetch = f"torchvision.models.get_model_weights('{self.trunk}')['DEFAULT'].get_state_dict()"
        return (
            f"the weights of its trunk, torchvision's {self.trunk}, are not in torch's cache ({path.name}) and are not "
            f"downloaded automatically; call {fetch} once"
        )

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the trunk's weights, version of torchmetrics, and the kind of device unless it is the CPU.

        The weights of the linear layers are part of torchmetrics.
        """
        return {
            "code": f"{self.measure}-1",
            "weights_sha256": sha256_of(_trunk(self.trunk)),
            "torchmetrics": importlib.metadata.version("torchmetrics"),
            **device_facts(),
        }


@HEADS.register("lpips")
@dataclass(frozen=True)
class Lpips(_Perceptual):
    """LPIPS on AlexNet, 0 for equal images; lower is better."""

    measure: ClassVar[str] = "lpips"
    trunk: ClassVar[str] = "alexnet"


@HEADS.register("dists")
@dataclass(frozen=True)
class Dists(_Perceptual):
    """DISTS on VGG16, 0 for equal images; lower is better."""

    measure: ClassVar[str] = "dists"
    trunk: ClassVar[str] = "vgg16"


def _trunk(name: str) -> Path:
    """The file of a trunk's weights in torch's cache."""
    return path_of(DEFAULTS[name])


@held
def _network(measure: str, trunk_sha256: str, device: str) -> Any:
    if measure == "lpips":
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        return LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True).to(device).eval()
    from torchmetrics.image.dists import DeepImageStructureAndTextureSimilarity

    return DeepImageStructureAndTextureSimilarity().to(device).eval()
