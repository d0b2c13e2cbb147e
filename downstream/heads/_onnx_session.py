"""An ONNX model in onnxruntime: loaded once for each file, and run on batches of images."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from downstream.ops.onnx_outputs import Boxes, Encoding, Output, encoding_of, why_unreadable
from hsc.api import Image
from hsc.errors import DataError
from hsc.networks.network_holder import held

IMAGE_KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
"""The types of inputs that an image can be given as."""
GREY = 114
"""The grey that detectors' letterboxes are filled with."""
IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Mean and std of ImageNet's three channels, 0 to 255."""


def why_no_onnxruntime() -> str | None:
    """None if onnxruntime is installed, else one sentence with the cure."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed; pip install onnxruntime"
    return None


def require_scaling(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raises ValueError unless mean and std are three numbers each, and no std is 0."""
    if len(mean) != 3 or len(std) != 3 or not all(std):
        raise ValueError(f"mean {mean} and std {std}: expected three numbers each, and no std of 0")


class OtherInput(NamedTuple):
    """An input beside the image. kind: its type as onnxruntime writes it. shape: 0 for each axis that is left open."""

    name: str
    kind: str
    shape: tuple[int, ...]


class ImageInput(NamedTuple):
    """The input of a model that takes the image.

    kind: its type as onnxruntime writes it, such as "tensor(float)". axes: "nchw", "nhwc", or "chw" without a batch.
    others: further inputs. unusual: in words, if it is anything else than float32 (N, 3, H, W) alone; else empty.
    """

    kind: str = "tensor(float)"
    axes: Literal["nchw", "nhwc", "chw"] = "nchw"
    others: tuple[OtherInput, ...] = ()
    unusual: str = ""


class Network(NamedTuple):
    """A loaded model.

    input_hw: height and width of its input, 0 where the model leaves it open. batch: the fixed number of images in a
    call, 0 if any number is possible. outputs: as the file states them; an output of unknown rank has an empty shape.
    image: the form of its input.
    """

    session: Any
    input_name: str
    input_hw: tuple[int, int]
    batch: int
    outputs: tuple[Output, ...]
    image: ImageInput = ImageInput()


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
    grey = np.full((network.batch or 1, *settings.input_hw, 3), GREY, np.uint8)
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


def input_of(
    network: Network, canvas: Image, scaling: tuple[Sequence[float], Sequence[float]], bgr: bool
) -> npt.NDArray[Any]:
    """A canvas as the model's input takes it: bytes as they are, other numbers less the mean and divided by the std.

    canvas: uint8 (H, W, 3), RGB. scaling: mean and std of its channels in the model's order, 0 to 255. bgr: the model
    takes blue first. A fixed batch is filled with copies.
    """
    image = network.image
    pixels: npt.NDArray[Any] = canvas[..., ::-1] if bgr else canvas
    if image.kind != "tensor(uint8)":
        mean, std = (np.array(numbers, np.float32) for numbers in scaling)
        pixels = (pixels.astype(np.float32) - mean) / std
    if image.axes != "nhwc":
        pixels = pixels.transpose(2, 0, 1)  # (H, W, 3) -> (3, H, W)
    if image.axes != "chw":
        pixels = np.repeat(pixels[None], network.batch or 1, 0)
    return np.ascontiguousarray(pixels, IMAGE_KINDS[image.kind])


@held
def load(path: str, sha256s: str, threads: int) -> Network:
    """The model of a file. It is held here and not in the head, so that a head can be sent to workers.

    Raises:
        DataError: the file is damaged, or none of its inputs is an RGB image.
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
    image, *others = sorted(session.get_inputs(), key=_is_no_image)
    axes = _axes(image.shape)
    unusual = _why_not_an_image(image, others)
    if not axes or image.type not in IMAGE_KINDS:
        raise DataError(f"{Path(path).name} takes {unusual}")
    sizes = dict(zip(axes, image.shape, strict=True))
    height, width, batch = (size if isinstance(size := sizes.get(axis, 1), int) else 0 for axis in "hwn")
    outputs = tuple(
        Output(
            output.name,
            tuple(size if isinstance(size, int) else None for size in output.shape or ()),
            "int" in output.type,
        )
        for output in session.get_outputs()
    )
    further = (
        OtherInput(one.name, one.type, tuple(s if isinstance(s, int) else 0 for s in one.shape)) for one in others
    )
    form = ImageInput(image.type, axes, tuple(further), unusual or "")
    return Network(session, image.name, (height, width), batch, outputs, form)


def _is_no_image(given: Any) -> bool:
    return not _axes(given.shape) or given.type not in IMAGE_KINDS


def _axes(shape: Sequence[Any]) -> Literal["nchw", "nhwc", "chw", ""]:
    """The order of an image's axes in an input of this shape; empty if it is no image of three channels."""
    if len(shape) == 4 and (shape[1] == 3 or not isinstance(shape[1], int)):
        return "nchw" if shape[1] == 3 or shape[3] != 3 else "nhwc"
    if len(shape) == 4 and shape[3] == 3:
        return "nhwc"
    return "chw" if len(shape) == 3 and shape[0] == 3 else ""


def _why_not_an_image(image: Any, others: list[Any]) -> str | None:
    """What a model takes in place of images alone, and the cure; None if it takes float32 (N, 3, H, W)."""
    if others:
        names = ", ".join(other.name for other in others)
        return (
            f"{names} besides {image.name}, expected only the image; export it without, or give format=auto if it is "
            f"an end-to-end detector"
        )
    if len(image.shape) != 4 or image.type != "tensor(float)":
        return (
            f"{image.type} of shape {image.shape}, expected float32 (N, 3, H, W); export it again as float32, or give "
            f"format=auto if it is an end-to-end detector"
        )
    if isinstance(image.shape[1], int) and image.shape[1] != 3:
        order = ", with the channels last" if image.shape[3] == 3 else ""
        return f"{image.shape}{order}, expected three channels before height and width; export it so"
    return None
