"""An ONNX model in onnxruntime: loaded once for each file, and run on batches of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from downstream.ops.onnx_outputs import Boxes, Encoding, Output, encoding_of, why_unreadable
from hsc.api import Image
from hsc.errors import DataError
from hsc.networks.network_holder import held

_GREY = 114
"""The grey that detectors' letterboxes are filled with."""


class Network(NamedTuple):
    """A loaded model.

    input_hw: height and width of its input, 0 where the model leaves it open. batch: the fixed number of images in a
    call, 0 if any number is possible. outputs: as the file states them; an output of unknown rank has an empty shape.
    """

    session: Any
    input_name: str
    input_hw: tuple[int, int]
    batch: int
    outputs: tuple[Output, ...]


class DetectorSettings(NamedTuple):
    """What decides the encoding of a detector's answers: its files, and how they are read.

    sha256: the hashes of all of its files. input_hw: the input size that is used, without open sides. boxes: how boxes
    are written, None if that is to be detected.
    """

    path: str
    sha256: str
    format: Literal["yolox", "yolov8", "logits", "classes"]
    input_hw: tuple[int, int]
    strides: tuple[int, ...]
    classes: int
    boxes: Boxes | None


_encodings: dict[DetectorSettings, Encoding] = {}


def encoding_on_grey(network: Network, settings: DetectorSettings) -> Encoding:
    """How a detector writes its boxes and scores, from its answer to a grey image; computed once in a process.

    Raises:
        DataError: its outputs do not have the format, or no encoding fits them.
    """
    if settings not in _encodings:
        _encodings[settings] = _detected(network, settings)
    return _encodings[settings]


def _detected(network: Network, settings: DetectorSettings) -> Encoding:
    grey = np.full((network.batch or 1, *settings.input_hw, 3), _GREY, np.uint8)
    answers = run_detector(network, grey, settings.format)
    outputs = [
        Output(output.name, tuple(answer.shape)) for output, answer in zip(network.outputs, answers, strict=True)
    ]
    if reason := why_unreadable(outputs, settings.format, settings.classes, settings.input_hw, settings.strides):
        raise DataError(reason)
    return encoding_of(answers[0][0], settings.format, settings.input_hw, settings.strides, settings.boxes)


def run_detector(network: Network, pixels: Image, form: str) -> list[Any]:
    """All outputs of a detector for uint8 (N, H, W, 3).

    Raises:
        DataError: the model cannot run on this input.
    """
    planes = pixels.transpose(0, 3, 1, 2)  # (N, H, W, 3) -> (N, 3, H, W)
    # YOLOX is trained on OpenCV's BGR order and raw values, Ultralytics on RGB between 0 and 1.
    values = planes[:, ::-1].astype(np.float32) if form == "yolox" else planes.astype(np.float32) / np.float32(255)
    try:
        return list(network.session.run(None, {network.input_name: np.ascontiguousarray(values)}))
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise DataError(
            f"the model cannot run on {values.shape}: {' '.join(str(error).split())}; check its input size, or side"
        ) from error


@held
def load(path: str, sha256s: str, threads: int) -> Network:
    """The model of a file. It is held here and not in the head, so that a head can be sent to workers.

    Raises:
        DataError: the file is damaged, or its input is not one RGB image.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise DataError(
            f"{Path(path).name} cannot be loaded as an ONNX model; it may be damaged, get it again: {error}"
        ) from error
    image, *others = session.get_inputs()
    if reason := _why_not_an_image(image, others):
        raise DataError(f"{Path(path).name} takes {reason}")
    batch, _, height, width = (size if isinstance(size, int) else 0 for size in image.shape)
    outputs = tuple(
        Output(output.name, tuple(size if isinstance(size, int) else None for size in output.shape or ()))
        for output in session.get_outputs()
    )
    return Network(session, image.name, (height, width), batch, outputs)


def _why_not_an_image(image: Any, others: list[Any]) -> str | None:
    """What a model takes in place of images, and the cure; None if it takes images. others: its further inputs."""
    if others:
        names = ", ".join(other.name for other in others)
        return f"{names} besides {image.name}, expected only the image; export it without"
    if len(image.shape) != 4 or image.type != "tensor(float)":
        return f"{image.type} of shape {image.shape}, expected float32 (N, 3, H, W); export it again as float32"
    if isinstance(image.shape[1], int) and image.shape[1] != 3:
        order = ", with the channels last" if image.shape[3] == 3 else ""
        return f"{image.shape}{order}, expected three channels before height and width; export it so"
    return None
