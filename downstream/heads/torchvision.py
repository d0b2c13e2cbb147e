"""The detectors of torchvision's model zoo, trained on COCO: Faster and Mask R-CNN, RetinaNet, FCOS, SSD.

Code and weights: torchvision, BSD-3-Clause; papers are named in its model documentation. Weights come by torchvision's
own address and checksum, or from a local file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, Detections, LabelSpace, Prediction
from downstream.device import device, device_facts
from downstream.label_spaces import COCO80, NUMBERS
from downstream.ops.finite import require_finite
from downstream.ops.masks import pack
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fill, read_state
from downstream.weights.torchvision_zoo import fetched, own_weights, path_of, unfetched, why_not
from hsc.api import Image
from hsc.errors import DataError
from hsc.networks.network_holder import held

_INSIDE = 0.5
_CURE = (
    "this head reads networks of COCO's 91 numbers alone: give such weights, or export a fine-tuned detector to ONNX "
    "and read it with "
    "onnx(path=..., classes=...)"
)


@HEADS.register("torchvision")
@dataclass(frozen=True)
class Torchvision:
    """A detector of torchvision's zoo with COCO's classes.

    Mask R-CNN gives a mask with each box, of the pixels it holds more likely inside than not.

    model: its name there. weights: a state dict as .safetensors or .pth; empty for torchvision's own, downloaded once
    unless HSC_OFFLINE is set. score_threshold, nms_iou, max_detections: as in torchvision's models.
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
        """COCO's 80 classes; torchvision's 91 numbers are mapped onto them."""
        return COCO80

    def available(self) -> str | None:
        """None if model and weights can be loaded here, else one sentence with the reason and the cure; nothing is
        fetched to find out.
        """
        return why_not(self)

    def unfetched(self) -> str:
        """What use would download; empty where the weights are here. Raises DataError where the model is unknown."""
        return unfetched(self.weights, _own(self.model))

    def fetch(self) -> None:
        """Bring the weights here and load them. Raises as ``predict`` does."""
        self._network()

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, versions of torch and torchvision."""
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
        """Whether the model draws masks. Raises as ``predict`` does."""
        heads = getattr(self._network(), "roi_heads", None)
        return heads is not None and bool(heads.has_mask())

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Detect in images of any size, one at a time, so that an answer does not depend on its neighbours.

        Raises:
            UnavailableError: the weights are missing or cannot be fetched.
            DataError: the model is unknown, or the weights are of another.
        """
        import torch

        if not images:
            return []
        network = self._network()
        found: list[Prediction] = []
        with torch.inference_mode():
            for image in images:
                planes = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255  # (H, W, 3) -> (3, H, W)
                found.append(_known(network([planes.to(device())])[0]))
        return found

    def _network(self) -> Any:
        path = fetched(self.model, self.weights, _own(self.model))
        network = _load(self.model, str(path), sha256_of(path), not self.weights, device())
        limits = getattr(
            network, "roi_heads", network
        )  # where the R-CNN models have theirs; set anew, since heads share a network
        limits.score_thresh, limits.nms_thresh, limits.detections_per_img = (
            self.score_threshold,
            self.nms_iou,
            self.max_detections,
        )
        return network


def _own(model: str) -> Any:
    from torchvision.models import detection

    return own_weights(model, detection, "detector")


def _known(result: Mapping[str, Any]) -> Detections:
    """Torchvision's answer with its labels, 1 to 90, turned into 0 to 79; the ten unused numbers go."""
    labels = np.full(91, -1, np.int64)
    labels[list(NUMBERS)] = np.arange(len(NUMBERS))
    mapped = labels[result["labels"].cpu().numpy()]
    boxes = result["boxes"].cpu().numpy().astype(np.float32)
    require_finite(boxes, "box coordinates")
    keep = mapped >= 0
    drawn = result.get("masks")  # (N, 1, H, W), 0 to 1
    masks = None if drawn is None else pack((drawn[:, 0] > _INSIDE).cpu().numpy()[keep])
    return Detections(boxes[keep], result["scores"].cpu().numpy().astype(np.float32)[keep], mapped[keep], masks)


@held
def _load(model: str, path: str, sha256: str, own: bool, place: str) -> Any:
    """own: torchvision's weights, with which it also sets the details they were trained with."""
    from torchvision.models import get_model

    try:
        if own:
            return get_model(model, weights=_own(model), progress=False).eval().to(place)
        network = get_model(model, weights=None, weights_backbone=None).eval()
        fill(network, read_state(path), path, model, _CURE)
    except DataError:
        raise
    except Exception as error:  # a damaged or foreign file may raise anything
        raise DataError(
            f"{Path(path).name} cannot be loaded as weights of {model}: {error}; get it again, or name its model"
        ) from error
    return network.to(place)
