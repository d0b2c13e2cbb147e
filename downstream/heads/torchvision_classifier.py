"""The classifiers of torchvision's model zoo, trained on ImageNet: ResNet, MobileNet, EfficientNet, ConvNeXt, ViT, ...

image --resize, shorter side--> centre crop --> less mean, divided by std --> network --> logits --> ranking

Code and weights: torchvision, BSD-3-Clause; its model documentation names the papers and the top-1 of each set of
weights. Weights come from torchvision's own address, checked by the sha256 prefix in their name, or from a local file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, Classification, LabelSpace, Prediction, ranked
from downstream.device import device_facts
from downstream.label_spaces import IMAGENET1K, sha256_of_classes, space_of
from downstream.ops.finite import require_finite
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fill, read_state
from downstream.weights.torchvision_zoo import (
    fetched,
    loading,
    own_weights,
    path_of,
    require_own_classes,
    unfetched,
    why_not,
)
from hsc.api import Image
from hsc.devices import current_device
from hsc.networks.network_holder import held

_CURE = (
    "give classes=FILE with the classes that it was trained for, one name a line, or give other weights, or their arch="
)


@HEADS.register("torchvision_classifier")
@dataclass(frozen=True)
class TorchvisionClassifier:
    """A classifier of torchvision's zoo.

    arch: torchvision's name of the model, such as resnet50, mobilenet_v3_large, efficientnet_b0 or vit_b_16. version:
    torchvision's name of its weights, such as IMAGENET1K_V1; empty for its default, which for ResNet-50 is
    IMAGENET1K_V2 (80.9 % top-1 by torchvision's own count). weights: a state dict of this arch as .safetensors or .pth,
    in place of torchvision's own, which are downloaded once unless HSC_OFFLINE is set. classes: "imagenet1k", or a text
    file with one name a line for other weights.

    resize, crop: the shorter side of the image is scaled to ``resize`` pixels by Pillow, then the middle ``crop`` x
    ``crop`` pixels are taken. 0 for what torchvision states for these weights: 256 and 224 for most IMAGENET1K_V1, 232
    and 224 for most IMAGENET1K_V2. Filter, mean and std are always torchvision's.

    Raises:
        ValueError: resize or crop is negative, or other classes are asked of torchvision's own weights.
    """

    arch: str = "resnet50"
    version: str = ""
    weights: str = ""
    classes: str = IMAGENET1K
    resize: int = 0
    crop: int = 0

    output: ClassVar[type[Prediction]] = Classification
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    def __post_init__(self) -> None:
        if self.resize < 0 or self.crop < 0:
            raise ValueError(f"resize {self.resize} and crop {self.crop}: expected pixels, or 0 for torchvision's own")
        require_own_classes(self.weights, self.classes, IMAGENET1K)

    @property
    def label_space(self) -> LabelSpace:
        """The classes that the weights know.

        Raises:
            UnavailableError: the file of class names is missing.
        """
        return space_of(self.classes)

    def available(self) -> str | None:
        """None if model and weights can be loaded here, else one sentence with the reason and the cure.

        Nothing is downloaded for the check.
        """
        return why_not(self)

    def unfetched(self) -> str:
        """What a prediction would download; empty if the weights are present. Raises DataError for an unknown model."""
        return unfetched(self.weights, "" if self.version else self.arch, lambda: _own(self.arch, self.version))

    def fetch(self) -> None:
        """Download the weights if they are missing, and load them. Raises as ``predict`` does."""
        self._network()

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights and of a file of class names, the transforms, versions of torch and torchvision, kind
        of device.
        """
        import PIL
        import torch
        import torchvision

        path = self.weights or path_of(_own(self.arch, self.version))
        return {
            "weights_sha256": sha256_of(path),
            "transforms": " ".join(repr(self._transforms()).split()),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "pillow": PIL.__version__,
            **sha256_of_classes(self.classes),
            **device_facts(),
        }

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Rank the classes of images of any size, one at a time, so that an answer does not depend on other images.

        Raises:
            UnavailableError: the weights are missing or cannot be downloaded.
            DataError: the model or its version is unknown, or the weights are of another model.
        """
        import torch
        from PIL import Image as Pictures

        if not images:
            return []
        network, transforms = self._network(), self._transforms()
        predictions: list[Prediction] = []
        with torch.inference_mode():
            for image in images:
                planes = transforms(Pictures.fromarray(np.array(image)))[None]  # (1, 3, crop, crop)
                logits = network(planes.to(current_device())).float().cpu().numpy()
                require_finite(logits, "logits")
                predictions.append(ranked(logits))
        return predictions

    def _transforms(self) -> Any:
        """Torchvision's transforms of these weights, with the sizes that were given."""
        transforms = _own(self.arch, self.version).transforms()
        transforms.resize_size = [self.resize] if self.resize else transforms.resize_size
        transforms.crop_size = [self.crop] if self.crop else transforms.crop_size
        return transforms

    def _network(self) -> Any:
        own = _own(self.arch, self.version)
        path = fetched(self.arch, self.weights, own)
        classes = len(self.label_space.classes)
        return _load(self.arch, self.version, str(path), sha256_of(path), not self.weights, classes, current_device())


def _own(arch: str, version: str) -> Any:
    """Torchvision's own weights of a classifier."""
    import torchvision

    return own_weights(arch, torchvision.models, "classifier", version)


@held
def _load(arch: str, version: str, path: str, sha256: str, own: bool, classes: int, device: str) -> Any:
    """The network with its weights. own: the weights are torchvision's, with which it also sets the details that they
    were trained with.
    """
    from torchvision.models import get_model

    described = f"{arch} with {classes} classes"
    with loading(path, described, "arch"):
        if own:
            return get_model(arch, weights=_own(arch, version), progress=False).eval().to(device)
        network = get_model(arch, weights=None, num_classes=classes).eval()
        fill(network, read_state(path), path, described, _CURE)
    return network.to(device)
