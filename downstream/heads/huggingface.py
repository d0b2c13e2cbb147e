"""Detectors and segmenters of the transformers library: DETR, RT-DETR, YOLOS, SegFormer, Mask2Former and others.

image --image processor--> pixel_values --> network --post-processing--> Detections | SegmentationMap

A model is a folder as ``save_pretrained`` writes it (config.json, preprocessor_config.json, model.safetensors), or its
name on the Hugging Face hub. transformers is Apache-2.0, an optional extra of this project; models have licences of
their own. Code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from downstream.api import HEADS, Detections, LabelSpace, Prediction, SegmentationMap
from downstream.device import device_facts
from downstream.heads._availability import why_not_loadable
from downstream.label_spaces import COCO80, NUMBERS, sha256_of_classes, space_named, space_of
from downstream.ops.finite import require_finite
from downstream.ops.nms import best_boxes
from downstream.weights.file_hash import sha256_of
from hsc.api import Image
from hsc.devices import current_device
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held
from hsc.weights.download import offline

_INSTALL = "pip install 'hsc-bench[huggingface]'"
_CONFIG = "config.json"
_FILES = ("*.json", "*.safetensors")
"""Files of a model that are read; pickles and code are not."""
_DETECTION = "ForObjectDetection"
_SEGMENTATION = ("ForSemanticSegmentation", "ForUniversalSegmentation", "ForInstanceSegmentation")
Task = Literal["detection", "segmentation"]
_UNNAMED = "LABEL_"
"""The start of the names that transformers makes up for classes without a name."""


@HEADS.register("huggingface")
@dataclass(frozen=True)
class HuggingFace:
    """A detector or semantic segmenter of transformers, found out from the model's own config.

    path: a local folder, or a name on the hub such as nvidia/segformer-b0-finetuned-ade-512-512. revision: of a model
    on the hub, best a commit; empty for its newest. download: fetch a model of the hub that is not in the local cache;
    otherwise nothing is fetched. task: "auto" reads it from the model's config, which must be here; name it for a model
    that the run is to fetch. classes: a known label space, or a text file with one name a line; if empty, they are
    the config's id2label. score_threshold, max_detections: boxes with a lower score are dropped, then this many of the
    best are kept; these detectors need no suppression.
    """

    path: str
    revision: str = ""
    download: bool = False
    task: Literal["auto", "detection", "segmentation"] = "auto"
    classes: str = ""
    score_threshold: float = 0.001
    max_detections: int = 100

    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    @property
    def output(self) -> type[Prediction]:
        """Detections or SegmentationMap, by ``task`` or the config; Detections where that cannot be read."""
        task = self.task
        if task == "auto":
            try:
                local = Path(self.path) if (Path(self.path) / _CONFIG).is_file() else self._folder()
                task = _task(_config(local), self.path)
            except (UnavailableError, DataError):
                return Detections
        return SegmentationMap if task == "segmentation" else Detections

    @property
    def label_space(self) -> LabelSpace:
        """The classes that the model knows.

        Raises:
            UnavailableError, DataError: as ``predict`` does.
        """
        return self._classes().space

    def available(self) -> str | None:
        """None if the model can be loaded here, else one sentence with the reason and the cure.

        Nothing is downloaded for the check.
        """
        return self.unfetched() or why_not_loadable(self._loaded)

    def unfetched(self) -> str:
        """What a prediction would download; empty if the model is present, or may not be downloaded."""
        if not self.download or offline() or importlib.util.find_spec("transformers") is None:
            return ""
        if _local_folder(self.path, self.revision):
            return ""
        return f"not fetched yet; would download {self.path} from the Hugging Face hub"

    def fetch(self) -> None:
        """Download the model from the hub if it is missing.

        Raises:
            UnavailableError: it cannot be downloaded.
        """
        if self.unfetched():
            _download(self.path, self.revision)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the model's files and of a file of class names, versions, and a device other than the CPU."""
        import torch

        folder = self._folder()
        digests = [f"{file.name} {sha256_of(file)}" for file in _files(folder)]
        return {
            "weights_sha256": hashlib.sha256("\n".join(digests).encode()).hexdigest(),
            "transformers": importlib.metadata.version("transformers"),
            "torch": torch.__version__,
            **(sha256_of_classes(self.classes) if self.classes else {}),
            **device_facts(),
        }

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Answer on images of any size, one at a time, so that an answer does not depend on other images.

        Raises:
            UnavailableError: the package or the model is missing.
            DataError: the model cannot be loaded, or is neither a detector nor a semantic segmenter.
        """
        if not images:
            return []
        loaded, classes = self._loaded(), self._classes()
        if self.output is SegmentationMap:
            return [_segment(loaded, classes, image) for image in images]
        return [self._detect(loaded, classes, image) for image in images]

    def _detect(self, loaded: _Loaded, classes: _Classes, image: Image) -> Detections:
        answer = _answer(loaded, image)
        require_finite(answer.logits, "logits")
        found = loaded.processor.post_process_object_detection(
            answer, threshold=self.score_threshold, target_sizes=[image.shape[:2]]
        )[0]
        boxes, scores, numbers = (found[name].float().cpu().numpy() for name in ("boxes", "scores", "labels"))
        labels = classes.labels[numbers.astype(np.int64)]
        known = labels >= 0
        return best_boxes(
            boxes[known],
            scores[known],
            labels[known],
            score_threshold=self.score_threshold,
            iou=1,
            max_detections=self.max_detections,
        )

    def _folder(self) -> Path:
        """The folder of the model's files.

        Raises:
            UnavailableError: the package or the model is missing.
        """
        if importlib.util.find_spec("transformers") is None:
            raise UnavailableError(f"transformers is not installed; {_INSTALL}")
        folder = _local_folder(self.path, self.revision)
        if folder is None:
            raise UnavailableError(
                f"the model {self.path} is neither a folder with {_CONFIG} nor in the local cache of the hub; give "
                f"download=true to fetch it once (HSC_OFFLINE must be unset), or hf download {self.path}, or the path "
                f"of a folder that save_pretrained wrote"
            )
        return folder

    def _classes(self) -> _Classes:
        config = _config(self._folder())
        return _classes(config, self.classes, self.path, detector=_task(config, self.path) == "detection")

    def _loaded(self) -> _Loaded:
        folder = self._folder()
        self._classes()
        digests = ",".join(sha256_of(file) for file in _files(folder))
        task = _task(_config(folder), self.path)
        if self.task not in ("auto", task):
            raise DataError(f"{self.path} is for {task}, task came as {self.task}; leave task out")
        return _load(str(folder), digests, task, current_device())


class _Loaded(NamedTuple):
    """A network in evaluation mode, and the processor that prepares images for it and reads its answers."""

    network: Any
    processor: Any


class _Classes(NamedTuple):
    """The classes of a model. labels: int64, the label in ``space`` of each number that it answers, -1 for none."""

    space: LabelSpace
    labels: npt.NDArray[np.int64]


def _segment(loaded: _Loaded, classes: _Classes, image: Image) -> SegmentationMap:
    answer = _answer(loaded, image)
    logits = answer.logits if "logits" in answer else answer.class_queries_logits
    require_finite(logits, "logits")
    numbers = loaded.processor.post_process_semantic_segmentation(answer, target_sizes=[image.shape[:2]])[0]
    labels = classes.labels[numbers.cpu().numpy().astype(np.int64)]
    return SegmentationMap(labels.astype(np.uint8))


def _answer(loaded: _Loaded, image: Image) -> Any:
    import torch

    given = loaded.processor(images=np.array(image), return_tensors="pt", input_data_format="channels_last")
    with torch.inference_mode():
        return loaded.network(**given.to(current_device()))


def _local_folder(path: str, revision: str) -> Path | None:
    """The folder of a model on this machine: ``path`` itself, or its place in the hub's cache; None where it is not."""
    if (Path(path) / _CONFIG).is_file():
        return Path(path)
    from huggingface_hub import try_to_load_from_cache

    try:
        file = try_to_load_from_cache(path, _CONFIG, revision=revision or None)
    except ValueError:  # no name that the hub could have
        return None
    folder = Path(file).parent if isinstance(file, str) else None
    return folder if folder and any(folder.glob("*.safetensors")) else None


