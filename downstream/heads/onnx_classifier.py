"""Classifiers in ONNX files, run by onnxruntime on the CPU.

image --resize, shorter side--> centre crop --> less mean, divided by std --> model --> logits (1, C) --> ranking
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from downstream.api import HEADS, Classification, LabelSpace, Prediction, ranked
from downstream.heads._availability import why_not_loadable
from downstream.heads._onnx_session import IMAGENET, Network, input_of, load, require_scaling, why_no_onnxruntime
from downstream.label_spaces import IMAGENET1K, sha256_of_classes, space_of
from downstream.ops.centre_crop import centre_crop, why_not_sizes
from downstream.ops.finite import require_finite
from downstream.weights.onnx_files import sha256_of_model
from hsc.api import Image
from hsc.errors import DataError, UnavailableError

_SIDE = 224


@HEADS.register("onnx_classifier")
@dataclass(frozen=True)
class OnnxClassifier:
    """A classifier in an ONNX file; onnxruntime runs it on the CPU with torch's thread count.

    Its first output is (1, C) or (C,), logits or probabilities, C classes; axes of length 1 behind them are dropped.

    path: the model. classes: "imagenet1k", "imagenet1001" (a background before the thousand classes), another known
    label space, or a text file with one class name a line. resize, crop: the shorter side of the image is scaled to
    ``resize`` pixels by Pillow's bilinear filter, then the middle ``crop`` x ``crop`` pixels are taken; crop=0 for the
    model's own input size (224 where it leaves that open), resize=0 for 8/7 of the crop (256 for 224). mean, std:
    normalisation of the three channels, 0 to 255; models of uint8 get the pixels as they are. order: of the channels.

    Raises:
        ValueError: mean or std are not three numbers, a std is 0, or resize is smaller than crop.
    """

    path: str
    classes: str = IMAGENET1K
    resize: int = 0
    crop: int = 0
    mean: tuple[float, ...] = IMAGENET[0]
    std: tuple[float, ...] = IMAGENET[1]
    order: Literal["rgb", "bgr"] = "rgb"

    output: ClassVar[type[Prediction]] = Classification
    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    def __post_init__(self) -> None:
        require_scaling(self.mean, self.std)
        if reason := why_not_sizes(self.resize, self.crop):
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
        return why_no_onnxruntime() or why_not_loadable(self._network)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the model, of its files of tensors and of a file of class names; onnxruntime's and Pillow's
        versions.
        """
        import onnxruntime
        import PIL

        versions = {"onnxruntime": onnxruntime.__version__, "pillow": PIL.__version__}
        return {**sha256_of_model(self.path), **versions, **sha256_of_classes(self.classes)}

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Rank the classes of images of any size, one at a time.

        Raises:
            UnavailableError: the model is missing.
            DataError: the model cannot be loaded or run, or gives another number of classes.
        """
        if not images:
            return []
        network, classes = self._network(), len(self.label_space.classes)
        return [ranked(self._logits(network, image, classes)) for image in images]

    def _network(self) -> Network:
        import torch

        if not Path(self.path).is_file():
            raise UnavailableError(f"the model {self.path} is missing; give onnx_classifier(path=...) an ONNX file")
        sha256 = ",".join(sha256_of_model(self.path).values())
        network = load(self.path, sha256, torch.get_num_threads())
        sides = {side for side in network.input_hw if side}
        if network.image.others or len(sides) > 1 or (self.crop and sides and sides != {self.crop}):
            raise DataError(
                f"{Path(self.path).name} takes images of {network.input_hw} pixels"
                f"{' and further inputs' if network.image.others else ''}, expected one square image"
                f"{f' of {self.crop} pixels' if self.crop else ''}; give crop= of its own size, or export it again"
            )
        return network

    def _logits(self, network: Network, image: Image, classes: int) -> npt.NDArray[np.float32]:
        crop = self.crop or max(network.input_hw) or _SIDE
        pixels = centre_crop(image, self.resize or round(crop * 8 / 7), crop)
        values = input_of(network, pixels, (self.mean, self.std), self.order == "bgr")
        try:
            answer = network.session.run(None, {network.input_name: values})[0]
        except Exception as error:  # onnxruntime's exceptions have no common base class
            raise DataError(
                f"the model cannot run on {values.shape}: {' '.join(str(error).split())}; check crop"
            ) from error
        first = answer if answer.ndim == 1 else answer[0]
        if first.size != classes:
            raise DataError(
                f"the model's output is {answer.shape}, expected (1, {classes}) for the classes of {self.classes}; "
                f"check classes: a model of 1001 classes counts a background, classes=imagenet1001"
            )
        logits: npt.NDArray[np.float32] = first.reshape(1, classes).astype(np.float32)
        require_finite(logits, "logits")
        return logits
