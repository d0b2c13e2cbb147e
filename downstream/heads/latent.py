"""Our own heads on a codec's latents: boxes or classes from what ``decode_latents`` gives, and no image is ever made.

    latent_detector    the hourglass of small behind a lift from the latents            (latent_networks/centres.py)
    latent_segmenter   the context network of segmenter behind a lift from the latents  (latent_networks/pixels.py)

A weights file names the latent space it was trained in, so a head never reads another model's latents
(``downstream.api.why_not``).
``use`` says what is read: y modulated by w, y alone, or w alone; each has weights of its own, trained alike, so that
what one of them adds can be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from downstream.api import HEADS, Detections, LabelSpace, Prediction, SegmentationMap
from downstream.device import device, device_facts
from downstream.label_spaces import ROADSCENES, TRAINED_ON
from downstream.networks.latents.uses import Use
from downstream.ops.batching import same_sizes
from downstream.ops.nms import best_of_cells
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fitted
from downstream.weights.weights_file import classes_of, packaged, read_weights
from hsc.api import Latents, LatentSpec
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held
from hsc.registry import other_than

if TYPE_CHECKING:
    from torch import Tensor

    from downstream.networks.latents.inputs import Reading

_BATCH = 8
_CANDIDATES = 500


class _Loaded(NamedTuple):
    """network: Centres or Pixels, in evaluation mode. about: what the weights file says of itself."""

    network: Any
    reading: Reading
    about: Mapping[str, Any]


@dataclass(frozen=True)
class _LatentHead:
    """What both heads share: weights by name or path, and grouping of latents into batches."""

    use: Use = "both"
    weights: str = ""

    regime: ClassVar[Literal["frozen", "adapted"]] = "adapted"
    task: ClassVar[str] = ""

    @property
    def needs(self) -> Sequence[LatentSpec]:
        """The maps it reads, in the space its weights were trained in; none where the weights are not there."""
        return () if self.available() else self._loaded().reading.needs

    def available(self) -> str | None:
        """None if the weights are here and fit, else one sentence with the reason and the cure."""
        try:
            self._loaded()
        except (UnavailableError, DataError) as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, the latent space they read, and torch's version."""
        import torch

        space = self._loaded().reading.needs[0].space
        return {
            "weights_sha256": sha256_of(self._path()),
            "latent_space": space,
            "torch": torch.__version__,
            **device_facts(),
        }

    def predict_latents(self, latents: Sequence[Latents]) -> list[Prediction]:
        """One prediction for each image's latents, in order; those of images of one size go through the network
        together.

        Raises:
            UnavailableError: the weights are missing.
            DataError: they are damaged or of another network, or the latents are not what the weights read.
        """
        found: dict[int, Prediction] = {}
        for same in same_sizes([one.image_hw for one in latents]):
            image_hw = latents[same[0]].image_hw
            for start in range(0, len(same), _BATCH):
                chunk = same[start : start + _BATCH]
                inputs = self._inputs([latents[i] for i in chunk], image_hw)
                found.update(zip(chunk, self._answers(inputs, image_hw), strict=True))
        return [found[i] for i in range(len(latents))]

    def _inputs(self, latents: Sequence[Latents], image_hw: tuple[int, int]) -> tuple[Tensor, ...]:
        import torch

        reading = self._loaded().reading
        maps = {}
        for name in (spec.name for spec in reading.needs):
            found = [one.maps[name] for one in latents if name in one.maps]
            if len(found) != len(latents) or len({array.shape for array in found}) > 1:
                came = sorted({array.shape for array in found})
                raise DataError(
                    f"{len(found)} of {len(latents)} images brought the latent {name}, in shapes {came}; expected "
                    f"all, in one shape"
                )
            maps[name] = torch.from_numpy(np.stack(found)).to(device())
        inputs = reading.inputs(maps, image_hw)
        return (inputs[0].contiguous(memory_format=torch.channels_last), *inputs[1:])

    def _answers(self, inputs: tuple[Tensor, ...], image_hw: tuple[int, int]) -> list[Prediction]:
        raise NotImplementedError

    def _path(self) -> Path:
        raise NotImplementedError

    def _loaded(self) -> _Loaded:
        path = self._path()
        if not path.is_file():
            raise UnavailableError(
                f"the weights {path.name} are missing; code shards with python -m benchmarks.coded, train on them with "
                f"python -m downstream.training --task {self.task} --input latents --arch {self.use}, and give weights="
            )
        return _load(self.task, self.use, str(path), sha256_of(path), device())


