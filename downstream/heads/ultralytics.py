"""Detectors and instance segmenters of the Ultralytics family (YOLOv5 to YOLO11 and later), from their own .pt files.

Ultralytics and its weights are AGPL-3.0: an optional extra of this project that is never bundled with it. This head
downloads and installs nothing. A .pt file is a pickle, so use only files that you trust.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from downstream.api import HEADS, Detections, LabelSpace, Prediction
from downstream.device import device_facts
from downstream.heads._availability import why_not_loadable
from downstream.label_spaces import COCO80
from downstream.ops.masks import pack
from downstream.weights.file_hash import sha256_of
from hsc.api import Image
from hsc.devices import current_device
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held

_INSTALL = "pip install 'hsc-bench[ultralytics]' (AGPL-3.0)"
_SEGMENT = "segment"
"""Ultralytics' name of the task of instance segmenters."""
_OFFLINE = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
"""Environment variables that ultralytics reads on import; otherwise it probes the network and installs packages."""


@HEADS.register("ultralytics")
@dataclass(frozen=True)
class Ultralytics:
    """Any weights that ultralytics reads for boxes, or for boxes with masks ("-seg"). AGPL-3.0.

    Masks have the image's own size; ultralytics leaves out boxes whose mask is empty.

    weights: a local file. side: of the square input, in pixels. score_threshold, nms_iou, max_detections: ultralytics'
    conf, iou and max_det.
    """

    weights: str = "yolo11n.pt"
    side: int = 640
    score_threshold: float = 0.001
    nms_iou: float = 0.7
    max_detections: int = 100

    output: ClassVar[type[Prediction]] = Detections
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    @property
    def label_space(self) -> LabelSpace:
        """The model's own classes: coco80 if they are COCO's, else a label space named after the file.

        Raises:
            UnavailableError, DataError: the model cannot be loaded.
        """
        names = tuple(str(name) for _, name in sorted(self._model().names.items()))
        return COCO80 if names == COCO80.classes else LabelSpace(Path(self.weights).stem, names)

    def available(self) -> str | None:
        """None if the model can be loaded here, else one sentence with the reason and the cure."""
        return why_not_loadable(self._model)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, versions of ultralytics and torch, the licence, and a device other than the CPU."""
        import torch

        return {
            "weights_sha256": sha256_of(self.weights),
            "ultralytics": importlib.metadata.version("ultralytics"),
            "torch": torch.__version__,
            "licence": "AGPL-3.0",
            **device_facts(),
        }

    @property
    def gives_masks(self) -> bool:
        """Whether the weights are those of an instance segmenter. Raises as ``predict`` does."""
        return str(self._model().task) == _SEGMENT

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Detect objects in images of any size, one at a time, so that an answer does not depend on other images.

        Raises:
            UnavailableError: the package or the weights are missing.
            DataError: the weights cannot be loaded, or give neither boxes nor masks.
        """
        if not images:
            return []
        model = self._model()
        return [self._predict_one(model, image) for image in images]

    def _predict_one(self, model: Any, image: Image) -> Detections:
        result = model.predict(
            np.ascontiguousarray(image[..., ::-1]),  # ultralytics reads arrays as OpenCV's BGR
            imgsz=self.side,
            conf=self.score_threshold,
            iou=self.nms_iou,
            max_det=self.max_detections,
            rect=False,
            device=current_device(),
            retina_masks=True,  # masks of the image's own size; boxes do not depend on it
            verbose=False,
            save=False,
        )[0]
        boxes = result.boxes.cpu().numpy()
        masks = pack(_masks(result, image)) if model.task == _SEGMENT else None
        return Detections(
            boxes.xyxy.astype(np.float32).reshape(-1, 4),
            boxes.conf.astype(np.float32),
            boxes.cls.astype(np.int64),
            masks,
        )

    def _model(self) -> Any:
        if importlib.util.find_spec("ultralytics") is None:
            raise UnavailableError(f"ultralytics is not installed; {_INSTALL}")
        if not Path(self.weights).is_file():
            raise UnavailableError(
                f"the weights {self.weights} are missing and are not downloaded automatically; "
                "get them from the ultralytics releases and give weights=PATH"
            )
        return _load(self.weights, sha256_of(self.weights))


def _masks(result: Any, image: Image) -> npt.NDArray[np.bool_]:
    """Ultralytics' masks as bool (N, H, W); its own answer is None if it finds nothing."""
    return np.zeros((0, *image.shape[:2]), np.bool_) if result.masks is None else result.masks.data.cpu().numpy() > 0


@held
def _load(path: str, sha256: str) -> Any:
    import torch

    yolo = _import()
    threads = torch.get_num_threads()
    try:
        model = yolo(path)
        if model.task not in ("detect", _SEGMENT):
            raise DataError(
                f"{Path(path).name} has the task {model.task}, expected a detector or an instance segmenter"
            )
        # The first call sets ultralytics up, including its own number of threads, which is reset below.
        model.predict(np.zeros((32, 32, 3), np.uint8), imgsz=32, device=current_device(), verbose=False, save=False)
    except DataError:
        raise
    except Exception as error:  # unpickling a foreign file may raise anything
        raise DataError(
            f"{Path(path).name} cannot be loaded by ultralytics; it may be damaged, get it again: {error}"
        ) from error
    finally:
        torch.set_num_threads(threads)
    return model


def _import() -> Any:
    """Ultralytics' class YOLO, imported offline; the process's environment is afterwards as it was before."""
    added = {name: value for name, value in _OFFLINE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        from ultralytics import YOLO
    except ImportError as error:  # commonly OpenCV without libGL
        cure = (
            "pip install opencv-python-headless in place of opencv-python, or install libgl1"
            if "libGL" in str(error) or "cv2" in str(error)
            else _INSTALL
        )
        raise UnavailableError(f"ultralytics cannot be imported: {error}; {cure}") from error
    finally:
        for name in added:
            del os.environ[name]
    return YOLO
