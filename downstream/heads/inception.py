"""The judge behind FID: what Inception sees in patches of originals and of decoded images, where its weights are here
already.

FID: Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, "GANs trained by a two time-scale update rule", NeurIPS 2017.
Patches of 256 pixels, then those half a patch further, as in Mentzer, Toderici, Tschannen, Agustsson, "High-fidelity
generative image compression", NeurIPS 2020, appendix A.7. The network is TensorFlow's of 2015 as torch-fidelity
(Apache-2.0) has it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, FeaturePair, LabelSpace, Prediction
from downstream.device import device, device_facts
from downstream.label_spaces import NO_CLASSES
from downstream.weights.file_hash import sha256_of
from hsc.api import Image
from hsc.networks.network_holder import held

SIDE = 256
FILE = "weights-inception-2015-12-05-6726825d.pth"
_BEGINS = "6726825d"


@HEADS.register("fid")
@dataclass(frozen=True)
class Fid:
    """Inception's features of patches, for FID over the set. weights: the file of that name, empty for torch's cache;
    no other is read.
    """

    weights: str = ""

    output: ClassVar[type[Prediction]] = FeaturePair
    regime: ClassVar[Literal["reference"]] = "reference"
    label_space: ClassVar[LabelSpace] = NO_CLASSES
    measure: ClassVar[str] = "fid"

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """Features float32 (P, 2048) of the P patches of each pair."""
        path = str(self._path())
        network = _network(path, sha256_of(path), device())
        return [
            FeaturePair(_features(network, original), _features(network, image))
            for original, image in zip(originals, images, strict=True)
        ]

    def available(self) -> str | None:
        """None if package and weights are here, else one sentence with the reason and the cure."""
        if importlib.util.find_spec("torch_fidelity") is None:
            return "torch-fidelity is not installed; pip install 'hsc-bench[reconstruction]'"
        path = self._path()
        if not path.is_file():
            return (
                f"Inception's weights are not here ({path.name}), and are not fetched unasked; torch-fidelity's "
                f"releases have them: weights=PATH"
            )
        found = sha256_of(path)
        return (
            None
            if found.startswith(_BEGINS)
            else f"{path.name} is not Inception's weights: its sha256 begins {found[:8]}, expected {_BEGINS}"
        )

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, version of torch-fidelity."""
        version = importlib.metadata.version("torch-fidelity")
        return {"code": "fid-1", "weights_sha256": sha256_of(self._path()), "torch_fidelity": version, **device_facts()}

    def _path(self) -> Path:
        if self.weights:
            return Path(self.weights)
        import torch

        return Path(torch.hub.get_dir()) / "checkpoints" / FILE


def patches(image: Image, side: int = SIDE) -> list[Image]:
    """Whole patches from the top left corner on, then those half a patch further right and down; the image where it is
    smaller than one.
    """
    height, width = image.shape[:2]
    if min(height, width) < side:
        return [image]
    starts = [
        (top, left)
        for first in (0, side // 2)
        for top in range(first, height - side + 1, side)
        for left in range(first, width - side + 1, side)
    ]
    return [image[top : top + side, left : left + side] for top, left in starts]


def _features(network: Any, image: Image) -> Any:
    import torch

    with torch.inference_mode():
        batch = torch.from_numpy(np.stack(patches(image))).permute(0, 3, 1, 2).to(device())
        return network(batch)[0].cpu().numpy().astype(np.float32)


@held
def _network(path: str, sha256: str, where: str) -> Any:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    return (
        FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=path)
        .to(where)
        .eval()
    )
