"""Our own compact segmenters of street scenes, in two architectures.

    pyramid   residual encoder, skip connections, light decoder, classes at stride 2
    context   dilated bottlenecks, attention to the regions of each class, bilinear head at stride 4

The networks are in ``downstream/networks/segmenters``. Both are trained on clean images only, with different seeds
(weights/segmenter_<arch>_<trained>.md), so that the second can confirm or refute the first one's ranking of codecs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, LabelSpace, Prediction, SegmentationMap
from downstream.device import device_facts, torch_version
from downstream.heads._availability import why_not_loadable
from downstream.label_spaces import TRAINED_ON
from downstream.ops.batching import batches
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
    from downstream.networks.segmenters.layers import Segmenter as Network


_BATCH = 8
_BATCH_PIXELS = 1 << 20
"""The most pixels that go through the network together, so that large images do not fill the memory."""


@HEADS.register("segmenter")
@dataclass(frozen=True)
class Segmenter:
    """A segmenter of about 1.2 million parameters at the image's own size.

    arch: "pyramid" or "context". trained: the training data of the packaged weights, "roadscenes" or "camvid". flip:
    the mirrored image goes through the network too, and the mean of both sets of probabilities decides, at twice the
    cost. weights: a safetensors file from ``python -m downstream.training --task segmentation``, which states its own
    classes; empty for the packaged weights.
    """

    arch: Literal["pyramid", "context"] = "pyramid"
    trained: Literal["roadscenes", "camvid"] = "roadscenes"
    flip: bool = False
    weights: str = ""

    output: ClassVar[type[Prediction]] = SegmentationMap
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Packaged weights are data only; other weights are files of unknown origin."""
        return other_than(settings, weights=[""])

    @property
    def label_space(self) -> LabelSpace:
        """The classes that its weights were trained in; those of packaged weights are known without the file.

        Raises:
            UnavailableError: the file that ``weights`` names is missing.
            DataError: the file is damaged or of another network.
        """
        return self._loaded()[1] if self.weights else TRAINED_ON[self.trained]

    def available(self) -> str | None:
        """None if the weights are present and fit, else one sentence with the reason and the cure.

        Of packaged weights the description is read, and no network is built; a run tries each network on an image.
        """
        return why_not_loadable(self._loaded if self.weights else self._require_described)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, version of torch, and the kind of device unless it is the CPU."""
        return {"weights_sha256": sha256_of(self._path()), "torch": torch_version(), **device_facts()}

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Segment images of any size; images of one size go through the network together.

        Raises:
            UnavailableError: the weights are missing.
            DataError: the weights are damaged or of another network.
        """
        if not images:
            return []
        network, _ = self._loaded()
        predictions: dict[int, Prediction] = {}
        for batch in batches([image.shape for image in images], _batch_size):
            maps = self._predict_batch(network, np.stack([images[i] for i in batch]))
            predictions.update(zip(batch, maps, strict=True))
        return [predictions[i] for i in range(len(images))]

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else packaged(f"segmenter_{self.arch}_{self.trained}")

    def _present(self) -> Path:
        """The weights file. Raises UnavailableError."""
        path = self._path()
        if not path.is_file():
            raise UnavailableError(
                f"the weights {path.name} are missing; train them with "
                f"python -m downstream.training --task segmentation --arch {self.arch} --data SHARDS --out FOLDER "
                f"--steps 12000, and give weights="
            )
        return path

    def _require_described(self) -> None:
        """Check the weights as far as their file describes them. Raises UnavailableError, DataError."""
        path = self._present()
        self._require_own(path, _space(path, about_of(path), self.arch, self.regime))

    def _loaded(self) -> tuple[Network, LabelSpace]:
        path = self._present()
        network, space = _load(self.arch, self.regime, str(path), sha256_of(path), current_device())
        self._require_own(path, space)
        return network, space

    def _require_own(self, path: Path, space: LabelSpace) -> None:
        """Check that packaged weights know the classes of their training data. Raises DataError."""
        if not self.weights and space != TRAINED_ON[self.trained]:
            raise DataError(
                f"{path.name} answers in {space.name} {space.classes}, expected {TRAINED_ON[self.trained]}; give "
                f"other weights="
            )

    def _predict_batch(self, network: Network, pixels: Image) -> list[Prediction]:
        """Label maps of images of one size. pixels: uint8 (N, H, W, 3)."""
        import torch

        planes = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2)  # (N, H, W, 3) -> (N, 3, H, W)
        return [
            SegmentationMap(labels)
            for labels in network.labels(planes.to(current_device()).float(), flip=self.flip).cpu().numpy()
        ]


@HEADS.register("segmenter_adapted")
@dataclass(frozen=True)
class SegmenterAdapted(Segmenter):
    """``segmenter`` trained further on images that a codec decoded: the comparison for a head on that codec's latents.

    Its fields are those of ``segmenter``, and codec: whose images the packaged weights follow, hsc, or coarse for
    hsc(model=roadscenes-coarse). Its weights come from ``python -m downstream.training --task segmentation --input
    images``, and it follows only the codec that they were trained with. Weights of the context network are packaged.
    """

    arch: Literal["pyramid", "context"] = "context"
    codec: AdaptedTo = "hsc"

    regime: ClassVar[Literal["frozen", "adapted"]] = "adapted"

    def __post_init__(self) -> None:
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
        return (
            Path(self.weights)
            if self.weights
            else packaged(f"segmenter_adapted_{self.arch}_{self.trained}", self.codec)
        )


def _batch_size(shape: tuple[int, ...]) -> int:
    """The most images of this shape (H, W, 3) in a batch."""
    return max(1, min(_BATCH, _BATCH_PIXELS // (shape[0] * shape[1])))


def _space(path: str | Path, about: Mapping[str, Any], arch: str, regime: str) -> LabelSpace:
    """The classes of weights that are of this head by their description. Raises DataError."""
    space = LabelSpace(str(about.get("space", "")), classes_of(path, about))
    if about.get("task") != "segmentation" or about.get("arch") != arch or not space.classes:
        raise DataError(
            f"{Path(path).name} has task {str(about.get('task'))[:40]!r} and arch {str(about.get('arch'))[:40]!r}, "
            f"expected 'segmentation' and {arch!r}; give other weights= or another arch="
        )
    require_regime(path, about, regime)
    return space


@held
def _load(arch: str, regime: str, path: str, sha256: str, device: str) -> tuple[Network, LabelSpace]:
    """The network of a weights file. It is held here and not in the head, so that a head can be sent to workers."""
    import torch

    from downstream.networks.detectors.layers import fused
    from downstream.networks.segmenters import build

    tensors, about = read_weights(path)
    space = _space(path, about, arch, regime)
    network = fitted(lambda: build(arch, len(space.classes)), tensors, path, f"the {arch} of this version")
    return fused(network).to(memory_format=torch.channels_last).to(device), space  # the faster layout
