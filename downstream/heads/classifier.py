"""Our own compact classifiers of single objects in street scenes, in two architectures.

    residual    residual trunk, mean of its last map
    separable   depthwise separable convolutions, a layer that sees its last map whole

The networks are in ``downstream/networks/classifiers``. Both are trained on clean images only, with different images
and seeds (weights/classifier_<arch>.md), so that the second can confirm or refute the first one's ranking of codecs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from downstream.api import HEADS, Classification, LabelSpace, Prediction, ranked
from downstream.device import device_facts, torch_version
from downstream.heads._availability import why_not_loadable
from downstream.label_spaces import ROADSCENES
from downstream.ops.object_views import square_view
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fitted
from downstream.weights.weights_file import about_of, classes_of, packaged, read_weights
from hsc.api import Image
from hsc.devices import current_device
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held
from hsc.registry import other_than

if TYPE_CHECKING:
    from downstream.networks.classifiers.layers import Classifier as Network

_BATCH = 64
_SIDE = 64
"""Of the square view that the networks were trained on, in pixels."""


@HEADS.register("classifier")
@dataclass(frozen=True)
class Classifier:
    """A classifier of one object: car, bus, pedestrian, bicyclist or sign.

    The longer side of a picture is scaled to 64 pixels, and the rest of the square view is grey. Pictures are the
    crops of objects that the data set ``object_crops`` cuts out, not whole scenes.

    arch: "residual" or "separable". weights: a safetensors file from ``python -m downstream.training --task
    classification``, which states its own classes; empty for the packaged weights.
    """

    arch: Literal["residual", "separable"] = "residual"
    weights: str = ""

    output: ClassVar[type[Prediction]] = Classification
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
        return self._loaded()[1] if self.weights else ROADSCENES

    def available(self) -> str | None:
        """None if the weights are present and fit, else one sentence with the reason and the cure.

        Of packaged weights the description is read, and no network is built; a run tries each network on an image.
        """
        return why_not_loadable(self._loaded if self.weights else self._require_described)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, version of torch, and the kind of device unless it is the CPU."""
        return {"weights_sha256": sha256_of(self._path()), "torch": torch_version(), **device_facts()}

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Rank the classes of each picture, of any size.

        Raises:
            UnavailableError: the weights are missing.
            DataError: the weights are damaged or of another network.
        """
        import torch

        if not images:
            return []
        network, _ = self._loaded()
        predictions: list[Prediction] = []
        for start in range(0, len(images), _BATCH):
            views = torch.stack([square_view(image, _SIDE) for image in images[start : start + _BATCH]])
            logits = network.logits(views.to(current_device())).cpu().numpy()
            predictions += [ranked(row[None]) for row in logits]
        return predictions

    def _path(self) -> Path:
        return Path(self.weights) if self.weights else packaged(f"classifier_{self.arch}")

    def _present(self) -> Path:
        """The weights file. Raises UnavailableError."""
        path = self._path()
        if not path.is_file():
            raise UnavailableError(
                f"the weights {path.name} are missing; train them with "
                f"python -m downstream.training --task classification --arch {self.arch} --data SHARDS --out FOLDER "
                f"--steps 2500 --height {_SIDE} --width {_SIDE}, and give weights="
            )
        return path

    def _require_described(self) -> None:
        """Check the weights as far as their file describes them. Raises UnavailableError, DataError."""
        path = self._present()
        _classes(path, about_of(path), self.arch)

    def _loaded(self) -> tuple[Network, LabelSpace]:
        path = self._present()
        return _load(self.arch, str(path), sha256_of(path), current_device())


def _classes(path: str | Path, about: Mapping[str, Any], arch: str) -> tuple[str, ...]:
    """The classes of weights that are of this head by their description. Raises DataError."""
    classes = classes_of(path, about)
    if about.get("task") != "classification" or about.get("arch") != arch or not classes:
        raise DataError(
            f"{Path(path).name} is of the task {str(about.get('task'))[:40]!r} and arch {str(about.get('arch'))[:40]!r}"
            f", expected 'classification' and {arch!r} with the names of its classes; give other weights= or arch="
        )
    return classes


@held
def _load(arch: str, path: str, sha256: str, device: str) -> tuple[Network, LabelSpace]:
    """The network of a weights file. It is held here and not in the head, so that a head can be sent to workers."""
    import torch

    from downstream.networks.classifiers import build
    from downstream.networks.detectors.layers import fused

    tensors, about = read_weights(path)
    classes = _classes(path, about, arch)
    network = fitted(lambda: build(arch, len(classes)), tensors, path, f"the {arch} of this version")
    space = ROADSCENES if classes == ROADSCENES.classes else LabelSpace(Path(path).stem, classes)
    return fused(network).to(memory_format=torch.channels_last).to(device), space  # the faster layout