def _download(path: str, revision: str) -> None:
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(path, revision=revision or None, allow_patterns=list(_FILES))
    except Exception as error:  # the hub's errors and those of the network have no common base class
        raise UnavailableError(
            f"the model {path} could not be downloaded: {' '.join(str(error).split())}; check its name and the "
            f"network, or give the path of a local folder"
        ) from error


def _files(folder: Path) -> list[Path]:
    """The files of a model that decide its answers, sorted by name."""
    return sorted({file for pattern in _FILES for file in folder.glob(pattern)})


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        content = json.loads((folder / _CONFIG).read_text("utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"the {_CONFIG} of {folder.name} cannot be read: {error}; get the model again") from error
    return content


def _task(config: Mapping[str, Any], path: str) -> Task:
    """Whether a model is a detector or a semantic segmenter, by the name of its class.

    Raises:
        DataError: it is neither.
    """
    names = [str(name) for name in config.get("architectures") or []]
    for name in names:
        if name.endswith(_DETECTION):
            return "detection"
        if name.endswith(_SEGMENTATION):
            return "segmentation"
    raise DataError(
        f"{path} has the architectures {', '.join(names) or 'none'}, expected one that ends in {_DETECTION}, "
        f"{' or '.join(_SEGMENTATION)}; give a model that was fine-tuned for one of these"
    )


def _classes(config: Mapping[str, Any], given: str, path: str, *, detector: bool) -> _Classes:
    """The classes of a model: those given, else the config's id2label without numbers that stand for none.

    Raises:
        DataError: the config names no classes, or another number than those given.
    """
    try:
        names = {int(number): str(name).strip() for number, name in (config.get("id2label") or {}).items()}
    except (ValueError, AttributeError) as error:
        raise DataError(f"id2label in the {_CONFIG} of {path} cannot be read: {error}; give classes=") from error
    count = max([*names, len(names) - 1, int(config.get("num_labels") or 0) - 1], default=-1) + 1
    if given:
        space = space_of(given)
        numbers = NUMBERS if detector and space == COCO80 and count in (90, 91) else range(len(space.classes))
        if numbers is not NUMBERS and count and len(space.classes) != count:
            raise DataError(f"{path} answers in {count} classes, {space.name} has {len(space.classes)}; check classes")
        return _Classes(space, _table(numbers, count))
    if not names or all(name.startswith(_UNNAMED) for name in names.values()):
        raise DataError(
            f"the {_CONFIG} of {path} does not name its classes in id2label; give classes=, a known label space or a "
            f"text file with one name a line"
        )
    kept = {number: name for number, name in sorted(names.items()) if not (detector and _stands_for_none(name))}
    return _Classes(space_named(list(kept.values()), Path(path).name), _table(list(kept), count))


def _stands_for_none(name: str) -> bool:
    return name.casefold() in ("n/a", "no-object", "no object", "background")


def _table(numbers: Sequence[int], count: int) -> npt.NDArray[np.int64]:
    table = np.full(max(count, max(numbers, default=-1) + 1), -1, np.int64)
    table[list(numbers)] = np.arange(len(numbers))
    return table


@held
def _load(folder: str, _digests: str, task: Task, device: str) -> _Loaded:
    """The network of a folder. It is held here and not in the head, so that a head can be sent to workers."""
    transformers = _import()
    loaders = (
        [transformers.AutoModelForObjectDetection]
        if task == "detection"
        else [transformers.AutoModelForSemanticSegmentation, transformers.AutoModelForUniversalSegmentation]
    )
    name = Path(folder).name
    try:
        settings = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        loader = next((one for one in loaders if type(settings) in one._model_mapping), None)
        if loader is None:
            raise DataError(f"{name} is a {settings.model_type}, which transformers does not load for this task")
        options = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
        network, report = loader.from_pretrained(folder, config=settings, output_loading_info=True, **options)
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except DataError:
        raise
    except ImportError as error:
        raise UnavailableError(f"{name} needs a further package: {' '.join(str(error).split())}") from error
    except Exception as error:  # a damaged or foreign folder may raise anything
        raise DataError(
            f"{name} cannot be loaded by transformers: {' '.join(str(error).split())}; expected {_CONFIG}, "
            f"preprocessor_config.json and model.safetensors"
        ) from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise DataError(
            f"{name} lacks {len(missing)} of its network's weights, such as {missing[0]}; give a model that was "
            f"fine-tuned for this task"
        )
    return _Loaded(network.float().eval().to(device), processor)


def _import() -> Any:
    """The package transformers, imported with its progress bars and notes off."""
    try:
        import transformers
    except ImportError as error:
        raise UnavailableError(f"transformers cannot be imported: {error}; {_INSTALL}") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers
