"""Segmenters in TensorFlow Lite files, quantised or not, run by LiteRT on the CPU.

image --fitted--> (1, H, W, 3) --interpreter--> (1, h, w) classes or (1, h, w, C) logits --resize--> SegmentationMap

The fitting and its inverse are those of the code release of Chen et al., "Encoder-Decoder with Atrous Separable
Convolution" (DeepLabv3+), ECCV 2018: the longer side is scaled to the model's side, the rest is mid-grey.
ai-edge-litert is Apache-2.0, an optional extra of this project.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from downstream.api import HEADS, LabelSpace, Prediction, SegmentationMap
from downstream.heads._availability import why_not_loadable
from downstream.heads._tflite_interpreter import interpreter_of
from downstream.label_spaces import sha256_of_classes, space_of
from downstream.ops.segmentation_canvas import Fit, fitted, labels_from_classes, labels_from_logits
from downstream.weights.file_hash import sha256_of
from hsc.api import Image
from hsc.errors import DataError

_GREY = 127


@HEADS.register("tflite")
@dataclass(frozen=True)
class TfLite:
    """A segmenter in a .tflite file, one image at a time, with torch's number of threads.

    path: the model. classes: a known label space ("voc21", "cityscapes19", "ade150"), or a text file with one class
    name a line. fit: scale the "longest" side to the model's input and fill the rest mid-grey, or "stretch" the image
    to it. resize: "smooth" averages when an image shrinks, "plain" samples. mean, std: normalisation of the pixels, 0
    to 255, for models with floating-point input; quantised models take the pixels unchanged.

    Raises:
        ValueError: std is 0.
    """

    path: str
    classes: str = "voc21"
    fit: Fit = "longest"
    resize: Literal["smooth", "plain"] = "smooth"
    mean: float = 127.5
    std: float = 127.5

    output: ClassVar[type[Prediction]] = SegmentationMap
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    def __post_init__(self) -> None:
        if not self.std:
            raise ValueError("std came as 0, expected the number that pixels are divided by, such as 127.5")

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
        """sha256 of the model and of a file of class names, and LiteRT's version."""
        return {
            "weights_sha256": sha256_of(self.path),
            "ai-edge-litert": importlib.metadata.version("ai-edge-litert"),
            **sha256_of_classes(self.classes),
        }

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Segment images of any size.

        Raises:
            UnavailableError: the package or the model is missing.
            DataError: the model cannot be loaded, or its input or output is not that of a segmenter.
        """
        if not images:
            return []
        interpreter = self._interpreter()
        return [self._segment(interpreter, image) for image in images]

    def _segment(self, interpreter: Any, image: Image) -> SegmentationMap:
        entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        placed = fitted(
            image, *entry["shape"][1:3].tolist(), fit=self.fit, pad_value=_GREY, smooth=self.resize == "smooth"
        )
        interpreter.set_tensor(entry["index"], self._values(placed.canvas, entry["dtype"])[None])
        interpreter.invoke()
        raw = interpreter.get_tensor(result["index"])[0]
        classes = len(self.label_space.classes)
        if raw.ndim == 3 and raw.shape[2] == classes:
            return SegmentationMap(labels_from_logits(raw.transpose(2, 0, 1), placed))  # (h, w, C) -> (C, h, w)
        if raw.ndim == 2 and np.issubdtype(raw.dtype, np.integer) and raw.max(initial=0) < classes:
            return SegmentationMap(labels_from_classes(raw, placed))
        raise DataError(
            f"the model answers {raw.dtype} {raw.shape} up to {raw.max()}, expected integers (h, w) below {classes} "
            f"or scores (h, w, {classes}); check classes"
        )

    def _values(self, canvas: Image, dtype: type[Any]) -> npt.NDArray[Any]:
        """The canvas in the model's own type of input.

        Quantised models are trained on -1 to 1 in steps of one grey level, so they take pixels unchanged.
        """
        if dtype == np.uint8:
            return canvas
        if dtype == np.int8:
            return (canvas.astype(np.int16) - 128).astype(np.int8)
        return (canvas.astype(np.float32) - np.float32(self.mean)) / np.float32(self.std)

    def _interpreter(self) -> Any:
        interpreter = interpreter_of(self.path)
        if reason := _why_unread(interpreter.get_output_details(), len(self.label_space.classes)):
            raise DataError(reason)
        return interpreter


def _why_unread(outputs: Sequence[Mapping[str, Any]], classes: int) -> str | None:
    """One sentence if a model's stated outputs are not those of a segmenter with this number of classes, else None."""
    shape, dtype = tuple(outputs[0]["shape"].tolist()), np.dtype(outputs[0]["dtype"])
    if (len(shape) == 4 and shape[3] == classes) or (len(shape) == 3 and np.issubdtype(dtype, np.integer)):
        return None
    others = f", the first of its {len(outputs)} outputs" if len(outputs) > 1 else ""
    return (
        f"the model answers {dtype} {shape}{others}, expected integers (1, h, w) below {classes} or scores (1, h, w, "
        f"{classes}); check classes, and that it is a segmenter"
    )
