"""Faster and Mask R-CNN with the weights of Detectron2's zoo, which papers on coding for machines report.

Wu, Kirillov, Massa, Lo, Girshick, "Detectron2", 2019 (Apache-2.0; weights CC BY-SA 3.0). Their files are converted
once, offline, by ``python -m downstream.networks.rcnn``; Detectron2 itself is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, Detections, LabelSpace, Prediction
from downstream.device import device_facts
from downstream.heads._availability import why_not_loadable
from downstream.label_spaces import COCO80
from downstream.ops.finite import require_finite
from downstream.ops.masks import pack
from downstream.ops.shortest_side import check_sides, resized_hw
from downstream.weights.file_hash import sha256_of
from hsc.api import Image
from hsc.devices import current_device
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held

if TYPE_CHECKING:
    from downstream.networks.rcnn.network import Rcnn

_CONVERT = "python -m downstream.networks.rcnn model_final_280758.pkl OUT.safetensors"


@HEADS.register("detectron2")
@dataclass(frozen=True)
class Detectron2:
    """A detector of Detectron2's zoo with COCO's 80 classes, from a converted file.

    Pictures are resized as Detectron2 does it, bilinearly by Pillow. Mask R-CNN gives a mask with each box: the pixels
    with a probability of one half or more.

    weights: the file that the converter wrote. score_threshold, nms_iou, max_detections: Detectron2's own are 0.05, 0.5
    and 100. short: the length that the shorter side is brought to, in pixels. most: the most that the longer side may
    then have.
    """

    weights: str
    score_threshold: float = 0.001
    nms_iou: float = 0.5
    max_detections: int = 100
    short: int = 800
    most: int = 1333

    output: ClassVar[type[Prediction]] = Detections
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    def __post_init__(self) -> None:
        check_sides(self.short, self.most)

    @property
    def label_space(self) -> LabelSpace:
        """COCO's 80 classes."""
        return COCO80

    def available(self) -> str | None:
        """None if the weights can be loaded here, else one sentence with the reason and the cure."""
        return why_not_loadable(self._network)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, versions of torch, torchvision and Pillow, and a device other than the CPU."""
        import PIL
        import torch
        import torchvision

        return {
            "code": "detectron2-1",
            "weights_sha256": sha256_of(self._path()),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "pillow": PIL.__version__,
            **device_facts(),
        }

    @property
    def gives_masks(self) -> bool:
        """Whether the weights are those of Mask R-CNN. Raises as ``predict`` does."""
        return bool(self._network().layout.masks)

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Detect objects in images of any size, one at a time, so that an answer does not depend on other images.

        Raises:
            UnavailableError: the weights are missing.
            DataError: they are no converted file, or of other classes.
        """
        import torch

        if not images:
            return []
        network = self._network()
        with torch.inference_mode():
            return [self._predict_one(network, image) for image in images]

    def _predict_one(self, network: Rcnn, image: Image) -> Detections:
        import torch
        from PIL import Image as Pillow

        from downstream.networks.rcnn.network import paste

        height, width = image.shape[:2]
        new_height, new_width = resized_hw(height, width, self.short, self.most)
        shown = Pillow.fromarray(np.ascontiguousarray(image))
        resized = np.array(shown.resize((new_width, new_height), Pillow.Resampling.BILINEAR))
        planes = torch.from_numpy(resized).permute(2, 0, 1).float().to(current_device())  # (H, W, 3) -> (3, H, W)
        found = network(planes)
        scale = found["boxes"].new_tensor([width / new_width, height / new_height] * 2)
        boxes = found["boxes"] * scale
        require_finite(boxes.cpu().numpy(), "box coordinates")
        masks = None
        if "masks" in found:
            masks = pack(paste(found["masks"], boxes, (height, width)).cpu().numpy())
        return Detections(
            boxes.cpu().numpy().astype(np.float32),
            found["scores"].cpu().numpy().astype(np.float32),
            found["labels"].cpu().numpy().astype(np.int64),
            masks,
        )

    def _path(self) -> Path:
        return Path(self.weights).expanduser()

    def _network(self) -> Any:
        path = self._path()
        if not path.is_file():
            raise UnavailableError(
                f"the weights {self.weights} are missing; convert a file of Detectron2's zoo once: {_CONVERT}"
            )
        network = _load(str(path), sha256_of(path), current_device())
        # Limits are set on each use, because heads share a network.
        network.roi_heads.score_thresh = self.score_threshold
        network.roi_heads.nms_thresh = self.nms_iou
        network.roi_heads.detections_per_img = self.max_detections
        return network


@held
def _load(path: str, sha256: str, device: str) -> Any:
    from downstream.networks.rcnn.layout import layout_of
    from downstream.networks.rcnn.network import Rcnn
    from downstream.weights.state_dicts import fitted
    from downstream.weights.weights_file import read_weights

    if not path.endswith(".safetensors"):
        raise DataError(f"{Path(path).name} is no .safetensors file; convert it once: {_CONVERT}")
    weights = read_weights(path)
    layout = layout_of(weights.about, Path(path).name)
    if layout.classes != len(COCO80.classes):
        raise DataError(
            f"{Path(path).name} knows {layout.classes} classes, this head those of COCO, {len(COCO80.classes)}; give "
            f"weights trained on COCO"
        )
    return fitted(lambda: Rcnn(layout), weights.tensors, path, "its network").eval().to(device)
