"""The segmenters of torchvision's model zoo, trained on COCO in PASCAL's classes: FCN, DeepLabv3, LR-ASPP.

Code and weights: torchvision, BSD-3-Clause; its model documentation names the papers. Weights come from torchvision's
own address, checked by its checksum, or from a local file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, LabelSpace, Prediction, SegmentationMap
from downstream.device import device_facts
from downstream.label_spaces import VOC21, sha256_of_classes, space_of
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
    "give classes=FILE with the classes that it was trained for, one name a line with the background among them, or "
    "give other weights"
)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


@HEADS.register("torchvision_segmentation")
@dataclass(frozen=True)
class TorchvisionSegmentation:
    """A segmenter of torchvision's zoo.

    model: torchvision's name of it. weights: a state dict as .safetensors or .pth; empty for torchvision's own weights,
    which are downloaded once unless HSC_OFFLINE is set. classes: a known label space, or a text file with one name a
    line; torchvision's own weights know "voc21". side: images are resized to this length of their shorter side in
    pixels; the default is that of the training of torchvision's weights, 0 keeps the image's own size.

    Raises:
        ValueError: side is negative, or classes other than "voc21" are asked of torchvision's own weights.
    """

    model: str = "deeplabv3_mobilenet_v3_large"
    weights: str = ""
    classes: str = VOC21.name
    side: int = 520

    output: ClassVar[type[Prediction]] = SegmentationMap
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    def __post_init__(self) -> None:
        if self.side < 0:
            raise ValueError(f"side came as {self.side}, expected pixels, or 0 for the image's own size")
        require_own_classes(self.weights, self.classes, VOC21.name)

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
        return unfetched(self.weights, self.model, lambda: _own(self.model))

    def fetch(self) -> None:
        """Download the weights if they are missing, and load them. Raises as ``predict`` does."""
        self._network()

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights and of a file of class names, versions of torch and torchvision, kind of device."""
        import torch
        import torchvision

        path = self.weights or path_of(_own(self.model))
        versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
        return {"weights_sha256": sha256_of(path), **versions, **sha256_of_classes(self.classes), **device_facts()}

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Segment images of any size, one at a time, so that an answer does not depend on other images.

        Raises:
            UnavailableError: the weights are missing or cannot be downloaded.
            DataError: the model is unknown, or the weights are of another model.
        """
        if not images:
            return []
        network = self._network()
        return [self._segment(network, image) for image in images]

    def _segment(self, network: Any, image: Image) -> SegmentationMap:
        import torch
        from torch.nn.functional import interpolate

        height, width = image.shape[:2]
        planes = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255  # (H, W, 3) -> (1, 3, H, W)
        if self.side:
            size = self.side * height // min(height, width), self.side * width // min(height, width)
            planes = interpolate(planes, size=size, mode="bilinear", align_corners=False, antialias=True)
        mean, std = torch.tensor(_MEAN).view(3, 1, 1), torch.tensor(_STD).view(3, 1, 1)
        with torch.inference_mode():
            logits = network(((planes - mean) / std).to(current_device()))["out"]
            logits = interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)
        require_finite(logits, "logits")
        return SegmentationMap(logits[0].argmax(0).to(torch.uint8).cpu().numpy())

    def _network(self) -> Any:
        path = fetched(self.model, self.weights, _own(self.model))
        return _load(self.model, str(path), sha256_of(path), len(self.label_space.classes), current_device())


def _own(model: str) -> Any:
    """Torchvision's own weights of a segmenter."""
    from torchvision.models import segmentation

    return own_weights(model, segmentation, "segmenter")


@held
def _load(model: str, path: str, sha256: str, classes: int, device: str) -> Any:
    from torchvision.models import get_model

    described = f"{model} with {classes} classes"
    with loading(path, described, "model"):
        state = read_state(path)
        # LR-ASPP has no auxiliary classifier; files of the other models come with or without one.
        auxiliary = {"aux_loss": True} if any(name.startswith("aux_classifier.") for name in state) else {}
        network = get_model(model, weights=None, weights_backbone=None, num_classes=classes, **auxiliary).eval()
        fill(network, state, path, described, _CURE)
    return network.to(device)
