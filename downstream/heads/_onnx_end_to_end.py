"""The onnx head on models that end in boxes, scores and classes, in the layouts of ``downstream/ops/end_to_end.py``.

    image --canvas--> pixels --input_values--> session --> outputs --candidates_in--> candidates --> Detections

The layout comes from names and shapes of the outputs, the unit of boxes from their numbers on a grey image. Images are
read one at a time. The models choose among their boxes themselves, so nothing is suppressed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from downstream.api import Detections, LabelSpace
from downstream.class_maps.class_names import folded
from downstream.heads._onnx_session import GREY, Network, OtherInput, input_of
from downstream.label_spaces import BACKGROUND, COCO80, NUMBERS
from downstream.ops.end_to_end import Classes, Layout, Unit, boxes_in, candidates_in, layout_of, unit_of
from downstream.ops.letterbox import Placement, letterbox
from downstream.ops.nms import best_boxes
from downstream.ops.onnx_outputs import Output
from downstream.ops.segmentation_canvas import Fit, fitted
from downstream.weights.file_hash import sha256_of
from hsc.api import Image
from hsc.errors import DataError

_SIZES_WH, _SIZES_HW, _MASKS = "orig_target_sizes", "target_sizes", "pixel_mask"
_BACKGROUNDS = frozenset({BACKGROUND, "n/a"})
_PREPROCESSOR = "preprocessor_config.json"
_UNIT_SCALE = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)


class Settings(NamedTuple):
    """The head's settings that its reading of end-to-end models needs, as its fields of the same names.

    scaling: mean and std, None where they are the head's defaults. boxes: None where it is to be detected.
    """

    path: str
    space: LabelSpace
    side: int
    fit: Fit
    smooth: bool
    bgr: bool
    scaling: tuple[tuple[float, ...], tuple[float, ...]] | None
    default_scaling: tuple[tuple[float, ...], tuple[float, ...]]
    boxes: Unit | None
    score_threshold: float
    max_detections: int
    multi_label: bool


class Placed(NamedTuple):
    """An image as a model takes it. canvas: uint8 (h, w, 3). scale_xy, shift_xy: canvas = image * scale + shift."""

    canvas: Image
    scale_xy: tuple[float, float]
    shift_xy: tuple[float, float] = (0.0, 0.0)

    def back(self, boxes_xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes (N, 4) on the canvas as boxes on the image, both in pixels."""
        shift, scale = (np.array([*pair, *pair], np.float32) for pair in (self.shift_xy, self.scale_xy))
        return (boxes_xyxy - shift) / scale


class SeenLayout(NamedTuple):
    """The layout of a model's outputs, and the unit of its boxes."""

    layout: Layout
    unit: Unit


