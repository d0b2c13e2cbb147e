"""Any segmenter of mmsegmentation, from its config and checkpoint: SegFormer, PSPNet, DeepLabv3+, BiSeNetV2 and many
more.

image --the config's test pipeline--> preprocessor --> network --> logits at the image's own size --> SegmentationMap

mmsegmentation, mmengine and mmcv are Apache-2.0, an extra of this project. It brings mmcv-lite, which has none of
mmcv's compiled
operations: few networks use them, and those say so when they do. A config in Python is a program: use only configs you
trust.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from downstream.api import HEADS, LabelSpace, Prediction, SegmentationMap
from downstream.device import device, device_facts
from downstream.label_spaces import sha256_of_classes, space_named, space_of
from downstream.ops.finite import require_finite
from downstream.weights.config_sources import sha256_of_config
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fill, read_state
from hsc.api import Image
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held

_INSTALL = "pip install 'hsc-bench[mmseg]'"
_PACKAGES = ("mmseg", "mmengine", "mmcv", "ftfy", "regex")
_EXTENSION = "mmcv._ext"
_SMALLEST = 32
_LONGEST_PATH = 1024
_TRUST = (
    "it is a pickle that holds more than tensors and plain values. Where you trust its origin, write it again once "
    "and give classes=: python -c "
    "\"import torch; torch.save({'state_dict': torch.load('OLD.pth', 'cpu', weights_only=False)['state_dict']}, "
    "'NEW.pth')\""
)


@HEADS.register("mmseg")
@dataclass(frozen=True)
class MmSeg:
    """A network of mmsegmentation 1.2.

    config: a file, or the name of one that mmsegmentation ships, as in
    segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py.
    weights: its checkpoint, .pth of tensors and plain values, or a state dict as .safetensors. classes: a known label
    space ("ade150", "cityscapes19", "voc21"), or a text file with one name a line; where empty, the checkpoint says.
    resize: "config" as its test pipeline does, or "own" for the image's own size.
    """

    config: str
    weights: str
    classes: str = ""
    resize: Literal["config", "own"] = "config"

    output: ClassVar[type[Prediction]] = SegmentationMap
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    @property
    def label_space(self) -> LabelSpace:
        """The classes it knows.

        Raises:
            UnavailableError, DataError: as ``predict``.
        """
        return space_of(self.classes) if self.classes else self._loaded().space

    def available(self) -> str | None:
        """None if the network can be loaded here, else one sentence with the reason and the cure."""
        try:
            self._loaded()
        except (UnavailableError, DataError) as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, of the config with all that it inherits, and of the class names where they are a file;
        versions.
        """
        versions = {
            name: importlib.metadata.version(name)
            for name in ("mmsegmentation", "mmengine", "mmcv-lite", "torch")
            if _has(name)
        }
        digests = {"weights_sha256": sha256_of(self.weights), "config_sha256": self._loaded().config_sha256}
        return {**digests, **versions, **(sha256_of_classes(self.classes) if self.classes else {}), **device_facts()}

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """The classes of images of any size, one at a time, so that an answer does not depend on its neighbours.

        Raises:
            UnavailableError: the packages, the config or the weights are missing, or the network needs a compiled
            operation of mmcv.
            DataError: config or weights cannot be read, or do not fit each other.
        """
        if not images:
            return []
        loaded = self._loaded()
        return [_segment(loaded, image) for image in images]

    def _loaded(self) -> _Loaded:
        missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise UnavailableError(
                f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; {_INSTALL}"
            )
        config = _config_path(self.config)
        if not Path(self.weights).is_file():
            raise UnavailableError(
                f"the weights {self.weights} are not here; get the checkpoint of this config from mmsegmentation's "
                f"model zoo"
            )
        return _load(
            str(config),
            sha256_of_config(config),
            self.weights,
            sha256_of(self.weights),
            self.classes,
            self.resize,
            device(),
        )


class _Loaded(NamedTuple):
    """A network in evaluation mode, what is done to an image before it, its classes."""

    network: Any
    pipeline: Any
    space: LabelSpace
    config_sha256: str


