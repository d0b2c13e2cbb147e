"""The head behind our Frechet distance: MobileNetV2's features of patches of originals and of decoded images.

patches of 128x128 --/255, less mean, divided by std--> blocks 0 to 16 --mean over positions--> 160 features a patch

Block 16 is the last but one of the network's trunk, at a stride of 32. The distance is of our own making and is not to
be compared with a published FID: that is by Inception's 2048 features, and needs many thousand images. With 160
features, 256 images of 384x256 pixels (2048 patches) are enough, and a network of a few megabytes that a package brings
gives them.

Network: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018;
torchvision's code (BSD-3-Clause) and weights, by the package of ``hsc/weights/packaged_networks.py`` (MIT), trained on
ImageNet. The training of an inversion encoder can use the same network (``--perceptual mobilenet``): a codec that was
trained so is judged here by its own teacher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from downstream.api import HEADS, FeaturePair, Prediction
from downstream.device import device_facts
from downstream.heads._reference import ReferenceHead
from downstream.ops.patches import patch_count, patches
from downstream.weights.file_hash import sha256_of, why_not_file
from downstream.weights.torchvision_zoo import checkpoints
from hsc.api import Image
from hsc.devices import current_device
from hsc.networks.network_holder import held
from hsc.weights.packaged_networks import MOBILENET, MOBILENET_FILE, MOBILENET_SHA256

SIDE = 128
"""Side of a patch in pixels."""
FEATURES = 160
MIN_IMAGES = 64
MIN_PATCHES = 2 * FEATURES
"""With fewer patches the covariance of 160 features is more noise than measurement."""
_BLOCKS = 17
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@HEADS.register("frechet_mobilenet")
@dataclass(frozen=True)
class FrechetMobilenet(ReferenceHead):
    """MobileNetV2's features of patches, for the Frechet distance of a set of 64 images or more.

    weights: path of MobileNetV2's weights; empty for the package's file, else the one in torch's cache. Only a file
    with the right hash is used.
    """

    weights: str = ""

    output: ClassVar[type[Prediction]] = FeaturePair
    measure: ClassVar[str] = "frechet_mobilenet"

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """One FeaturePair for each pair: features float32 (P, 160) of its P patches."""
        path = str(self._path())
        network = _network(path, sha256_of(path), current_device())
        return [
            FeaturePair(_features(network, original), _features(network, image), self.measure)
            for original, image in zip(originals, images, strict=True)
        ]

    def why_too_few(self, image_sizes: Sequence[tuple[int, int]]) -> str | None:
        """None if images of these sizes (height, width) are enough for a distance, else the reason and the cure."""
        count = sum(patch_count(height, width, SIDE) for height, width in image_sizes)
        if len(image_sizes) >= MIN_IMAGES and count >= MIN_PATCHES:
            return None
        return (
            f"its distance of {FEATURES} features needs {MIN_IMAGES} images or more, and {MIN_PATCHES} patches of "
            f"{SIDE}x{SIDE} pixels or more; this run has {len(image_sizes)} images, with {count}: take more or larger "
            f"images, or leave {self.measure} out"
        )

    def available(self) -> str | None:
        """None if the weights are present, else one sentence with the reason and the cure."""
        cure = f"{MOBILENET.install}, or give weights=PATH"
        return why_not_file(self._path(), "MobileNetV2's", MOBILENET_SHA256, cure)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, and the kind of device unless it is the CPU."""
        return {"code": "frechet_mobilenet-1", "weights_sha256": sha256_of(self._path()), **device_facts()}

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else MOBILENET.file() or checkpoints() / MOBILENET_FILE


def _features(network: Any, image: Image) -> npt.NDArray[np.float32]:
    """The means over positions of the last map, float32 (P, 160)."""
    import torch

    mean, std = (torch.tensor(values, device=current_device())[:, None, None] for values in (_MEAN, _STD))
    with torch.inference_mode():
        batch = torch.from_numpy(np.stack(patches(image, SIDE))).permute(0, 3, 1, 2).to(current_device())
        maps = network((batch / 255 - mean) / std)  # (P, 160, 4, 4)
        return np.asarray(maps.mean((2, 3)).cpu().numpy(), np.float32)


@held
def _network(path: str, sha256: str, device: str) -> Any:
    import torch
    from torchvision.models import mobilenet_v2

    with torch.random.fork_rng(devices=[]):
        network = mobilenet_v2()
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return network.features[:_BLOCKS].to(device).eval()
