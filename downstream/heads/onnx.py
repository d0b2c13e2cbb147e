"""Detectors and segmenters exported to ONNX, in the output layouts most of them come in.

yolox    (N, anchors, 5 + classes): x, y, log w, log h relative to the cell, or decoded already; objectness, class scores
         Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430
yolov8   (N, 4 + classes, anchors): centre x, centre y, width, height in input pixels or as shares of its sides, class scores
         the export of Ultralytics' YOLOv8 and YOLO11
logits   (N, classes, h, w): one score a class and pixel, of any stride; the largest wins
classes  (N, h, w) or (N, 1, h, w): the class of each pixel

image --letterbox--> (N, 3, H, W) --session--> raw --decode--> candidates --best_boxes--> Detections
image --fitted-----> (1, 3, H, W) --session--> logits or classes --resize--> SegmentationMap
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from downstream.api import HEADS, Detections, LabelSpace, Prediction, SegmentationMap
from downstream.label_spaces import sha256_of_classes, space_of
from downstream.ops.finite import require_finite
from downstream.ops.letterbox import Placement, letterbox
from downstream.ops.nms import best_boxes
from downstream.ops.onnx_outputs import Boxes, Output, Told, sigmoid, told, why_unread
from downstream.ops.segmentation_canvas import Fit, fitted, labels_from_classes, labels_from_logits, padded
from downstream.weights.onnx_files import sha256_of_model
from hsc.api import Image
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held

Floats = npt.NDArray[np.float32]

_BATCH = 8
_DEFAULT_SIDE = 640
_MULTIPLE = 32
_EMPTY = 114
"""The grey that letterboxes are filled with."""
_TOLERATED = 0.5
"""How far scores may lie outside of 0 to 1, as those of quantised models do, before they are refused; they are cut off.
"""
_AS_TRAINED, _DECODED = Told("raw", logits=False), Told("decoded", logits=False)
_IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@HEADS.register("onnx")
@dataclass(frozen=True)
class Onnx:
    """A YOLO-like detector or a segmenter in an ONNX file, run by onnxruntime on the CPU with torch's number of
    threads.

    path: the model. format: its output layout; "logits" and "classes" are segmenters'. classes: a known label space
    ("coco80", "voc21", "cityscapes19", "ade150", "camvid11"), or a text file with one class name a line.
    score_threshold, nms_iou, max_detections: candidates below the first go, then suppression within a class, then the
    cut.
    multi_label: a candidate answers for each of its classes above the threshold, as COCO scoring is usually run;
    otherwise for its best class alone. resize: "smooth" averages when an image shrinks (Pillow's bilinear), "plain"
    samples (OpenCV's).
    Both change AP: YOLOX-nano on COCO128 has .338 smooth, .341 plain, and at JPEG quality 10 .242 smooth, .226 plain.
    strides: image pixels a cell of each output level (yolox only). The input size is the model's own; ``side`` is used
    where the model leaves it open. boxes: relative to the cell ("raw", yolox only), in pixels of the input ("decoded")
    or as shares of its sides ("normalised"); "auto" tells it, and whether scores are before the sigmoid, from what the
    model answers to an empty picture.

    Segmenters alone: fit: "stretch" the image to the model's input, or scale its "longest" side and pad with the mean;
    where the model leaves the size open, images go in at their own, padded to multiples of 32. mean, std: of the three
    channels, 0 to 255, what the model's pixels are normalised with. order: of the channels.
    """

    path: str
    format: Literal["yolox", "yolov8", "logits", "classes"] = "yolox"
    classes: str = "coco80"
    score_threshold: float = 0.001
    nms_iou: float = 0.65
    max_detections: int = 100
    multi_label: bool = True
    resize: Literal["smooth", "plain"] = "smooth"
    strides: tuple[int, ...] = (8, 16, 32)
    side: int = _DEFAULT_SIDE
    boxes: Literal["auto", "raw", "decoded", "normalised"] = "auto"
    fit: Fit = "stretch"
    mean: tuple[float, ...] = _IMAGENET[0]
    std: tuple[float, ...] = _IMAGENET[1]
    order: Literal["rgb", "bgr"] = "rgb"

    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or not all(self.std):
            raise ValueError(f"mean {self.mean} and std {self.std}: expected three numbers each, those of std not 0")
        if self.boxes == "raw" and self.format != "yolox":
            raise ValueError(f"boxes=raw is of yolox alone, the format is {self.format}")

    @property
    def output(self) -> type[Prediction]:
        """Boxes or maps, by the format."""
        return SegmentationMap if self.format in ("logits", "classes") else Detections

    @property
    def label_space(self) -> LabelSpace:
        """The classes it knows.

        Raises:
            UnavailableError: the file of class names is missing.
        """
        return space_of(self.classes)

    def available(self) -> str | None:
        """None if the model can be loaded here, else one sentence with the reason and the cure."""
        if importlib.util.find_spec("onnxruntime") is None:
            return "onnxruntime is not installed; pip install onnxruntime"
        try:
            network = self._network()
            if self.output is Detections:
                self._told(network)
        except (UnavailableError, DataError) as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the model, of the files that hold tensors of it, of the class names where they are a file, and
        onnxruntime's version.
        """
        import onnxruntime

        return {**sha256_of_model(self.path), "onnxruntime": onnxruntime.__version__, **sha256_of_classes(self.classes)}

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Detect in images of any size, as many at once as the model's batch axis allows; or segment them, one by one.

        Raises:
            UnavailableError: the model is missing.
            DataError: it cannot be loaded, or its output is not of this format.
        """
        if not images:
            return []
        network = self._network()
        if self.output is SegmentationMap:
            return [self._segment(network, image) for image in images]
        step = network.batch or _BATCH
        found: list[Prediction] = []
        for start in range(0, len(images), step):
            found += self._predict_batch(network, images[start : start + step])
        return found

    @property
    def _sha256(self) -> str:
        """The hashes of the model's file and of those beside it that hold its tensors, joined."""
        return ",".join(sha256_of_model(self.path).values())

    def _network(self) -> _Network:
        import torch

        network = _load(self.path, self._sha256, torch.get_num_threads())
        outputs = network.outputs
        reason = (
            why_unread(outputs, self.format, len(self.label_space.classes), network.input_hw, self.strides)
            if outputs[0].shape
            else None
        )
        if reason:
            raise DataError(reason)
        return network

    def _input_hw(self, network: _Network) -> tuple[int, int]:
        return network.input_hw[0] or self.side, network.input_hw[1] or self.side

    def _told(self, network: _Network) -> Told:
        """How a detector's numbers are to be read; found once a model and process."""
        key = _Probe(
            self.path, self._sha256, self.format, self._input_hw(network), self.strides, len(self.label_space.classes)
        )
        if key not in _TOLD:
            _TOLD[key] = _probed(network, key, None if self.boxes == "auto" else self.boxes)
        found = _TOLD[key]
        return found if self.boxes == "auto" else found._replace(boxes=self.boxes)

    def _segment(self, network: _Network, image: Image) -> SegmentationMap:
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        grey = round(sum(self.mean) / 3)
        if any(network.input_hw):
            if not all(network.input_hw):
                raise DataError(
                    f"the model fixes one side of its input and leaves the other open: {network.input_hw}; export it "
                    f"with both alike"
                )
            placed = fitted(image, *network.input_hw, fit=self.fit, pad_value=grey, smooth=self.resize == "smooth")
        else:
            placed = padded(image, _MULTIPLE, pad_value=grey)
        pixels = placed.canvas if self.order == "rgb" else placed.canvas[..., ::-1]
        values = ((pixels - mean) / std).transpose(2, 0, 1)[None]  # (H, W, 3) -> (1, 3, H, W)
        values = np.repeat(
            np.ascontiguousarray(values, np.float32), network.batch or 1, 0
        )  # a fixed batch axis is filled up
        raw = network.session.run(None, {network.input_name: values})[0][0]
        if self.format == "classes":
            if raw.ndim == 3 and raw.shape[0] == 1:
                raw = raw[0]
            if raw.ndim != 2:
                raise DataError(
                    f"the model's output is {raw.shape}, classes are (h, w) or (1, h, w); format=logits is for scores"
                )
            return SegmentationMap(labels_from_classes(raw, placed))
        classes = len(self.label_space.classes)
        if raw.ndim != 3 or raw.shape[0] != classes:
            raise DataError(
                f"the model's output is {raw.shape}, logits of {classes} classes are ({classes}, h, w); check format "
                f"and classes"
            )
        return SegmentationMap(labels_from_logits(raw, placed))

    def _predict_batch(self, network: _Network, images: Sequence[Image]) -> list[Prediction]:
        height, width = input_hw = self._input_hw(network)
        reading = self._told(network)
        placed = [
            letterbox(image, height, width, centred=self.format == "yolov8", smooth=self.resize == "smooth")
            for image in images
        ]
        pixels = np.stack([canvas for canvas, _ in placed])
        if network.batch and len(images) < network.batch:  # a fixed batch axis is filled with empty canvases
            pixels = np.concatenate([pixels, np.zeros((network.batch - len(images), *pixels.shape[1:]), np.uint8)])
        raw = _answer(network, pixels, self.format)[0]
        return [self._decode(raw[i], input_hw, placement, reading) for i, (_, placement) in enumerate(placed)]

    def _decode(self, raw: Floats, input_hw: tuple[int, int], placement: Placement, reading: Told) -> Detections:
        classes = len(self.label_space.classes)
        decode = _decode_yolox if self.format == "yolox" else _decode_yolov8
        boxes, class_scores = decode(raw, classes, input_hw, self.strides, reading)
        require_finite(class_scores, "scores")
        boxes = placement.back(boxes)
        if self.multi_label:
            candidates, labels = np.nonzero(class_scores >= self.score_threshold)
        else:
            candidates, labels = np.arange(len(boxes)), class_scores.argmax(1)
        return best_boxes(
            boxes[candidates],
            class_scores[candidates, labels],
            labels,
            score_threshold=self.score_threshold,
            iou=self.nms_iou,
            max_detections=self.max_detections,
        )


class _Network(NamedTuple):
    """A loaded model. input_hw: 0 where the model leaves it open. batch: the fixed number of images a call, 0 where any
    number goes.

    outputs: all of them, as the file states them; the shape of one whose rank it does not state is empty.
    """

    session: Any
    input_name: str
    input_hw: tuple[int, int]
    batch: int
    outputs: tuple[Output, ...]


class _Probe(NamedTuple):
    """What decides how a detector's numbers are told."""

    path: str
    sha256: str
    format: Literal["yolox", "yolov8", "logits", "classes"]
    input_hw: tuple[int, int]
    strides: tuple[int, ...]
    classes: int


_TOLD: dict[_Probe, Told] = {}


def _probed(network: _Network, probe: _Probe, boxes: Boxes | None) -> Told:
    """How a model's numbers are to be read, from its answer to an empty picture. boxes: None where that is to be told
    too.

    Raises:
        DataError: its outputs are not of the format, or cannot be told.
    """
    answers = _answer(network, np.full((network.batch or 1, *probe.input_hw, 3), _EMPTY, np.uint8), probe.format)
    outputs = [
        Output(output.name, tuple(answer.shape)) for output, answer in zip(network.outputs, answers, strict=True)
    ]
    if reason := why_unread(outputs, probe.format, probe.classes, probe.input_hw, probe.strides):
        raise DataError(reason)
    return told(answers[0][0], probe.format, probe.input_hw, probe.strides, boxes)


def _answer(network: _Network, pixels: Image, form: str) -> list[Any]:
    """All outputs for uint8 (N, H, W, 3). Raises DataError where the model cannot run on it."""
    planes = pixels.transpose(0, 3, 1, 2)  # (N, H, W, 3) -> (N, 3, H, W)
    # YOLOX is trained on OpenCV's BGR order and raw values, Ultralytics on RGB between 0 and 1.
    values = planes[:, ::-1].astype(np.float32) if form == "yolox" else planes.astype(np.float32) / np.float32(255)
    try:
        return list(network.session.run(None, {network.input_name: np.ascontiguousarray(values)}))
    except Exception as error:  # onnxruntime raises one class a kind of fault, with no common base of its own
        raise DataError(
            f"the model cannot run on {values.shape}: {' '.join(str(error).split())}; check its input size, or side"
        ) from error


@held
def _load(path: str, sha256s: str, threads: int) -> _Network:
    """Sessions live here and not in the head, so that a head stays a plain value that can be sent to workers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises one class a kind of damage, with no common base of its own
        raise DataError(
            f"{Path(path).name} cannot be loaded as an ONNX model; it may be damaged, get it again: {error}"
        ) from error
    entry, *others = session.get_inputs()
    if others:
        names = ", ".join(one.name for one in others)
        raise DataError(
            f"{Path(path).name} takes {names} beside {entry.name}, expected the picture alone; export it without"
        )
    if len(entry.shape) != 4 or entry.type != "tensor(float)":
        raise DataError(
            f"{Path(path).name} takes {entry.type} of shape {entry.shape}, expected float32 (N, 3, H, W); export it "
            f"again as float32"
        )
    if isinstance(entry.shape[1], int) and entry.shape[1] != 3:
        order = ", whose channels stand last" if entry.shape[3] == 3 else ""
        raise DataError(
            f"{Path(path).name} takes {entry.shape}{order}, expected three channels before height and width; export "
            f"it so"
        )
    batch, _, height, width = (size if isinstance(size, int) else 0 for size in entry.shape)
    outputs = tuple(
        Output(output.name, tuple(size if isinstance(size, int) else None for size in output.shape or ()))
        for output in session.get_outputs()
    )
    return _Network(session, entry.name, (height, width), batch, outputs)


def _decode_yolox(
    raw: Floats, classes: int, input_hw: tuple[int, int], strides: tuple[int, ...], reading: Told = _AS_TRAINED
) -> tuple[Floats, Floats]:
    """Raw (anchors, 5 + classes) to boxes (anchors, 4) in input pixels and scores (anchors, classes)."""
    grids = [_cells(input_hw[0] // s, input_hw[1] // s, s) for s in strides]
    corner = np.concatenate([g[0] for g in grids])  # (anchors, 2)
    stride = np.concatenate([g[1] for g in grids])  # (anchors, 1)
    if raw.shape != (len(corner), 5 + classes):
        raise DataError(
            f"the model's output is {raw.shape}, yolox with strides {strides} and {classes} classes on {input_hw} "
            f"gives "
            f"{(len(corner), 5 + classes)}; check format, strides and classes"
        )
    scores = _probabilities(raw[:, 4:], reading)
    scores = scores[:, 1:] * scores[:, :1]
    if reading.boxes != "raw":
        return _corners(raw[:, :2], raw[:, 2:4], input_hw, reading), scores
    centre = raw[:, :2] * stride + corner
    with np.errstate(over="ignore"):
        half = np.exp(raw[:, 2:4]) * stride / 2
    return np.concatenate([centre - half, centre + half], 1), scores


def _corners(centre: Floats, size: Floats, input_hw: tuple[int, int], reading: Told) -> Floats:
    """Centres and sizes (anchors, 2), width first, to boxes (anchors, 4) in input pixels."""
    scale = np.array(input_hw[::-1], np.float32) if reading.boxes == "normalised" else np.ones(2, np.float32)
    centre, half = centre * scale, size * scale / 2
    return np.concatenate([centre - half, centre + half], 1)


def _probabilities(scores: Floats, reading: Told) -> Floats:
    """Scores between 0 and 1, the sigmoid applied where the model leaves it to the reader.

    Raises:
        DataError: they are neither.
    """
    if reading.logits:
        return sigmoid(scores)
    if scores.size and (scores.min() < -_TOLERATED or scores.max() > 1 + _TOLERATED):
        raise DataError(
            f"the model's scores are {scores.min():.3g} to {scores.max():.3g}, expected 0 to 1; export it with its "
            f"last sigmoid"
        )
    return np.clip(scores, 0, 1)


def _cells(rows: int, columns: int, stride: int) -> tuple[Floats, Floats]:
    """Left top corners (rows * columns, 2) of a level's cells in input pixels, and their stride (rows * columns, 1)."""
    y, x = np.mgrid[:rows, :columns]
    corners = np.stack([x, y], -1).reshape(-1, 2).astype(np.float32) * stride  # (rows, columns, 2) -> (cells, 2)
    return corners, np.full((rows * columns, 1), stride, np.float32)


def _decode_yolov8(
    raw: Floats, classes: int, input_hw: tuple[int, int], strides: tuple[int, ...], reading: Told = _DECODED
) -> tuple[Floats, Floats]:
    """Raw (4 + classes, anchors) to boxes (anchors, 4) in input pixels and scores (anchors, classes)."""
    if raw.ndim != 2 or raw.shape[0] != 4 + classes:
        raise DataError(
            f"the model's output is {raw.shape}, yolov8 with {classes} classes gives ({4 + classes}, anchors); check "
            f"format and classes"
        )
    return _corners(raw[:2].T, raw[2:4].T, input_hw, reading), _probabilities(raw[4:].T, reading)
