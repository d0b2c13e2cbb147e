"""Our own compact segmenters of street scenes, in two architectures.

    pyramid   residual encoder, skip connections, light decoder, classes at stride 2                   (segmenters/pyramid.py)
    context   dilated bottlenecks, attention to the regions of each class, bilinear head at stride 4   (segmenters/context.py)

Both are trained on clean images alone, with different seeds (weights/segmenter_<arch>_<trained>.md), so that the second
can confirm or refute what the first says of a codec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, LabelSpace, Prediction, SegmentationMap
from downstream.device import device, device_facts
from downstream.label_spaces import TRAINED_ON
from downstream.ops.batching import same_sizes
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fitted
from downstream.weights.weights_file import classes_of, packaged, read_weights, require_regime
from hsc.api import Image
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held
from hsc.registry import other_than

if TYPE_CHECKING:
    from downstream.networks.segmenters.layers import Segmenter as Network


_BATCH = 8
_BATCH_PIXELS = 1 << 20  # of all images that go through the network together, so that large ones do not fill the memory


@HEADS.register("segmenter")
@dataclass(frozen=True)
class Segmenter:
    """A segmenter of about 1.2 million parameters at the image's own size.

    arch: "pyramid" or "context". trained: the data whose packaged weights are used, "roadscenes" or "camvid". flip: the
    mirror image is looked at too, and the mean of both decides; twice the work. weights: a safetensors file from
    ``python -m downstream.training
    --task segmentation``, which knows its own classes; empty for the packaged one.
    """

    arch: Literal["pyramid", "context"] = "pyramid"
    trained: Literal["roadscenes", "camvid"] = "roadscenes"
    flip: bool = False
    weights: str = ""

    output: ClassVar[type[Prediction]] = SegmentationMap
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Packaged weights are; others are files of somebody's."""
        return other_than(settings, weights=[""])

    @property
    def label_space(self) -> LabelSpace:
        """The classes that its weights were trained in; of packaged ones they are known without the file.

        Raises:
            UnavailableError: the file that ``weights`` names is missing.
            DataError: it is damaged or of another network.
        """
        return self._loaded()[1] if self.weights else TRAINED_ON[self.trained]

    def available(self) -> str | None:
        """None if the weights are here and fit, else one sentence with the reason and the cure."""
        try:
            self._loaded()
        except (UnavailableError, DataError) as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, torch's version, and the device where it is not the CPU."""
        import torch

        return {"weights_sha256": sha256_of(self._path()), "torch": torch.__version__, **device_facts()}

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """The classes of images of any size; those of one size go through the network together.

        Raises:
            UnavailableError: the weights are missing.
            DataError: they are damaged or of another network.
        """
        if not images:
            return []
        network, _ = self._loaded()
        found: dict[int, Prediction] = {}
        for same in same_sizes([image.shape for image in images]):
            height, width = images[same[0]].shape[:2]
            step = max(1, min(_BATCH, _BATCH_PIXELS // (height * width)))
            for start in range(0, len(same), step):
                chunk = same[start : start + step]
                found.update(
                    zip(chunk, self._predict_batch(network, np.stack([images[i] for i in chunk])), strict=True)
                )
        return [found[i] for i in range(len(images))]

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else packaged(f"segmenter_{self.arch}_{self.trained}")

    def _loaded(self) -> tuple[Network, LabelSpace]:
        path = self._path()
        if not path.is_file():
            raise UnavailableError(
                f"the weights {path.name} are missing; train them with "
                f"python -m downstream.training --task segmentation --arch {self.arch} --data SHARDS --out FOLDER "
                f"--steps 12000, and give weights="
            )
        network, space = _load(self.arch, self.regime, str(path), sha256_of(path), device())
        if not self.weights and space != TRAINED_ON[self.trained]:
            raise DataError(
                f"{path.name} answers in {space.name} {space.classes}, expected {TRAINED_ON[self.trained]}; give "
                f"other weights="
            )
        return network, space

    def _predict_batch(self, network: Network, pixels: Image) -> list[Prediction]:
        """pixels: uint8 (N, H, W, 3), one size."""
        import torch

        planes = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2)  # (N, H, W, 3) -> (N, 3, H, W)
        return [
            SegmentationMap(labels)
            for labels in network.labels(planes.to(device()).float(), flip=self.flip).cpu().numpy()
        ]


@HEADS.register("segmenter_adapted")
@dataclass(frozen=True)
class SegmenterAdapted(Segmenter):
    """``segmenter`` trained further on the images a codec decodes: what a head on that codec's latents is to be
    measured by.

    Its fields are those of ``segmenter``; its weights are of ``python -m downstream.training --task segmentation
    --input images``, and it follows the codec they were trained with alone. Those of the context network are packaged.
    """

    arch: Literal["pyramid", "context"] = "context"

    regime: ClassVar[Literal["frozen", "adapted"]] = "adapted"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Packaged weights are; others are files of somebody's."""
        return other_than(settings, weights=[""])

    @property
    def adapted_to(self) -> str:
        """The latent space of that codec; empty where the weights are missing, or the codec has none."""
        return "" if self.available() else str(read_weights(self._path()).about.get("latent_space", ""))

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else packaged(f"segmenter_adapted_{self.arch}_{self.trained}")


@held
def _load(arch: str, regime: str, path: str, sha256: str, place: str) -> tuple[Network, LabelSpace]:
    """Networks live here and not in the head, so that a head stays a plain value that can be sent to workers."""
    import torch

    from downstream.networks.detectors.layers import fused
    from downstream.networks.segmenters import build

    tensors, about = read_weights(path)
    space = LabelSpace(str(about.get("space", "")), classes_of(path, about))
    if about.get("task") != "segmentation" or about.get("arch") != arch or not space.classes:
        raise DataError(
            f"{Path(path).name} is of task {str(about.get('task'))[:40]!r} and arch {str(about.get('arch'))[:40]!r}, "
            f"expected 'segmentation' and {arch!r}; give other weights= or another arch="
        )
    require_regime(path, about, regime)
    network = fitted(lambda: build(arch, len(space.classes)), tensors, path, f"the {arch} of this version")
    return fused(network).to(memory_format=torch.channels_last).to(place), space  # the faster layout without gradients
