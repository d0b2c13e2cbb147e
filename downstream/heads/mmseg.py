"""Segmenters of mmsegmentation from their config and checkpoint: SegFormer, PSPNet, DeepLabv3+, BiSeNetV2 and others.

image --the config's test pipeline--> preprocessor --> network --> logits at the image's own size --> SegmentationMap

mmsegmentation, mmengine and mmcv are Apache-2.0, an optional extra of this project. The extra installs mmcv-lite, which
lacks mmcv's compiled operations; the few networks that need one raise an error that names it. A config in Python is a
program: use only configs that you trust.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from downstream.api import HEADS, LabelSpace, Prediction, SegmentationMap
from downstream.device import device_facts
from downstream.heads._availability import why_not_loadable
from downstream.heads._mmseg_import import config_path, import_mmseg, require_packages, versions
from downstream.label_spaces import sha256_of_classes, space_named, space_of
from downstream.ops.finite import require_finite
from downstream.weights.config_sources import sha256_of_config
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fill, read_state
from hsc.api import Image
from hsc.devices import current_device
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held

_MIN_SIDE = 32
_MAX_PATH_LENGTH = 1024
_TRUST = (
    "it is a pickle that holds more than tensors and plain values. If you trust its origin, convert it once and give "
    "classes=: python -c \"import torch; torch.save({'state_dict': torch.load('OLD.pth', 'cpu', "
    "weights_only=False)['state_dict']}, 'NEW.pth')\""
)


@HEADS.register("mmseg")
@dataclass(frozen=True)
class MmSeg:
    """A network of mmsegmentation 1.2.

    config: a file, or the name of a config that mmsegmentation ships, such as
    segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py. weights: its checkpoint, a .pth of tensors and plain values,
    or a state dict as .safetensors. classes: a known label space ("ade150", "cityscapes19", "voc21"), or a text file
    with one name a line; if empty, they are read from the checkpoint. resize: "config" for the config's test pipeline,
    or "own" for the image's own size.
    """

    config: str
    weights: str
    classes: str = ""
    resize: Literal["config", "own"] = "config"

    output: ClassVar[type[Prediction]] = SegmentationMap
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    @property
    def label_space(self) -> LabelSpace:
        """The classes that the network knows.

        Raises:
            UnavailableError, DataError: as ``predict`` does.
        """
        return space_of(self.classes) if self.classes else self._loaded().space

    def available(self) -> str | None:
        """None if the network can be loaded here, else one sentence with the reason and the cure."""
        return why_not_loadable(self._loaded)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the weights, of the config with all that it inherits, and of a file of class names; versions."""
        digests = {"weights_sha256": sha256_of(self.weights), "config_sha256": self._loaded().config_sha256}
        return {**digests, **versions(), **(sha256_of_classes(self.classes) if self.classes else {}), **device_facts()}

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Segment images of any size, one at a time, so that an answer does not depend on other images.

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
        require_packages()
        config = config_path(self.config)
        if not Path(self.weights).is_file():
            raise UnavailableError(
                f"the weights {self.weights} are missing; get the checkpoint of this config from mmsegmentation's "
                f"model zoo"
            )
        return _load(
            str(config),
            sha256_of_config(config),
            self.weights,
            sha256_of(self.weights),
            self.classes,
            self.resize,
            current_device(),
        )


class _Loaded(NamedTuple):
    """A network in evaluation mode, the pipeline that prepares an image for it, its classes and its config's hash."""

    network: Any
    pipeline: Any
    space: LabelSpace
    config_sha256: str


def _segment(loaded: _Loaded, image: Image) -> SegmentationMap:
    import torch

    height, width = image.shape[:2]
    # Some networks take no image smaller than their first patch, so the last row and column are repeated.
    padded = np.pad(image, ((0, max(0, _MIN_SIDE - height)), (0, max(0, _MIN_SIDE - width)), (0, 0)), mode="edge")
    # mmcv reads arrays as OpenCV's BGR; the network's preprocessor converts them to the order of its training.
    packed = loaded.pipeline({"img": np.ascontiguousarray(padded[..., ::-1])})
    with torch.inference_mode():
        sample = loaded.network.test_step({"inputs": [packed["inputs"]], "data_samples": [packed["data_samples"]]})[0]
    require_finite(sample.seg_logits.data, "logits")
    labels = sample.pred_sem_seg.data[0, :height, :width]
    return SegmentationMap(labels.to(torch.uint8).cpu().numpy())