def _segment(loaded: _Loaded, image: Image) -> SegmentationMap:
    import torch

    height, width = image.shape[:2]
    # Some networks take no image smaller than their first patch; the last row and column are repeated for them.
    enough = np.pad(image, ((0, max(0, _SMALLEST - height)), (0, max(0, _SMALLEST - width)), (0, 0)), mode="edge")
    # mmcv reads arrays as OpenCV's BGR; the network's preprocessor turns them as it was trained.
    packed = loaded.pipeline({"img": np.ascontiguousarray(enough[..., ::-1])})
    with torch.inference_mode():
        sample = loaded.network.test_step({"inputs": [packed["inputs"]], "data_samples": [packed["data_samples"]]})[0]
    require_finite(sample.seg_logits.data, "logits")
    labels = sample.pred_sem_seg.data[0, :height, :width]
    return SegmentationMap(labels.to(torch.uint8).cpu().numpy())


@held
def _load(
    config: str, config_sha256: str, weights: str, weights_sha256: str, classes: str, resize: str, place: str
) -> _Loaded:
    """Networks live here and not in the head, so that a head stays a plain value that can be sent to workers."""
    settings, network, meta = _built(config, config_sha256, weights, weights_sha256, place)
    steps = [] if resize == "own" else _test_steps(settings)
    model = settings.model.to_dict()
    named = {path: sha256_of(path) for path in _named_files([model, steps])}
    content = json.dumps([model, steps, named] if named else [model, steps], sort_keys=True, default=str)
    space = space_of(classes) if classes else _classes_of(meta, weights)
    if network.num_classes != len(space.classes):
        raise DataError(
            f"{Path(config).name} answers {network.num_classes} classes, {space.name} has {len(space.classes)}; "
            f"check config and classes"
        )
    return _Loaded(network, _pipeline(steps), space, hashlib.sha256(content.encode()).hexdigest())


@held
def _built(
    config: str, config_sha256: str, weights: str, weights_sha256: str, place: str
) -> tuple[Any, Any, Mapping[str, Any]]:
    """The config, its network with the weights, and what the checkpoint says beside them: one for all settings of a
    head.
    """
    _import()
    from mmengine.config import Config

    try:
        settings = Config.fromfile(config)
        model = settings.model.to_dict()
    except Exception as error:  # a config is a program and may raise anything
        raise DataError(
            f"{Path(config).name} is not a readable config of mmsegmentation: {error}; give one with model and "
            f"test_pipeline"
        ) from error
    state, meta = _checkpoint(weights)
    return settings, _network(model, state, Path(config).name, weights).to(place), meta


def _import() -> None:
    """Import mmsegmentation, with a stand-in where mmcv's compiled operations are not installed."""
    if _EXTENSION not in sys.modules and importlib.util.find_spec(_EXTENSION) is None:
        sys.modules[_EXTENSION] = _StandIn(_EXTENSION)
    try:
        from mmseg.utils import register_all_modules
    except ImportError as error:  # commonly OpenCV without libGL
        cure = (
            "pip install opencv-python-headless in place of opencv-python, or install libgl1"
            if "libGL" in str(error)
            else _INSTALL
        )
        raise UnavailableError(f"mmsegmentation cannot be imported: {error}; {cure}") from error
    except AssertionError as error:  # it asserts the versions of what it stands on
        raise UnavailableError(f"mmsegmentation cannot be imported: {error}; {_INSTALL}") from error
    register_all_modules(init_default_scope=True)


