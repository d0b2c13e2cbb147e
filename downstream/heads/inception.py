"""The head behind FID: Inception's features of patches of originals and of decoded images. It never downloads weights.

FID: Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, "GANs trained by a two time-scale update rule", NeurIPS 2017.
Patches of 256 pixels, then a second grid shifted by half a patch, as in Mentzer, Toderici, Tschannen, Agustsson,
"High-fidelity generative image compression", NeurIPS 2020, appendix A.7. The network is TensorFlow's of 2015 in the
version of torch-fidelity (Apache-2.0).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from downstream.api import HEADS, FeaturePair, Prediction
from downstream.device import device_facts
from downstream.heads._reference import ReferenceHead
from downstream.ops.patches import patches
from downstream.weights.file_hash import sha256_of, why_not_file
from downstream.weights.torchvision_zoo import checkpoints
from hsc.api import Image
from hsc.devices import current_device
from hsc.networks.network_holder import held

SIDE = 256
FILE = "weights-inception-2015-12-05-6726825d.pth"
_SHA256_PREFIX = "6726825d"


@HEADS.register("fid")
@dataclass(frozen=True)
class Fid(ReferenceHead):
    """Inception's features of patches, for the FID of a set.

    weights: path of Inception's weights; empty for the file in torch's cache. Only a file with the right hash is used.
    """

    weights: str = ""

    output: ClassVar[type[Prediction]] = FeaturePair
    measure: ClassVar[str] = "fid"

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """One FeaturePair for each pair: features float32 (P, 2048) of its P patches."""
        path = str(self._path())
        network = _network(path, sha256_of(path), current_device())
        return [
            FeaturePair(_features(network, original), _features(network, image))
            for original, image in zip(originals, images, strict=True)
        ]

    def available(self) -> str | None:
        """None if package and weights are present, else one sentence with the reason and the cure."""
        if importlib.util.find_spec("torch_fidelity") is None:
            return "torch-fidelity is not installed; pip install 'hsc-bench[reconstruction]'"
        cure = "get them from torch-fidelity's releases and give weights=PATH"
        return why_not_file(self._path(), "Inception's", _SHA256_PREFIX, cure)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, version of torch-fidelity, and the kind of device unless it is the CPU."""
        version = importlib.metadata.version("torch-fidelity")
        return {"code": "fid-1", "weights_sha256": sha256_of(self._path()), "torch_fidelity": version, **device_facts()}

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else checkpoints() / FILE


def _features(network: Any, image: Image) -> Any:
    import torch

    with torch.inference_mode():
        batch = torch.from_numpy(np.stack(patches(image, SIDE))).permute(0, 3, 1, 2).to(current_device())
        return network(batch)[0].cpu().numpy().astype(np.float32)


@held
def _network(path: str, sha256: str, device: str) -> Any:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=path)
    return network.to(device).eval()