@held
def _load(
    config: str, config_sha256: str, weights: str, weights_sha256: str, classes: str, resize: str, device: str
) -> _Loaded:
    """The network of a config. It is held here and not in the head, so that a head can be sent to workers."""
    settings, network, meta = _built(config, config_sha256, weights, weights_sha256, device)
    steps = [] if resize == "own" else _test_steps(settings)
    model = settings.model.to_dict()
    files = {path: sha256_of(path) for path in _named_files([model, steps])}
    content = json.dumps([model, steps, files] if files else [model, steps], sort_keys=True, default=str)
    space = space_of(classes) if classes else _classes_of(meta, weights)
    if network.num_classes != len(space.classes):
        raise DataError(
            f"{Path(config).name} answers in {network.num_classes} classes, {space.name} has {len(space.classes)}; "
            f"check config and classes"
        )
    return _Loaded(network, _pipeline(steps), space, hashlib.sha256(content.encode()).hexdigest())


@held
def _built(
    config: str, config_sha256: str, weights: str, weights_sha256: str, device: str
) -> tuple[Any, Any, Mapping[str, Any]]:
    """The config, its network with the weights, and the checkpoint's metadata.

    All heads with this config and these weights share them, whatever their other settings.
    """
    import_mmseg()
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
    return settings, _network(model, state, Path(config).name, weights).to(device), meta


def _test_steps(settings: Any) -> list[dict[str, Any]]:
    """The steps of the config's test pipeline between reading and packing an image, without those for labels."""
    return [
        dict(step)
        for step in settings.get("test_pipeline", [])
        if step["type"] not in ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs")
    ]


def _named_files(settings: Any) -> Iterator[str]:
    """Files that a config's values name, such as embeddings of the class names."""
    if isinstance(settings, Mapping):
        settings = list(settings.values())
    if isinstance(settings, list | tuple):
        for part in settings:
            yield from _named_files(part)
    elif isinstance(settings, str) and len(settings) < _MAX_PATH_LENGTH and Path(settings).is_file():
        yield settings


def _pipeline(steps: list[dict[str, Any]]) -> Any:
    from mmcv.transforms import Compose

    return Compose([{"type": "LoadImageFromNDArray"}, *steps, {"type": "PackSegInputs"}])


def _checkpoint(path: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The state dict of a checkpoint, and its metadata."""
    name = Path(path).name
    try:
        content = read_state(path)
    except DataError:
        raise
    except Exception as error:  # a damaged or foreign file may raise anything
        # An intact archive, or a pickle that names a foreign class, was refused and is not damaged.
        refused = zipfile.is_zipfile(path) or "nsupported global" in str(error)
        reason = _TRUST if refused else f"{error}; it may be damaged, get it again"
        raise DataError(f"{name} was not loaded: {reason}") from error
    if not isinstance(content, Mapping):
        raise DataError(f"{name} holds a {type(content).__name__}, expected a checkpoint with a state_dict")
    state, meta = content.get("state_dict", content), content.get("meta")
    if not isinstance(state, Mapping):
        raise DataError(f"{name} holds a {type(state).__name__} as its state_dict, expected tensors by name")
    tensors = {str(key).removeprefix("module."): value for key, value in state.items()}
    return tensors, meta if isinstance(meta, Mapping) else {}


def _classes_of(meta: Mapping[str, Any], weights: str) -> LabelSpace:
    """The classes that a checkpoint states: in dataset_meta since mmsegmentation 1.0, in CLASSES before."""
    dataset = meta.get("dataset_meta")
    names = (dataset.get("classes") if isinstance(dataset, Mapping) else None) or meta.get("CLASSES")
    if not names or not isinstance(names, list | tuple):
        raise DataError(
            f"{Path(weights).name} does not state its classes; give classes=, such as cityscapes19 or a text file"
        )
    return space_named([str(name).strip() for name in names], Path(weights).stem)


def _network(model: dict[str, Any], state: Mapping[str, Any], config_name: str, weights: str) -> Any:
    from mmengine.config import ConfigDict
    from mmseg.registry import MODELS

    try:
        network = MODELS.build(ConfigDict(_for_testing(model)))
    except UnavailableError:
        raise
    except Exception as error:  # networks check their settings in many ways, with errors of many kinds
        raise DataError(
            f"the model of {config_name} cannot be built: {error}; check that it is a segmenter of mmsegmentation 1.2"
        ) from error
    cure = "give the config that this checkpoint was trained with, including its num_classes"
    fill(network, state, weights, config_name, cure)
    return network.eval()


def _for_testing(settings: Any) -> Any:
    """A model's settings for inference: no weights to download, and plain in place of synchronised batch norm."""
    if isinstance(settings, list | tuple):
        return type(settings)(_for_testing(part) for part in settings)
    if not isinstance(settings, dict):
        return settings
    kept = {key: _for_testing(value) for key, value in settings.items() if key not in ("pretrained", "init_cfg")}
    return {**kept, "type": "BN"} if settings.get("type") in ("SyncBN", "MMSyncBN") else kept
