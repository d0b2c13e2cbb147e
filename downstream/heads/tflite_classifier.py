"""Classifiers in TensorFlow Lite files, quantised or not, run by LiteRT on the CPU.

image --resize, shorter side--> centre crop --> (1, h, w, 3) --interpreter--> scores (1, C) --> ranking

ai-edge-litert is Apache-2.0, an optional extra of this project.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from downstream.api import HEADS, Classification, LabelSpace, Prediction, ranked
from downstream.heads._availability import why_not_loadable
from downstream.heads._tflite_interpreter import interpreter_of
from downstream.label_spaces import IMAGENET1001, sha256_of_classes, space_of
from downstream.ops.centre_crop import centre_crop, why_not_sizes
from downstream.ops.finite import require_finite
from downstream.weights.file_hash import sha256_of
from hsc.api import Image
from hsc.errors import DataError


@HEADS.register("tflite_classifier")
@dataclass(frozen=True)
class TfLiteClassifier:
    """A classifier in a .tflite file, one image at a time, with torch's number of threads.

    path: the model. classes: "imagenet1001" (TensorFlow's count, with a background before the thousand classes),
    "imagenet1k", another known label space, or a text file with one class name a line. resize: the shorter side of the
    image is scaled to it by Pillow's bilinear filter, then the middle of the model's own input size is taken; 0 for 8/7
    of that size (256 for 224). mean, std: normalisation of the pixels, 0 to 255; a quantised model then gets them in
    the scale and zero point that its input states.

    Raises:
        ValueError: std is 0, or resize is negative.
    """

    path: str
    classes: str = IMAGENET1001
    resize: int = 0
    mean: float = 127.5
    std: float = 127.5

    output: ClassVar[type[Prediction]] = Classification
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    def __post_init__(self) -> None:
        if not self.std:
            raise ValueError("std came as 0, expected the number that pixels are divided by, such as 127.5")
        if reason := why_not_sizes(self.resize, 0):
            raise ValueError(reason)

    @property
    def label_space(self) -> LabelSpace:
        """The classes that the model knows.

        Raises:
            UnavailableError: the file of class names is missing.
        """
        return space_of(self.classes)

    def available(self) -> str | None:
        """None if the model can be loaded here, else one sentence with the reason and the cure."""
        return why_not_loadable(self._interpreter)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the model and of a file of class names, LiteRT's and Pillow's versions."""
        import PIL

        return {
            "weights_sha256": sha256_of(self.path),
            "ai-edge-litert": importlib.metadata.version("ai-edge-litert"),
            "pillow": PIL.__version__,
            **sha256_of_classes(self.classes),
        }

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Rank the classes of images of any size.

        Raises:
            UnavailableError: the package or the model is missing.
            DataError: the model cannot be loaded, or its input or output is not that of a classifier.
        """
        if not images:
            return []
        interpreter = self._interpreter()
        return [ranked(self._scores(interpreter, image)) for image in images]

    def _scores(self, interpreter: Any, image: Image) -> npt.NDArray[np.float32]:
        """The scores of the classes, float32 (1, C), in the order of any scale that the model states."""
        entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        crop = centre_crop(image, self.resize, int(entry["shape"][1]))
        interpreter.set_tensor(entry["index"], self._values(crop, entry)[None])
        interpreter.invoke()
        scores: npt.NDArray[np.float32] = interpreter.get_tensor(result["index"]).reshape(1, -1).astype(np.float32)
        require_finite(scores, "scores")
        return scores

    def _values(self, crop: Image, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
        """The crop in the model's own type of input; without a stated scale, quantised models take it unchanged."""
        dtype, (scale, zero) = entry["dtype"], entry["quantization"]
        values = (crop.astype(np.float32) - np.float32(self.mean)) / np.float32(self.std)
        if dtype == np.float32:
            return values
        levels = np.iinfo(dtype)
        steps = np.round(values / scale) + zero if scale else crop.astype(np.float32) + levels.min
        return np.clip(steps, levels.min, levels.max).astype(dtype)

    def _interpreter(self) -> Any:
        interpreter = interpreter_of(self.path)
        classes = len(self.label_space.classes)
        (height, width), answer = (
            interpreter.get_input_details()[0]["shape"].tolist()[1:3],
            interpreter.get_output_details()[0]["shape"].tolist(),
        )
        if height != width:
            raise DataError(f"the model takes images of {width}x{height} pixels, expected a square")
        if int(np.prod(answer)) != classes:
            raise DataError(
                f"the model answers {tuple(answer)}, expected (1, {classes}) for the classes of {self.classes}; check "
                f"classes: a model of 1000 classes counts no background, classes=imagenet1k"
            )
        return interpreter
