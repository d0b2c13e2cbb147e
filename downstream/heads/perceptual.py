"""Judges of fidelity that are networks: LPIPS and DISTS, where their weights are here already; nothing is ever
downloaded for them.

lpips: Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual metric",
CVPR 2018, version 0.1.
dists: Ding, Ma, Wang, Simoncelli, "Image quality assessment: unifying structure and texture similarity", TPAMI 2020.
Both by torchmetrics (Apache-2.0), which brings their linear layers; their trunks are torchvision's AlexNet and VGG16,
in torch's own cache.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, LabelSpace, Likeness, Prediction
from downstream.device import device, device_facts
from downstream.heads._torchmetrics import why_no_torchmetrics
from downstream.label_spaces import NO_CLASSES
from downstream.ops.batching import as_batch
from downstream.weights.file_hash import sha256_of
from downstream.weights.torchvision_zoo import path_of
from hsc.api import Image
from hsc.networks.network_holder import held


@dataclass(frozen=True)
class _Perceptual:
    """What both share. trunk: torchvision's name of the network below."""

    output: ClassVar[type[Prediction]] = Likeness
    regime: ClassVar[Literal["reference"]] = "reference"
    label_space: ClassVar[LabelSpace] = NO_CLASSES
    measure: ClassVar[str]
    trunk: ClassVar[str]

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """numbers: the image's distance, 0 for equal ones."""
        import torch

        network = _network(self.measure, sha256_of(_trunk(self.trunk)), device())
        found: list[Prediction] = []
        with torch.inference_mode():
            for original, image in zip(originals, images, strict=True):
                pair = (as_batch(x).to(device()) / 255 for x in (image, original))
                found.append(Likeness(self.measure, np.array([float(network(*pair))], np.float64)))
        return found

    def available(self) -> str | None:
        """None if package and weights are here, else one sentence with the reason and the cure."""
        if reason := why_no_torchmetrics():
            return reason
        path = _trunk(self.trunk)
        if path.is_file():
            return None
        fetch = f"torchvision.models.get_model_weights('{self.trunk}')['DEFAULT'].get_state_dict()"
        return (
            f"its trunk's weights, torchvision's {self.trunk}, are not in torch's cache ({path.name}), and are not "
            f"fetched unasked; call {fetch} once"
        )

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the trunk's weights; those of the linear layers come with torchmetrics."""
        hashes = {"weights_sha256": sha256_of(_trunk(self.trunk))}
        return {
            "code": f"{self.measure}-1",
            **hashes,
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
    from torchvision.models import get_model_weights

    return path_of(get_model_weights(name)["DEFAULT"])


@held
def _network(measure: str, trunk_sha256: str, where: str) -> Any:
    if measure == "lpips":
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        return LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True).to(where).eval()
    from torchmetrics.image.dists import DeepImageStructureAndTextureSimilarity

    return DeepImageStructureAndTextureSimilarity().to(where).eval()