@HEADS.register("latent_detector")
@dataclass(frozen=True)
class LatentDetector(_LatentHead):
    """A detector of about 1.6 million parameters on a codec's latents.

    use: "both", "y" or "w". weights: a safetensors file from ``python -m downstream.training --input latents``; empty
    for the packaged one. score_threshold, nms_iou, max_detections: candidates below the first go, then suppression
    within a class, then the cut.
    """

    score_threshold: float = 0.001
    nms_iou: float = 0.6
    max_detections: int = 100

    output: ClassVar[type[Prediction]] = Detections
    task: ClassVar[str] = "detection"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Packaged weights are; others are files of somebody's."""
        return other_than(settings, weights=[""])

    @property
    def label_space(self) -> LabelSpace:
        """The classes of roadscenes."""
        return ROADSCENES

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else packaged(f"latent_detector_{self.use}")

    def _loaded(self) -> _Loaded:
        loaded = super()._loaded()
        classes = tuple(loaded.about["classes"])
        if classes != ROADSCENES.classes:
            raise DataError(
                f"{self._path().name} answers in {classes}, expected {ROADSCENES.classes}; give other weights="
            )
        return loaded

    def _answers(self, inputs: tuple[Tensor, ...], image_hw: tuple[int, int]) -> list[Prediction]:
        import torch

        network = self._loaded().network
        with torch.inference_mode():
            boxes, scores = network.candidates(tuple(maps.float().cpu() for maps in network(*inputs)))
        return [self._choose(*pair) for pair in zip(boxes, scores, strict=True)]

    def _choose(self, boxes: Tensor, scores: Tensor) -> Detections:
        """boxes (M, 4), scores (M, classes) of one image."""
        limits = {"score_threshold": self.score_threshold, "iou": self.nms_iou, "max_detections": self.max_detections}
        return best_of_cells(boxes, scores, _CANDIDATES, **limits)


@HEADS.register("latent_segmenter")
@dataclass(frozen=True)
class LatentSegmenter(_LatentHead):
    """A segmenter of about 1.5 million parameters on a codec's latents.

    use: "both", "y" or "w". trained: the data whose packaged weights are used. weights: a safetensors file from
    ``python -m downstream.training --task segmentation --input latents``, which knows its own classes; empty for the
    packaged one.
    """

    trained: Literal["roadscenes", "camvid"] = "roadscenes"

    output: ClassVar[type[Prediction]] = SegmentationMap
    task: ClassVar[str] = "segmentation"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Packaged weights are; others are files of somebody's."""
        return other_than(settings, weights=[""])

    @property
    def label_space(self) -> LabelSpace:
        """The classes that its weights were trained in; of packaged ones they are known without the file. Raises as
        ``predict_latents``.
        """
        return self._space(self._loaded()) if self.weights else TRAINED_ON[self.trained]

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else packaged(f"latent_segmenter_{self.use}_{self.trained}")

    def _loaded(self) -> _Loaded:
        loaded = super()._loaded()
        space = self._space(loaded)
        if not self.weights and space != TRAINED_ON[self.trained]:
            raise DataError(
                f"{self._path().name} answers in {space.name} {space.classes}, expected {TRAINED_ON[self.trained]}; "
                f"give other weights="
            )
        return loaded

    def _space(self, loaded: _Loaded) -> LabelSpace:
        return LabelSpace(str(loaded.about.get("space", "")), tuple(loaded.about["classes"]))

    def _answers(self, inputs: tuple[Tensor, ...], image_hw: tuple[int, int]) -> list[Prediction]:
        return [SegmentationMap(labels) for labels in self._loaded().network.labels_of(inputs, image_hw).cpu().numpy()]


@held
def _load(task: str, use: str, path: str, sha256: str, place: str) -> _Loaded:
    """Networks live here and not in the head, so that a head stays a plain value that can be sent to workers."""
    import torch

    from downstream.networks.detectors.layers import fused
    from downstream.networks.latents import build_detector, build_segmenter
    from downstream.networks.latents.inputs import from_plain

    tensors, about = read_weights(path)
    came, classes = tuple(str(about.get(name))[:40] for name in ("task", "input", "arch")), classes_of(path, about)
    if came != (task, "latents", use) or not classes:
        raise DataError(
            f"{Path(path).name} is of task {came[0]!r} on {came[1]!r} with use {came[2]!r}, expected {task!r} on "
            f"'latents' with {use!r}; "
            "give other weights= or another use="
        )
    reading = from_plain(about)
    build = build_detector if task == "detection" else build_segmenter
    network = fitted(lambda: build(reading, len(classes)), tensors, path, "the latent heads of this version")
    return _Loaded(fused(network).to(memory_format=torch.channels_last).to(place), reading, about)