class EndToEnd(NamedTuple):
    """A model and the way that its outputs are read."""

    network: Network
    seen: SeenLayout
    settings: Settings

    def detect(self, image: Image) -> Detections:
        """The detections of one image, best first.

        Raises:
            DataError: the model cannot run on this image, or its numbers do not fit its layout.
            HeadError: its numbers are not finite.
        """
        settings = self.settings
        placed = placed_in(self.network, self.seen.layout, settings, image)
        answers = answers_to(self.network, placed.canvas, self._scaling(), settings.bgr)
        candidates = candidates_in(
            answers,
            self.seen.layout,
            self.seen.unit,
            (placed.canvas.shape[0], placed.canvas.shape[1]),
            classes_of(settings.space),
            multi_label=settings.multi_label,
        )
        return best_boxes(
            placed.back(candidates.boxes_xyxy),
            candidates.scores,
            candidates.labels,
            score_threshold=settings.score_threshold,
            iou=1,
            max_detections=settings.max_detections,
        )

    def _scaling(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and std of the layout's models, 0 to 255, where the head's fields do not give others."""
        layout = self.seen.layout
        normalised = layout.kind == "queries" or (layout.kind == "lists" and layout.scores < 0)
        if self.settings.scaling or not normalised:
            return self.settings.scaling or _UNIT_SCALE
        return stated_scaling(self.settings.path) or self.settings.default_scaling


def seen_on_grey(network: Network, settings: Settings) -> tuple[tuple[Output, ...], SeenLayout | None]:
    """The outputs of a model as a grey image shows them, and their layout; None if it is none of the end-to-end ones.

    Raises:
        DataError: the model cannot run, takes an input that is not known, its outputs are ambiguous, or its numbers do
            not fit the layout.
    """
    if reason := _why_not_fed(network):
        raise DataError(f"{Path(settings.path).name} takes {reason}")
    height, width = network.input_hw
    grey = np.full((height or settings.side, width or settings.side, 3), GREY, np.uint8)
    answers = answers_to(network, grey, _UNIT_SCALE, bgr=False)
    outputs = tuple(_seen(output, answer) for output, answer in zip(network.outputs, answers, strict=True))
    layout = layout_of(outputs, len(settings.space.classes))
    if layout is None:
        return outputs, None
    unit = settings.boxes or unit_of(boxes_in(answers, layout), layout)
    grey_hw = grey.shape[0], grey.shape[1]
    candidates_in(answers, layout, unit, grey_hw, classes_of(settings.space), multi_label=True)
    return outputs, SeenLayout(layout, unit)


def _seen(stated: Output, answer: npt.NDArray[Any]) -> Output:
    """An output with the shape of an answer, save axes of which the file says that they vary.

    The last axis of boxes and rows does not vary, and may be left open by an exporter.
    """
    shape: tuple[int | None, ...] = answer.shape
    if len(stated.shape) == len(shape):
        last = len(shape) - 1
        shape = tuple(None if stated.shape[k] is None and k < last else size for k, size in enumerate(shape))
    return Output(stated.name, shape, bool(np.issubdtype(answer.dtype, np.integer)))


def classes_of(space: LabelSpace) -> Classes:
    """A label space as a model counts it."""
    background = bool(space.classes) and folded(space.classes[0]).strip("_") in _BACKGROUNDS
    return Classes(len(space.classes), background, NUMBERS if space == COCO80 else ())


def _why_not_fed(network: Network) -> str | None:
    """Why a model's inputs cannot be filled in; None if they can."""
    strange = [one for one in network.image.others if one.name not in (_SIZES_WH, _SIZES_HW, _MASKS)]
    if strange:
        names = ", ".join(f"{one.name} {one.kind} {one.shape}" for one in strange)
        return (
            f"{names} besides {network.input_name}; known are {_SIZES_WH}, {_SIZES_HW} and {_MASKS}: export it with "
            f"the image alone"
        )
    if network.image.axes == "nhwc" and network.image.kind != "tensor(uint8)":
        return (
            f"{network.image.kind} with the channels last, expected uint8, or float with the channels before height "
            f"and width; export it so"
        )
    return None


def placed_in(network: Network, layout: Layout, settings: Settings, image: Image) -> Placed:
    """The image at the size that a model takes.

    rows are letterboxed as Ultralytics does it. Other models with a fixed input get the image as ``fit`` says. With an
    open input, models that resize by themselves get the image as it is, queries get it at ``side`` pixels of its
    longer side, and others stretched to a square of ``side``.
    """
    height, width = network.input_hw
    if bool(height) != bool(width):
        raise DataError(
            f"the model fixes one side of its input and leaves the other open: {network.input_hw}; export it with both "
            f"fixed or both open"
        )
    if layout.kind in ("rows", "indexed rows"):
        side = settings.side
        canvas, at = letterbox(image, height or side, width or side, centred=True, smooth=settings.smooth)
        return _letterboxed(canvas, at)
    own_hw = image.shape[0], image.shape[1]
    fit = settings.fit
    if not height:
        if network.image.axes != "nchw" or layout.first_label:
            return Placed(image, (1.0, 1.0))
        scale = settings.side / max(own_hw)
        height, width = settings.side, settings.side
        if layout.kind == "queries":
            height, width = (max(1, round(size * scale)) for size in own_hw)
            fit = "stretch"
    canvas, used_hw, _ = fitted(image, height, width, fit=fit, pad_value=GREY, smooth=settings.smooth)
    return Placed(canvas, (used_hw[1] / own_hw[1], used_hw[0] / own_hw[0]))


def _letterboxed(canvas: Image, at: Placement) -> Placed:
    return Placed(canvas, (at.scale, at.scale), (at.left, at.top))


def answers_to(
    network: Network, canvas: Image, scaling: tuple[Sequence[float], Sequence[float]], bgr: bool
) -> list[npt.NDArray[Any]]:
    """All outputs of a model for one canvas, uint8 (h, w, 3); a fixed batch is filled with copies of it.

    Raises:
        DataError: the model cannot run on this input.
    """
    batch = network.batch or 1
    given = {network.input_name: input_of(network, canvas, scaling, bgr)}
    given |= {one.name: _further(one, batch, canvas.shape[:2]) for one in network.image.others}
    try:
        return [np.asarray(answer) for answer in network.session.run(None, given)]
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise DataError(
            f"the model cannot run on {given[network.input_name].shape}: {' '.join(str(error).split())}; check its "
            f"input size, or side"
        ) from error


def _further(given: OtherInput, batch: int, canvas_hw: tuple[int, ...]) -> npt.NDArray[Any]:
    """The value of an input beside the image: the canvas's size, so that boxes come in its pixels, or a full mask."""
    kind = np.float32 if given.kind == "tensor(float)" else np.int64
    if given.name == _MASKS:
        sizes = tuple(stated or real for stated, real in zip(given.shape, (batch, *canvas_hw), strict=False))
        return np.ones(sizes, bool if given.kind == "tensor(bool)" else kind)
    size = canvas_hw[::-1] if given.name == _SIZES_WH else canvas_hw
    return np.repeat(np.array([size], kind), batch, 0)


def stated_scaling(path: str) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and std, 0 to 255, of the preprocessor_config.json that transformers' exports have beside the model.

    None where there is no such file.

    Raises:
        DataError: the file cannot be read.
    """
    file = Path(path).parent / _PREPROCESSOR
    if not file.is_file():
        return None
    try:
        content: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
        scale = 1 / float(content.get("rescale_factor", 1 / 255)) if content.get("do_rescale", True) else 1.0
        if not content.get("do_normalize", True):
            return (0.0, 0.0, 0.0), (scale, scale, scale)
        mean, std = (tuple(scale * float(v) for v in content[name]) for name in ("image_mean", "image_std"))
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise DataError(
            f"{file.name} beside {Path(path).name} cannot be read: {error!r}; get it again, or move it away and give "
            f"mean and std"
        ) from error
    if len(mean) != 3 or len(std) != 3 or not all(std):
        raise DataError(f"{file.name} states mean {mean} and std {std}, expected three numbers each and no std of 0")
    return mean, std


def preprocessor_facts(path: str) -> dict[str, str]:
    """Entry of a head's provenance: the hash of the preprocessor_config.json beside the model, if there is one."""
    file = Path(path).parent / _PREPROCESSOR
    return {"preprocessor_sha256": sha256_of(file)} if file.is_file() else {}
