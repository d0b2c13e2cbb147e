"""The detectors of torchvision's model zoo, trained on COCO: Faster and Mask R-CNN, RetinaNet, FCOS, SSD.

Code and weights: torchvision, BSD-3-Clause; its model documentation names the papers. Weights come from torchvision's
own address, checked by its checksum, or from a local file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, Detections, LabelSpace, Prediction
from downstream.device import device_facts
from downstream.label_spaces import COCO80, NUMBERS
from downstream.ops.finite import require_finite
from downstream.ops.masks import pack
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fill, read_state
from downstream.weights.torchvision_zoo import fetched, loading, own_weights, path_of, unfetched, why_not
from hsc.api import Image
from hsc.devices import current_device
from hsc.networks.network_holder import held

_INSIDE = 0.5
"""Probability above which a pixel belongs to a mask."""
_CURE = (
    "this head reads only networks with COCO's 91 category numbers: give such weights, or export a fine-tuned detector "
    "to ONNX and use onnx(path=..., classes=...)"
)


@HEADS.register("torchvision")
@dataclass(frozen=True)
class Torchvision:
    """A detector of torchvision's zoo with COCO's classes.

    Mask R-CNN gives a mask with each box: the pixels with a probability above one half.

    model: torchvision's name of it. weights: a state dict as .safetensors or .pth; empty for torchvision's own weights,
    which are downloaded once unless HSC_OFFLINE is set. score_threshold, nms_iou, max_detections: as in torchvision's
    models.
    """

    model: str = "fasterrcnn_mobilenet_v3_large_320_fpn"
    weights: str = ""
    score_threshold: float = 0.001
    nms_iou: float = 0.5
    max_detections: int = 100

    output: ClassVar[type[Prediction]] = Detections
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    @property
    def label_space(self) -> LabelSpace:
        """COCO's 80 classes; torchvision's 91 category numbers are mapped onto them."""
        return COCO80

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
        """sha256 of the weights, versions of torch and torchvision, mask threshold, and a device other than the CPU."""
        import torch
        import torchvision

        path = self.weights or path_of(_own(self.model))
        masks = {"masks_above": str(_INSIDE)} if self.gives_masks else {}
        return {
            "weights_sha256": sha256_of(path),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            **masks,
            **device_facts(),
        }

    @property
    def gives_masks(self) -> bool:
        """Whether the model gives masks. Raises as ``predict`` does."""
        from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

        network = self._network()
        return isinstance(network, GeneralizedRCNN) and bool(network.roi_heads.has_mask())

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Detect objects in images of any size, one at a time, so that an answer does not depend on other images.

        Raises:
            UnavailableError: the weights are missing or cannot be downloaded.
            DataError: the model is unknown, or the weights are of another model.
        """
        import torch

        if not images:
            return []
        network = self._network()
        predictions: list[Prediction] = []
        with torch.inference_mode():
            for image in images:
                planes = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255  # (H, W, 3) -> (3, H, W)
                predictions.append(_detections(network([planes.to(current_device())])[0]))
        return predictions

    def _network(self) -> Any:
        from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

        path = fetched(self.model, self.weights, _own(self.model))
        network = _load(self.model, str(path), sha256_of(path), not self.weights, current_device())
        # The R-CNN models keep their limits in roi_heads. They are set on each use, because heads share a network.
        limits = network.roi_heads if isinstance(network, GeneralizedRCNN) else network
        limits.score_thresh = self.score_threshold
        limits.nms_thresh = self.nms_iou
        limits.detections_per_img = self.max_detections
        return network


def _own(model: str) -> Any:
    """Torchvision's own weights of a detector."""
    from torchvision.models import detection

    return own_weights(model, detection, "detector")


def _detections(result: Mapping[str, Any]) -> Detections:
    """Torchvision's answer with its labels, 1 to 90, mapped to 0 to 79; boxes with an unused number are left out."""
    labels = np.full(91, -1, np.int64)
    labels[list(NUMBERS)] = np.arange(len(NUMBERS))
    mapped = labels[result["labels"].cpu().numpy()]
    boxes = result["boxes"].cpu().numpy().astype(np.float32)
    require_finite(boxes, "box coordinates")
    keep = mapped >= 0
    probabilities = result.get("masks")  # (N, 1, H, W), 0 to 1
    masks = None if probabilities is None else pack((probabilities[:, 0] > _INSIDE).cpu().numpy()[keep])
    return Detections(boxes[keep], result["scores"].cpu().numpy().astype(np.float32)[keep], mapped[keep], masks)


@held
def _load(model: str, path: str, sha256: str, own: bool, device: str) -> Any:
    """The network with its weights.

    own: the weights are torchvision's, with which it also sets the details that they were trained with.
    """
    from torchvision.models import get_model

    with loading(path, model, "model"):
        if own:
            return get_model(model, weights=_own(model), progress=False).eval().to(device)
        network = get_model(model, weights=None, weights_backbone=None).eval()
        fill(network, read_state(path), path, model, _CURE)
    return network.to(device)
