"""Our own heads on a codec's latents: boxes or label maps from ``decode_latents``, without an image in between.

    latent_detector    the hourglass of small behind an adapter   (networks/latents/detector.py)
    latent_segmenter   the context of segmenter behind an adapter (networks/latents/segmenter.py)

A weights file states the latent space that it was trained in, so a head never reads another model's latents
(``downstream.compatibility.why_not``). ``use`` selects what is read: y beside w, only y, only w, or F, in which they
are joined. Each has weights of its own from the same training, so that the contributions can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from downstream.api import HEADS, Detections, LabelSpace, Prediction, SegmentationMap
from downstream.device import device_facts, torch_version
from downstream.heads._availability import why_not_loadable
from downstream.label_spaces import ROADSCENES, TRAINED_ON
from downstream.networks.latents.uses import Use
from downstream.ops.batching import batches
from downstream.ops.nms import best_of_cells
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fitted
from downstream.weights.weights_file import (
    AdaptedTo,
    about_of,
    classes_of,
    packaged,
    read_weights,
    require_codec,
)
from hsc.api import Latents, LatentSpec
from hsc.devices import current_device
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held
from hsc.registry import other_than

if TYPE_CHECKING:
    from torch import Tensor

    from downstream.networks.latents.inputs import LatentInput

_BATCH = 8
_MAX_CANDIDATES = 500


class _Loaded(NamedTuple):
    """A loaded weights file.

    network: LatentHourglass or LatentContext, in evaluation mode. latent_input: the latents that it reads. about: the
    file's own description.
    """

    network: Any
    latent_input: LatentInput
    about: Mapping[str, Any]


@dataclass(frozen=True)
class _LatentHead:
    """The common part of both heads: weights by name or path, and batches of latents.

    use: which latents are read. weights: path of a weights file; empty for the packaged weights. codec: whose latents
    the packaged weights read. task: the task of the weights, "detection" or "segmentation".
    """

    use: Use = "both"
    weights: str = ""
    codec: AdaptedTo = "hsc"

    regime: ClassVar[Literal["frozen", "adapted"]] = "adapted"
    task: ClassVar[str] = ""

    def __post_init__(self) -> None:
        require_codec(self.codec)
        if self.codec == "compressai" and self.use != "y":
            raise ValueError(f"use is {self.use!r}, the weights for compressai read y alone; give use=y")

    @property
    def needs(self) -> Sequence[LatentSpec]:
        """The latents that it reads, in the space its weights were trained in; none if the weights are missing."""
        return () if self.available() else self._described().needs

    def available(self) -> str | None:
        """None if the weights are present and fit, else one sentence with the reason and the cure.

        Of packaged weights the description is read, and no network is built; a run tries each network on an image.
        """
        return why_not_loadable(self._loaded if self.weights else self._described)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, their latent space, version of torch, and the kind of device unless it is the CPU."""
        return {
            "weights_sha256": sha256_of(self._path()),
            "latent_space": self._described().needs[0].space,
            "torch": torch_version(),
            **device_facts(),
        }

    def predict_latents(self, latents: Sequence[Latents]) -> list[Prediction]:
        """One prediction for the latents of each image, in order; images of one size go through the network together.

        Raises:
            UnavailableError: the weights are missing.
            DataError: the weights are damaged or of another network, or the latents are not those that they read.
        """
        predictions: dict[int, Prediction] = {}
        for batch in batches([image_latents.image_hw for image_latents in latents], _BATCH):
            image_hw = latents[batch[0]].image_hw
            inputs = self._inputs([latents[i] for i in batch], image_hw)
            predictions.update(zip(batch, self._predict_batch(inputs, image_hw), strict=True))
        return [predictions[i] for i in range(len(latents))]

    def _inputs(self, latents: Sequence[Latents], image_hw: tuple[int, int]) -> tuple[Tensor, ...]:
        import torch

        latent_input = self._loaded().latent_input
        maps = {}
        for name in (spec.name for spec in latent_input.needs):
            arrays = [image_latents.maps[name] for image_latents in latents if name in image_latents.maps]
            shapes = sorted({array.shape for array in arrays})
            if len(arrays) != len(latents) or len(shapes) > 1:
                raise DataError(
                    f"{len(arrays)} of {len(latents)} images came with the latent {name}, in shapes {shapes}; expected "
                    f"all of them, in one shape"
                )
            maps[name] = torch.from_numpy(np.stack(arrays)).to(current_device())
        inputs = latent_input.inputs(maps, image_hw)
        return (inputs[0].contiguous(memory_format=torch.channels_last), *inputs[1:])

    def _predict_batch(self, inputs: tuple[Tensor, ...], image_hw: tuple[int, int]) -> list[Prediction]:
        raise NotImplementedError

    def _path(self) -> Path:
        raise NotImplementedError

    def _present(self) -> Path:
        """The weights file. Raises UnavailableError."""
        path = self._path()
        if not path.is_file():
            raise UnavailableError(
                f"the weights {path.name} are missing; encode shards with hsc-bench encode-shards, train on them with "
                f"python -m downstream.training --task {self.task} --input latents --arch {self.use}, and give weights="
            )
        return path

    def _require_own(self, about: Mapping[str, Any]) -> None:
        """Check the classes that the weights state. Raises DataError."""
        raise NotImplementedError

    def _described(self) -> LatentInput:
        """The latents that the weights read, by the description in their file, which is checked.

        Raises:
            UnavailableError: the weights are missing.
            DataError: they are damaged or of another network.
        """
        path = self._present()
        about = about_of(path)
        latent_input = _latent_input(self.task, self.use, path, about)
        self._require_own(about)
        return latent_input

    def _loaded(self) -> _Loaded:
        path = self._present()
        loaded = _load(self.task, self.use, str(path), sha256_of(path), current_device())
        self._require_own(loaded.about)
        return loaded


