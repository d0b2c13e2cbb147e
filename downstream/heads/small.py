"""Our own small detectors for the rendered road scenes, in two architectures.

    pyramid     residual trunk, feature pyramid, dense head on strides 8, 16, 32
    hourglass   plain trunk down and up again, one heat map at stride 4

The networks are in ``downstream/networks/detectors``. Both are trained on clean images only, with different seeds and
different images (weights/small_<arch>.md), so that the second can confirm or refute the first one's ranking of codecs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, Detections, LabelSpace, Prediction
from downstream.device import device_facts, torch_version
from downstream.heads._availability import why_not_loadable
from downstream.label_spaces import ROADSCENES
from downstream.ops.batching import batches
from downstream.ops.nms import best_of_cells
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fitted
from downstream.weights.weights_file import (
    AdaptedTo,
    about_of,
    classes_of,
    latent_space_of,
    packaged,
    read_weights,
    require_codec,
    require_regime,
)
from hsc.api import Image
from hsc.devices import current_device
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held
from hsc.registry import other_than

if TYPE_CHECKING:
    from torch import Tensor

    from downstream.networks.detectors.layers import Detector


_BATCH = 8
_MAX_CANDIDATES = 500
_PAD_VALUE = 115


@HEADS.register("small", aliases=("detector",))
@dataclass(frozen=True)
class Small:
    """A detector of about one million parameters at the image's own size.

    arch: "pyramid" or "hourglass". score_threshold, nms_iou, max_detections: candidates with a lower score are dropped,
    then boxes are suppressed within each class, then this many of the best are kept. zoom: factor by which images are
    enlarged first, for small objects; 0.25 to 4. flip: the mirrored image goes through the network too, and the
    candidates of both are suppressed together, at twice the cost. weights: a safetensors file from
    ``python -m downstream.training``; empty for the packaged weights.

    Raises:
        ValueError: zoom is out of its range.
    """

    arch: Literal["pyramid", "hourglass"] = "pyramid"
    score_threshold: float = 0.001
    nms_iou: float = 0.6
    max_detections: int = 100
    zoom: float = 1.25
    flip: bool = False
    weights: str = ""

    output: ClassVar[type[Prediction]] = Detections
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Packaged weights are data only; other weights are files of unknown origin."""
        return other_than(settings, weights=[""])

    def __post_init__(self) -> None:
        if not 0.25 <= self.zoom <= 4:
            raise ValueError(f"zoom came as {self.zoom}, expected 0.25 to 4")

    @property
    def label_space(self) -> LabelSpace:
        """The classes of roadscenes."""
        return ROADSCENES

    def available(self) -> str | None:
        """None if the weights are present and fit, else one sentence with the reason and the cure.

        Of packaged weights the description is read, and no network is built; a run tries each network on an image.
        """
        return why_not_loadable(self._network if self.weights else self._require_described)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, version of torch, and the kind of device unless it is the CPU."""
        return {"weights_sha256": sha256_of(self._path()), "torch": torch_version(), **device_facts()}

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Detect objects in images of any size; images of one size go through the network together.

        Raises:
            UnavailableError: the weights are missing.
            DataError: the weights are damaged or of another network.
        """
        if not images:
            return []
        network = self._network()
        predictions: dict[int, Prediction] = {}
        for batch in batches([image.shape for image in images], _BATCH):
            detections = self._predict_batch(network, np.stack([images[i] for i in batch]))
            predictions.update(zip(batch, detections, strict=True))
        return [predictions[i] for i in range(len(images))]

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else packaged(f"small_{self.arch}")

    def _present(self) -> Path:
        """The weights file. Raises UnavailableError."""
        path = self._path()
        if not path.is_file():
            raise UnavailableError(
                f"the weights {path.name} are missing; train them with python -m downstream.training --arch "
                f"{self.arch}, or give weights="
            )
        return path

    def _require_described(self) -> None:
        """Check the weights as far as their file describes them. Raises UnavailableError, DataError."""
        path = self._present()
        _require_fit(path, about_of(path), self.arch, self.regime)

    def _network(self) -> Detector:
        path = self._present()
        return _load(self.arch, self.regime, str(path), sha256_of(path), current_device())

    def _predict_batch(self, network: Detector, pixels: Image) -> list[Prediction]:
        """Detections in images of one size. pixels: uint8 (N, H, W, 3)."""
        import torch
        from torch.nn.functional import interpolate

        height, width = pixels.shape[1:3]
        zoomed = max(1, round(height * self.zoom)), max(1, round(width * self.zoom))
        planes = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float()  # (N, H, W, 3) -> (N, 3, H, W)
        if zoomed != (height, width):
            planes = interpolate(planes, size=zoomed, mode="bilinear", align_corners=False)
        back = torch.tensor([width / zoomed[1], height / zoomed[0]] * 2)
        boxes, scores = self._candidates(network, planes)
        boxes = boxes * back
        if self.flip:
            mirrored_boxes, mirrored_scores = self._candidates(network, planes.flip(3))
            mirrored_boxes = mirrored_boxes * back
            mirrored_boxes[..., [0, 2]] = width - mirrored_boxes[..., [2, 0]]
            boxes, scores = torch.cat([boxes, mirrored_boxes], 1), torch.cat([scores, mirrored_scores], 1)
        return [self._choose(*pair) for pair in zip(boxes, scores, strict=True)]

    def _candidates(self, network: Detector, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (N, M, 4) in pixels of ``planes`` (N, 3, H, W) and scores (N, M, classes), on the CPU."""
        import torch
        from torch.nn.functional import pad

        height, width = planes.shape[2:]
        padded = pad(planes, (0, -width % network.multiple, 0, -height % network.multiple), value=_PAD_VALUE)
        with torch.inference_mode():
            raw = network(padded.to(current_device()).contiguous(memory_format=torch.channels_last))
            boxes, scores = network.candidates(tuple(maps.cpu() for maps in raw))
        return boxes.clone(), scores.clone()

    def _choose(self, boxes: Tensor, scores: Tensor) -> Detections:
        """The detections in one image. boxes: (M, 4), pixels. scores: (M, classes)."""
        max_candidates = _MAX_CANDIDATES * (2 if self.flip else 1)
        limits = {"score_threshold": self.score_threshold, "iou": self.nms_iou, "max_detections": self.max_detections}
        return best_of_cells(boxes, scores, max_candidates, **limits)


@HEADS.register("small_adapted", aliases=("detector_adapted",))
@dataclass(frozen=True)
class SmallAdapted(Small):
    """``small`` trained further on images that a codec decoded: the comparison for a head on that codec's latents.

    Its fields are those of ``small``, and codec: whose images the packaged weights follow, hsc, or coarse for
    hsc(model=roadscenes-coarse). Its weights come from ``python -m downstream.training --input images``, and it follows
    only the codec that they were trained with. Weights of the hourglass are packaged.
    """

    arch: Literal["pyramid", "hourglass"] = "hourglass"
    codec: AdaptedTo = "hsc"

    regime: ClassVar[Literal["frozen", "adapted"]] = "adapted"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_codec(self.codec)

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Packaged weights are data only; other weights are files of unknown origin."""
        return other_than(settings, weights=[""])

    @property
    def adapted_to(self) -> str:
        """The latent space of that codec; empty if the weights are missing or the codec has no latents."""
        return "" if self.available() else latent_space_of(self._path())

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else packaged(f"small_adapted_{self.arch}", self.codec)


def _require_fit(path: str | Path, about: Mapping[str, Any], arch: str, regime: str) -> None:
    """Check that weights are of this head by their description. Raises DataError."""
    classes = classes_of(path, about)
    if about.get("arch") != arch or classes != ROADSCENES.classes:
        raise DataError(
            f"{Path(path).name} has arch {str(about.get('arch'))[:40]!r} and {len(classes)} classes "
            f"{str(classes)[:120]}, expected {arch!r} and {ROADSCENES.classes}; give other weights="
        )
    require_regime(path, about, regime)


@held
def _load(arch: str, regime: str, path: str, sha256: str, device: str) -> Detector:
    """The network of a weights file. It is held here and not in the head, so that a head can be sent to workers."""
    import torch

    from downstream.networks.detectors import build
    from downstream.networks.detectors.layers import fused

    tensors, about = read_weights(path)
    _require_fit(path, about, arch, regime)
    network = fitted(lambda: build(arch, len(ROADSCENES.classes)), tensors, path, f"the {arch} of this version")
    return fused(network).to(memory_format=torch.channels_last).to(device)  # the faster layout without gradients