class _StandIn(ModuleType):
    """The compiled part of mmcv where there is none: every operation is there, and raises when it is used."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # without a loader mmengine knows that nothing is compiled

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def operation(*arguments: Any, **options: Any) -> Any:
            raise UnavailableError(
                f"this network needs mmcv's compiled operation {name}, which mmcv-lite does not have; "
                "build mmcv 2.1.0 with its operations in place of mmcv-lite"
            )

        return operation


def _config_path(config: str) -> Path:
    """The file of that name, else the config of that name among those that mmsegmentation ships."""
    package = importlib.util.find_spec("mmseg")
    shipped = Path(package.origin or "").parent / ".mim" / "configs" if package else Path()
    for path in (Path(config), shipped / config):
        if path.is_file():
            return path
    raise UnavailableError(
        f"the config {config} is not here; give its path, or a name such as "
        f"pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py"
    )


def _test_steps(settings: Any) -> list[dict[str, Any]]:
    """What the config does to a test image between reading and packing; labels are none of our business."""
    return [
        dict(step)
        for step in settings.get("test_pipeline", [])
        if step["type"] not in ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs")
    ]


def _named_files(settings: Any) -> Iterator[str]:
    """Files that a config's values name, such as embeddings of the classes' names."""
    if isinstance(settings, Mapping):
        settings = list(settings.values())
    if isinstance(settings, list | tuple):
        for part in settings:
            yield from _named_files(part)
    elif isinstance(settings, str) and len(settings) < _LONGEST_PATH and Path(settings).is_file():
        yield settings


def _pipeline(steps: list[dict[str, Any]]) -> Any:
    from mmcv.transforms import Compose

    return Compose([{"type": "LoadImageFromNDArray"}, *steps, {"type": "PackSegInputs"}])


def _checkpoint(path: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """State dict and what the checkpoint says beside it."""
    name = Path(path).name
    try:
        content = read_state(path)
    except DataError:
        raise
    except Exception as error:  # a damaged or foreign file may raise anything
        # A whole archive, or a pickle that names a foreign class, was refused and not damaged.
        refused = zipfile.is_zipfile(path) or "nsupported global" in str(error)
        reason = _TRUST if refused else f"{error}; it may be damaged, get it again"
        raise DataError(f"{name} was not loaded: {reason}") from error
    if not isinstance(content, Mapping):
        raise DataError(f"{name} holds a {type(content).__name__}, expected a checkpoint with a state_dict")
    state, meta = content.get("state_dict", content), content.get("meta")
    if not isinstance(state, Mapping):
        raise DataError(f"{name} holds a {type(state).__name__} as its state_dict, expected tensors by name")
    return {str(key).removeprefix("module."): value for key, value in state.items()}, meta if isinstance(
        meta, Mapping
    ) else {}


def _classes_of(meta: Mapping[str, Any], weights: str) -> LabelSpace:
    """Checkpoints of mmsegmentation 1.x say it in dataset_meta, older ones in CLASSES."""
    about = meta.get("dataset_meta")
    names = (about.get("classes") if isinstance(about, Mapping) else None) or meta.get("CLASSES")
    if not names or not isinstance(names, list | tuple):
        raise DataError(
            f"{Path(weights).name} does not say its classes; give classes=, such as cityscapes19 or a text file"
        )
    return space_named([str(name).strip() for name in names], Path(weights).stem)


def _network(model: dict[str, Any], state: Mapping[str, Any], config_name: str, weights: str) -> Any:
    from mmengine.config import ConfigDict
    from mmseg.registry import MODELS

    try:
        network = MODELS.build(ConfigDict(_for_testing(model)))
    except UnavailableError:
        raise
    except Exception as error:  # networks check their settings in many ways
        raise DataError(
            f"the model of {config_name} cannot be built: {error}; check that it is a segmenter of mmsegmentation 1.2"
        ) from error
    fill(
        network,
        state,
        weights,
        config_name,
        "give the config this checkpoint was trained with, its num_classes among them",
    )
    return network.eval()


def _for_testing(settings: Any) -> Any:
    """A model's settings without weights to fetch, and with batch norm for what is synchronised over processes in
    training.
    """
    if isinstance(settings, list | tuple):
        return type(settings)(_for_testing(one) for one in settings)
    if not isinstance(settings, dict):
        return settings
    kept = {key: _for_testing(value) for key, value in settings.items() if key not in ("pretrained", "init_cfg")}
    return {**kept, "type": "BN"} if settings.get("type") in ("SyncBN", "MMSyncBN") else kept


def _has(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