@HEADS.register("latent_detector")
@dataclass(frozen=True)
class LatentDetector(_LatentHead):
    """A detector of about 1.6 million parameters on a codec's latents.

    use: "both", "y", "w" or "F". codec: whose latents the packaged weights read, hsc, coarse for
    hsc(model=roadscenes-coarse), or compressai for compressai(trained=roadscenes), of which they read y alone. weights:
    a safetensors file from ``python -m downstream.training --input latents``; empty for the packaged weights.
    score_threshold, nms_iou, max_detections: candidates with a lower score are dropped, then boxes are suppressed
    within each class, then this many of the best are kept.
    """

    score_threshold: float = 0.001
    nms_iou: float = 0.6
    max_detections: int = 100

    output: ClassVar[type[Prediction]] = Detections
    task: ClassVar[str] = "detection"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Packaged weights are data only; other weights are files of unknown origin."""
        return other_than(settings, weights=[""])

    @property
    def label_space(self) -> LabelSpace:
        """The classes of roadscenes."""
        return ROADSCENES

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else packaged(f"latent_detector_{self.use}", self.codec)

    def _require_own(self, about: Mapping[str, Any]) -> None:
        classes = tuple(about["classes"])
        if classes != ROADSCENES.classes:
            raise DataError(
                f"{self._path().name} answers in {classes}, expected {ROADSCENES.classes}; give other weights="
            )

    def _predict_batch(self, inputs: tuple[Tensor, ...], image_hw: tuple[int, int]) -> list[Prediction]:
        import torch

        network = self._loaded().network
        with torch.inference_mode():
            boxes, scores = network.candidates(tuple(maps.float().cpu() for maps in network(*inputs)))
        return [self._choose(*pair) for pair in zip(boxes, scores, strict=True)]

    def _choose(self, boxes: Tensor, scores: Tensor) -> Detections:
        """The detections in one image. boxes: (M, 4), pixels. scores: (M, classes)."""
        limits = {"score_threshold": self.score_threshold, "iou": self.nms_iou, "max_detections": self.max_detections}
        return best_of_cells(boxes, scores, _MAX_CANDIDATES, **limits)


@HEADS.register("latent_segmenter")
@dataclass(frozen=True)
class LatentSegmenter(_LatentHead):
    """A segmenter of about 1.5 million parameters on a codec's latents.

    use: "both", "y", "w" or "F". codec: whose latents the packaged weights read, hsc, or coarse for
    hsc(model=roadscenes-coarse). trained: the training data of the packaged weights.
    weights: a safetensors file from ``python -m downstream.training --task segmentation --input latents``, which states
    its own classes; empty for the packaged weights.
    """

    trained: Literal["roadscenes", "camvid"] = "roadscenes"

    output: ClassVar[type[Prediction]] = SegmentationMap
    task: ClassVar[str] = "segmentation"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Packaged weights are data only; other weights are files of unknown origin."""
        return other_than(settings, weights=[""])

    @property
    def label_space(self) -> LabelSpace:
        """The classes that its weights were trained in; those of packaged weights are known without the file.

        Raises as ``predict_latents`` does.
        """
        return self._space(self._loaded().about) if self.weights else TRAINED_ON[self.trained]

    def _path(self) -> Path:
        if self.weights:
            return Path(self.weights)
        return packaged(f"latent_segmenter_{self.use}_{self.trained}", self.codec)

    def _require_own(self, about: Mapping[str, Any]) -> None:
        space = self._space(about)
        if not self.weights and space != TRAINED_ON[self.trained]:
            raise DataError(
                f"{self._path().name} answers in {space.name} {space.classes}, expected {TRAINED_ON[self.trained]}; "
                f"give other weights="
            )

    def _space(self, about: Mapping[str, Any]) -> LabelSpace:
        return LabelSpace(str(about.get("space", "")), tuple(about["classes"]))

    def _predict_batch(self, inputs: tuple[Tensor, ...], image_hw: tuple[int, int]) -> list[Prediction]:
        return [SegmentationMap(labels) for labels in self._loaded().network.labels_of(inputs, image_hw).cpu().numpy()]


def _latent_input(task: str, use: str, path: str | Path, about: Mapping[str, Any]) -> LatentInput:
    """The latents that weights read which are of this head by their description. Raises DataError."""
    from downstream.networks.latents.inputs import from_plain

    stated, classes = tuple(str(about.get(name))[:40] for name in ("task", "input", "arch")), classes_of(path, about)
    if stated != (task, "latents", use) or not classes:
        raise DataError(
            f"{Path(path).name} is for {stated[0]!r} on {stated[1]!r} with use {stated[2]!r}, expected {task!r} on "
            f"'latents' with {use!r}; give other weights= or another use="
        )
    return from_plain(about)


@held
def _load(task: str, use: str, path: str, sha256: str, device: str) -> _Loaded:
    """The network of a weights file. It is held here and not in the head, so that a head can be sent to workers."""
    import torch

    from downstream.networks.detectors.layers import fused
    from downstream.networks.latents import build_detector, build_segmenter

    tensors, about = read_weights(path)
    latent_input = _latent_input(task, use, path, about)
    build = build_detector if task == "detection" else build_segmenter
    classes = len(about["classes"])
    network = fitted(lambda: build(latent_input, classes), tensors, path, "the latent heads of this version")
    return _Loaded(fused(network).to(memory_format=torch.channels_last).to(device), latent_input, about)
