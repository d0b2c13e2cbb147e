"""Detectors and segmenters exported to ONNX, in the most common output layouts.

yolox    (N, anchors, 5 + classes): x, y, log w, log h relative to the cell, or decoded already; objectness; class
         scores; Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430
yolov8   (N, 4 + classes, anchors): centre x, centre y, width, height in input pixels or as fractions of its sides,
         class scores; the export of Ultralytics' YOLOv8 and YOLO11
logits   (N, classes, h, w): a score for each class and pixel, at any stride; the largest wins
classes  (N, h, w) or (N, 1, h, w): the class of each pixel
end_to_end    boxes, scores and classes that the model itself has chosen: ``downstream/ops/end_to_end.py``
auto     whichever of these the outputs have, told by their names and shapes

image --letterbox--> (N, 3, H, W) --session--> raw --decode--> candidates --best_boxes--> Detections
image --fitted-----> (1, 3, H, W) --session--> logits or classes --resize--> SegmentationMap
image --canvas-----> the model's input --session--> boxes, scores, classes --> Detections
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt

from downstream.api import HEADS, Detections, LabelSpace, Prediction, SegmentationMap
from downstream.heads._availability import why_not_loadable
from downstream.heads._onnx_end_to_end import EndToEnd, SeenLayout, Settings, preprocessor_facts, seen_on_grey
from downstream.heads._onnx_session import (
    IMAGENET,
    DetectorSettings,
    Network,
    encoding_on_grey,
    load,
    require_scaling,
    run_detector,
    why_no_onnxruntime,
)
from downstream.label_spaces import sha256_of_classes, space_of
from downstream.ops.end_to_end import OPTIONS, layout_of
from downstream.ops.finite import require_finite
from downstream.ops.letterbox import Placement, letterbox
from downstream.ops.nms import best_boxes
from downstream.ops.onnx_outputs import Encoding, Format, dense_formats, outputs_in_words, why_unreadable
from downstream.ops.segmentation_canvas import Fit, Fitted, fitted, labels_from_classes, labels_from_logits, padded
from downstream.ops.yolo_boxes import decode_yolov8, decode_yolox
from downstream.weights.onnx_files import sha256_of_model
from hsc.api import Image
from hsc.errors import DataError, UnavailableError

Floats = npt.NDArray[np.float32]

_BATCH = 8
_DEFAULT_SIDE = 640
_MULTIPLE = 32
_READING = "1"
"""Version of the rules by which layouts are told from outputs."""

_layouts: dict[tuple[Settings, str, str], Format | SeenLayout] = {}


@HEADS.register("onnx")
@dataclass(frozen=True)
class Onnx:
    """A detector or segmenter in an ONNX file; onnxruntime runs it on the CPU with torch's thread count.

    path: the model. format: its output layout; "logits" and "classes" are those of segmenters, "end_to_end" is that of
    detectors that choose their boxes themselves (YOLOv10, YOLO26, RT-DETR, DETR, torchvision, SSD), and "auto" tells
    it from the outputs. classes: a known label
    space ("coco80", "voc21", "cityscapes19", "ade150", "camvid11"), or a text file with one class name a line.
    score_threshold, nms_iou, max_detections: candidates with a lower score are dropped, then boxes are suppressed
    within each class, then this many of the best are kept. multi_label: a candidate counts for each of its classes
    above the threshold, as is usual in COCO scoring; otherwise only for its best class. resize: "smooth" averages when
    an image shrinks (Pillow's bilinear), "plain" samples (OpenCV's). The choice changes AP: YOLOX-nano on COCO128 has
    .338 smooth and .341 plain, and at JPEG quality 10 .242 smooth and .226 plain.

    strides: image pixels per cell of each output level (yolox only). side: of the square input, in pixels, if the model
    leaves its input size open. boxes: relative to the cell ("raw", yolox only), in pixels of the input ("decoded") or
    as fractions of its sides ("normalised"); "auto" detects it from the model's answer to a grey image. Whether scores
    are before the sigmoid is always detected so.

    End-to-end models: nms_iou is not used. Labels that count a background as 0 (torchvision, TensorFlow) are COCO's
    numbers with classes=coco80, else count from 1, or from 0 where the first name of ``classes`` is "background".
    Pixels are given as RGB from 0 to 1, to models with logits or with boxes and scores in one output less mean and
    divided by std (or as preprocessor_config.json beside the model says), to models of uint8 as they are; values of
    mean or std other than the defaults count for all.

    For segmenters and end-to-end models only: fit: "stretch" the image to the model's input, or scale its "longest"
    side and pad with the mean; if a segmenter leaves its input size open, images keep their own size and are padded to
    multiples of 32. mean, std: normalisation of the three channels, 0 to 255. order: of the channels.

    Raises:
        ValueError: mean or std are not three numbers, a std is 0, or boxes="raw" is given without format="yolox".
    """

    path: str
    format: Literal["yolox", "yolov8", "logits", "classes", "end_to_end", "auto"] = "yolox"
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
    mean: tuple[float, ...] = IMAGENET[0]
    std: tuple[float, ...] = IMAGENET[1]
    order: Literal["rgb", "bgr"] = "rgb"

    regime: ClassVar[Literal["frozen", "adapted"]] = "frozen"

    def __post_init__(self) -> None:
        require_scaling(self.mean, self.std)
        if self.boxes == "raw" and self.format != "yolox":
            raise ValueError(f"boxes=raw is for yolox alone, the format is {self.format}")

    @property
    def output(self) -> type[Prediction]:
        """Detections or SegmentationMap, depending on the format; Detections where the model cannot be loaded."""
        form: str = self.format
        if form == "auto":
            try:
                reading = self._reading()
            except (UnavailableError, DataError):
                return Detections
            form = reading.format if isinstance(reading, Onnx) else "end_to_end"
        return SegmentationMap if form in ("logits", "classes") else Detections

    @property
    def label_space(self) -> LabelSpace:
        """The classes that the model knows.

        Raises:
            UnavailableError: the file of class names is missing.
        """
        return space_of(self.classes)

    def available(self) -> str | None:
        """None if the model can be loaded here, else one sentence with the reason and the cure."""
        return why_no_onnxruntime() or why_not_loadable(self._check)

    def provenance(self) -> Mapping[str, str]:
        """sha256 of the model, of its files of tensors and of a file of class names, and onnxruntime's version."""
        import onnxruntime

        facts = {
            **sha256_of_model(self.path),
            "onnxruntime": onnxruntime.__version__,
            **sha256_of_classes(self.classes),
        }
        told = self.format in ("auto", "end_to_end")
        return {**facts, "reading": _READING, **preprocessor_facts(self.path)} if told else facts

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Detect objects in images of any size, in batches as the model allows; or segment them, one at a time.

        Raises:
            UnavailableError: the model is missing.
            DataError: the model cannot be loaded, or its output does not have this format.
        """
        if not images:
            return []
        if self.format in ("auto", "end_to_end"):
            reading = self._reading()
            if isinstance(reading, Onnx):
                return reading.predict(images)
            return [reading.detect(image) for image in images]
        network = self._network()
        if self.output is SegmentationMap:
            return [self._segment(network, image) for image in images]
        step = network.batch or _BATCH
        predictions: list[Prediction] = []
        for start in range(0, len(images), step):
            predictions += self._predict_batch(network, images[start : start + step])
        return predictions

    def _check(self) -> None:
        """Load the model and check its outputs. Raises as ``predict`` does."""
        if self.format in ("auto", "end_to_end"):
            reading = self._reading()
            if isinstance(reading, Onnx):
                reading._check()
            return
        network = self._network()
        if self.output is Detections:
            self._encoding(network)

    @property
    def _sha256(self) -> str:
        """The hashes of the model's file and of its files of tensors, joined by commas."""
        return ",".join(sha256_of_model(self.path).values())

    def _reading(self) -> Onnx | EndToEnd:
        """The reading of the model's outputs: end to end, or by this head with the format that they have.

        Raises:
            DataError: the outputs have no layout, or several; the message names outputs and options.
        """
        network = self._loaded()
        settings = self._end_to_end_settings()
        key = (settings, self._sha256, self.format)
        if key not in _layouts:
            _layouts[key] = self._layout(network, settings)
        layout = _layouts[key]
        return EndToEnd(network, layout, settings) if isinstance(layout, SeenLayout) else replace(self, format=layout)

    def _layout(self, network: Network, settings: Settings) -> Format | SeenLayout:
        outputs, seen = network.outputs, None
        if not all(output.shape for output in outputs) or layout_of(outputs, len(settings.space.classes)):
            outputs, seen = seen_on_grey(network, settings)
        if self.format == "end_to_end":
            if seen is None:
                raise DataError(f"{outputs_in_words(outputs)}: not those of an end-to-end detector; {OPTIONS}")
            return seen
        classes = len(self.label_space.classes)
        forms = dense_formats(outputs, classes, self._input_hw(network), self.strides)
        several: list[Format | SeenLayout] = [*forms, *([seen] if seen else [])]
        if len(several) == 1:
            return several[0]
        if not several:
            raise DataError(
                f"{outputs_in_words(outputs)}: no known layout of {classes} classes; check classes, strides and side; "
                f"{OPTIONS}"
            )
        names = [*forms, *(["end_to_end"] if seen else [])]
        raise DataError(
            f"{outputs_in_words(outputs)}: with {classes} classes they may have the formats {' and '.join(names)}; "
            f"give one of them as format"
        )

    def _end_to_end_settings(self) -> Settings:
        scaling = self.mean, self.std
        return Settings(
            path=self.path,
            space=self.label_space,
            side=self.side,
            fit=self.fit,
            smooth=self.resize == "smooth",
            bgr=self.order == "bgr",
            scaling=None if scaling == IMAGENET else scaling,
            default_scaling=IMAGENET,
            boxes=self.boxes if self.boxes in ("decoded", "normalised") else None,
            score_threshold=self.score_threshold,
            max_detections=self.max_detections,
            multi_label=self.multi_label,
        )

    def _loaded(self) -> Network:
        import torch

        return load(self.path, self._sha256, torch.get_num_threads())

    def _network(self) -> Network:
        network = self._loaded()
        if network.image.unusual:
            raise DataError(f"{Path(self.path).name} takes {network.image.unusual}")
        outputs, classes = network.outputs, len(self.label_space.classes)
        if outputs[0].shape and (
            reason := why_unreadable(outputs, self._dense, classes, network.input_hw, self.strides)
        ):
            raise DataError(reason)
        return network

    @property
    def _dense(self) -> Format:
        """The format, where it is none of those that are told from the outputs."""
        assert self.format not in ("auto", "end_to_end")
        return cast(Format, self.format)

    def _input_hw(self, network: Network) -> tuple[int, int]:
        return network.input_hw[0] or self.side, network.input_hw[1] or self.side

    def _encoding(self, network: Network) -> Encoding:
        settings = DetectorSettings(
            self.path,
            self._sha256,
            self._dense,
            self._input_hw(network),
            self.strides,
            len(self.label_space.classes),
            None if self.boxes == "auto" else self.boxes,
        )
        return encoding_on_grey(network, settings)

    def _segment(self, network: Network, image: Image) -> SegmentationMap:
        placed = self._placed(network, image)
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        pixels = placed.canvas if self.order == "rgb" else placed.canvas[..., ::-1]
        values = ((pixels - mean) / std).transpose(2, 0, 1)[None]  # (H, W, 3) -> (1, 3, H, W)
        values = np.repeat(np.ascontiguousarray(values, np.float32), network.batch or 1, 0)  # fill a fixed batch axis
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

    def _placed(self, network: Network, image: Image) -> Fitted:
        """The image on a canvas of the model's input size."""
        grey = round(sum(self.mean) / 3)
        if not any(network.input_hw):
            return padded(image, _MULTIPLE, pad_value=grey)
        if not all(network.input_hw):
            raise DataError(
                f"the model fixes one side of its input and leaves the other open: {network.input_hw}; export it with "
                f"both fixed or both open"
            )
        return fitted(image, *network.input_hw, fit=self.fit, pad_value=grey, smooth=self.resize == "smooth")

    def _predict_batch(self, network: Network, images: Sequence[Image]) -> list[Prediction]:
        height, width = input_hw = self._input_hw(network)
        encoding = self._encoding(network)
        placed = [
            letterbox(image, height, width, centred=self.format == "yolov8", smooth=self.resize == "smooth")
            for image in images
        ]
        pixels = np.stack([canvas for canvas, _ in placed])
        if network.batch and len(images) < network.batch:  # a fixed batch axis is filled with empty canvases
            pixels = np.concatenate([pixels, np.zeros((network.batch - len(images), *pixels.shape[1:]), np.uint8)])
        raw = run_detector(network, pixels, self.format)[0]
        return [self._decode(raw[i], input_hw, placement, encoding) for i, (_, placement) in enumerate(placed)]

    def _decode(self, raw: Floats, input_hw: tuple[int, int], placement: Placement, encoding: Encoding) -> Detections:
        classes = len(self.label_space.classes)
        decode = decode_yolox if self.format == "yolox" else decode_yolov8
        boxes, class_scores = decode(raw, classes, input_hw, self.strides, encoding)
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
