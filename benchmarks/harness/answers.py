"""The guard where plug-ins are called and their answers are taken: whatever is wrong with one becomes one sentence of
ours.

    guarded(call)          whatever a plug-in raises, exits included, comes out as an ``HscError`` of one line
    checked_...(answer)    type, shape, dtype, range and finiteness; an answer that passes can be kept and scored

A plug-in that ends its process is the business of ``benchmarks.harness.executors``, which runs plug-ins in processes of
their own.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import Sample
from benchmarks.harness import endings
from benchmarks.imaging.image_files import require_image
from benchmarks.text import one_line
from downstream.api import VOID, Detections, FeaturePair, Fidelity, Prediction, SegmentationMap
from downstream.ops.masks import why_damaged
from hsc.api import Image, Latents
from hsc.errors import CodecError, DataError, HeadError, HscError, PluginError

P = ParamSpec("P")
T = TypeVar("T")

MOST_BOXES = 100_000
"""Boxes in one image. Evaluators look at the best 100 of a class; what is beyond this is a decoder gone wrong."""
_ROUNDING = 1e-5
"""By which a score may pass 1: a softmax in float32 does."""


def why(error: BaseException) -> str:
    """One line on what went wrong; for errors that are not ours, with the place, since they are somebody's bug."""
    text = one_line(error)
    if isinstance(error, HscError):
        return text
    try:
        place = traceback.extract_tb(error.__traceback__, limit=-1)[-1]
    except Exception:  # no traceback, or a source that cannot be read
        return f"{type(error).__name__}: {text}"
    return f"{type(error).__name__}: {text} ({place.name}, {place.filename.rsplit('/', 1)[-1]}:{place.lineno})"


def guarded(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """``call(*arguments, **named)`` of a plug-in, which may raise anything and even exit.

    Raises:
        HscError: as the plug-in raised it, its text made one line; a ``PluginError`` for all that is not one,
        ``SystemExit``,
            ``GeneratorExit`` and its own ``KeyboardInterrupt`` among it.
        KeyboardInterrupt: the user, or the system, has asked this process to stop.
    """
    try:
        answer = call(*arguments, **named)
    except BaseException as error:
        endings.stop_if_asked()
        if isinstance(error, KeyboardInterrupt) and not endings.listening():
            raise  # nobody can tell whose it is
        if isinstance(error, HscError) and one_line(error) == _text(error):
            raise
        kind = _tree_class(error)
        raise kind(why(error)) from (error if isinstance(error, Exception) else None)
    endings.stop_if_asked()  # a plug-in may have swallowed it
    return answer


def _text(error: BaseException) -> str | None:
    try:
        return str(error)
    except BaseException:
        return None


def _tree_class(error: BaseException) -> type[HscError]:
    """The error of our own tree that stands for another: the same where it is one of them, not a plug-in's own
    subclass.
    """
    return next(
        (kind for kind in type(error).__mro__ if kind.__module__ == HscError.__module__ and issubclass(kind, HscError)),
        PluginError,
    )


def why_unavailable(item: Any) -> str | None:
    """What a plug-in's ``available`` says, as one line; that it breaks is a reason, too. None if it can be used here."""
    try:
        reason = guarded(item.available)
    except HscError as error:
        return f"its available() fails: {one_line(error)}"
    return None if reason is None else one_line(reason) or "it says it is not available, without a reason"


@contextmanager
def lent(arrays: Sequence[npt.NDArray[Any]], to: str) -> Iterator[list[npt.NDArray[Any]]]:
    """Copies that cannot be written to, for a plug-in to read.

    Raises:
        PluginError: they were written to all the same. to: who had them.
    """
    copies = [np.array(array, order="C") for array in arrays]
    for copy in copies:
        copy.setflags(write=False)
    yield copies
    if not all(np.array_equal(copy, array) for copy, array in zip(copies, arrays, strict=True)):
        raise PluginError(f"{to} changed its input, which is not its own; let it work on a copy")


def checked_stream(data: Any) -> bytes:
    """What a codec encoded, if it is a stream.

    Raises:
        CodecError: it is not ``bytes``, or empty.
    """
    if type(data) is not bytes:
        raise CodecError(f"encode gave {type(data).__name__}, expected bytes")
    if not data:
        raise CodecError("encode gave no bytes at all, expected a stream that decode can read")
    return data


def checked_image(image: Any, image_hw: tuple[int, int]) -> Image:
    """A copy of what a codec decoded, its own memory and not to be written to, if it is an image of this size.

    Raises:
        CodecError: it is not.
    """
    expected = (*image_hw, 3)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != expected:
        came = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise CodecError(f"decode gave {came}, expected uint8 {expected}")
    own = np.array(image, dtype=np.uint8, order="C", subok=False)
    own.setflags(write=False)
    return own


def checked_latents(latents: Any, image_hw: tuple[int, int], shapes: Mapping[str, tuple[int | None, ...]]) -> Latents:
    """A codec's decoded latents, not to be written to. shapes: of those that a head reads, None for axes that follow
    the image's size.

    Raises:
        CodecError: a map is missing, or is no finite float32 array of its shape, or the image's size is another.
    """
    if not isinstance(latents, Latents):
        raise CodecError(f"decode_latents gave {type(latents).__name__}, expected Latents")
    if tuple(latents.image_hw) != image_hw:
        raise CodecError(f"decode_latents gave an image size of {latents.image_hw}, expected {image_hw}")
    maps = {name: _checked_map(name, latents.maps.get(name), shape) for name, shape in shapes.items()}
    return Latents({**latents.maps, **maps}, image_hw)


def _checked_map(name: str, values: Any, shape: tuple[int | None, ...]) -> npt.NDArray[np.float32]:
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        raise CodecError(
            f"the latent {name} came as {getattr(values, 'dtype', type(values).__name__)}, expected float32"
        )
    if len(values.shape) != len(shape) or any(
        want not in (None, side) for want, side in zip(shape, values.shape, strict=True)
    ):
        raise CodecError(f"the latent {name} came as {values.shape}, expected {shape} (None: any)")
    if not np.isfinite(values).all():
        raise CodecError(f"the latent {name} holds values that are not finite")
    own = np.array(values)
    own.setflags(write=False)
    return own


def checked_sample(sample: Any, image_id: str) -> Sample:
    """An image as its data set loaded it.

    Raises:
        DataError: it is no ``Sample``, or one of another id, or its size in bytes is none.
        ImageError: its image is not uint8 (H, W, 3).
    """
    if not isinstance(sample, Sample):
        raise DataError(f"the data set's load gave {type(sample).__name__}, expected Sample")
    if sample.image_id != image_id:
        raise DataError(
            f"load gave the image {one_line(sample.image_id)!r} where image_ids() says {one_line(image_id)!r}; they "
            f"must be in one order"
        )
    if sample.source_bytes is not None and (not isinstance(sample.source_bytes, int) or sample.source_bytes < 0):
        raise DataError(f"its source_bytes came as {one_line(sample.source_bytes)}, expected a count or None")
    require_image(sample.image)
    return sample


def checked_ids(ids: Any, count: int) -> list[str]:
    """A data set's image ids, in order.

    Raises:
        DataError: they are not ``count`` different texts.
    """
    named = list(ids)
    if len(named) != count:
        raise DataError(f"the data set says it has {count} images and gives {len(named)} ids; expected as many")
    for place, name in enumerate(named):
        if not isinstance(name, str) or not name:
            raise DataError(
                f"the id of image {place} came as {one_line(repr(name))}, expected a text that is not empty"
            )
    first: dict[str, int] = {}
    for place, name in enumerate(named):
        if first.setdefault(name, place) != place:
            raise DataError(
                f"the images {first[name]} and {place} have the same id {one_line(name)!r}; each image's labels and "
                f"results are found by "
                "its id, so name them apart (by folder and name, say)"
            )
    return named


def checked_coco_images(
    coco: Mapping[str, Any], images: Sequence[tuple[int, str, tuple[int, int]]], count: int
) -> None:
    """See that box labels are of the data set's images, in its order. images: (index, id, height and width) of those
    that are known.

    Raises:
        DataError: there are more or fewer, ids are not different ints that rise, or sizes are those of other images or
        of turned ones.
    """
    listed = list(coco["images"])
    if len(listed) != count:
        raise DataError(
            f"the box labels are of {len(listed)} images, the data set has {count}; expected one entry an image, in "
            f"the same order"
        )
    ids = [entry.get("id") for entry in listed]
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in ids) or len(set(ids)) != len(ids):
        raise DataError(
            "the ids of the images in the box labels are not different whole numbers; expected one of its own for "
            "each image"
        )
    if ids != sorted(ids):
        wrong = next(k for k in range(1, len(ids)) if ids[k] < ids[k - 1])
        raise DataError(
            f"the images of the box labels are in another order than image_ids(): entry {wrong} has the id "
            f"{ids[wrong]} after {ids[wrong - 1]}; "
            "expected rising ids, in the order of image_ids()"
        )
    told = [(listed[index].get("height", hw[0]), listed[index].get("width", hw[1])) for index, _, hw in images]
    mixed = sorted(map(str, told)) == sorted(str(hw) for _, _, hw in images)  # the same sizes, for other images
    for (_, image_id, hw), size in zip(images, told, strict=True):
        if size != hw and (mixed or size == hw[::-1]):
            raise DataError(
                f"the image {one_line(image_id)!r} has {hw[1]}x{hw[0]} pixels, its entry in the box labels says "
                f"{size[1]}x{size[0]}; "
                "the labels are in another order than the images, or of pictures that were turned"
            )


def checked_prediction(prediction: Any, head: Any, image_hw: tuple[int, int]) -> Prediction:
    """What a head said of one image of this size, if it is an answer that can be scored.

    Raises:
        HeadError: it is of another type than ``head.output``; an array has another dtype, shape or length; a number is
        not finite or
            out of its range; a label is none of the head's classes; a box is turned round; a mask is of another size.
    """
    kind = head.output
    if not isinstance(prediction, kind):
        raise HeadError(f"the head gave {type(prediction).__name__}, expected {kind.__name__}")
    if isinstance(prediction, Detections):
        return _checked_boxes(prediction, len(head.label_space.classes), image_hw)
    if isinstance(prediction, SegmentationMap):
        return _checked_map_of_classes(prediction, len(head.label_space.classes), image_hw)
    if isinstance(prediction, Fidelity):
        return _checked_likeness(prediction, head)
    if isinstance(prediction, FeaturePair):
        return _checked_features(prediction)
    raise HeadError(f"the head gave {type(prediction).__name__}, which nothing here scores")


def _numbers(values: Any, what: str, kinds: str, dimensions: int) -> npt.NDArray[Any]:
    """An array of numbers. kinds: numpy's letters for what they may be ("f" floats, "iu" whole numbers)."""
    wanted = "floats" if kinds == "f" else "whole numbers"
    if not isinstance(values, np.ndarray) or values.dtype.kind not in kinds:
        raise HeadError(
            f"the head's {what} came as {getattr(values, 'dtype', type(values).__name__)}, expected an array of "
            f"{wanted}"
        )
    if values.ndim != dimensions:
        raise HeadError(f"the head's {what} came in the shape {values.shape}, expected {dimensions} axes")
    return values


def _finite(values: npt.NDArray[Any], what: str) -> None:
    bad = int(values.size - np.count_nonzero(np.isfinite(values)))
    if bad:
        raise HeadError(
            f"{bad} of the head's {values.size} {what} are not finite (NaN or infinite), expected numbers; "
            "its weights are damaged, or it overflows (try float32)"
        )


def _checked_boxes(answer: Detections, classes: int, image_hw: tuple[int, int]) -> Detections:
    boxes = _numbers(answer.boxes_xyxy, "boxes", "f", 2)
    scores = _numbers(answer.scores, "scores", "f", 1)
    labels = _numbers(answer.labels, "labels", "iu", 1)
    if boxes.shape != (len(scores), 4) or labels.shape != scores.shape:
        raise HeadError(
            f"the head gave boxes {boxes.shape}, scores {scores.shape} and labels {labels.shape}, expected (N, 4), "
            f"(N,) and (N,)"
        )
    if len(scores) > MOST_BOXES:
        raise HeadError(
            f"the head gave {len(scores):,} boxes for one image, expected {MOST_BOXES:,} at the most; raise its "
            f"score threshold"
        )
    _finite(boxes, "box coordinates")
    _finite(scores, "scores")
    if len(scores) and not (scores.min() >= 0 and scores.max() <= 1 + _ROUNDING):
        raise HeadError(
            f"the head's scores run from {scores.min():g} to {scores.max():g}, expected 0 to 1; are they logits, or "
            f"percent?"
        )
    turned = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    if turned.any():
        raise HeadError(
            f"{int(turned.sum())} of the head's {len(boxes)} boxes end before they begin, as "
            f"{boxes[turned][0].tolist()}; "
            "expected left, top, right, bottom in pixels, not left, top, width, height"
        )
    _check_labels(labels, classes)
    if answer.masks is not None:
        if tuple(answer.masks.image_hw) != tuple(image_hw) or len(answer.masks.counts) != len(scores):
            raise HeadError(
                f"the head gave {len(answer.masks.counts)} masks of {tuple(answer.masks.image_hw)}, expected "
                f"{len(scores)} of {tuple(image_hw)}"
            )
        damage = next((text for one in answer.masks.counts if (text := why_damaged(one, image_hw))), None)
        if damage:
            raise HeadError(f"a mask of the head is damaged: {damage}")
    return answer


def _check_labels(labels: npt.NDArray[Any], classes: int) -> None:
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        last = classes - 1
        raise HeadError(
            f"the head's labels run from {int(labels.min())} to {int(labels.max())}, expected 0 to {last}, one for "
            f"each of its {classes} classes; "
            "does it count the background, or know other classes?"
        )


def _checked_map_of_classes(answer: SegmentationMap, classes: int, image_hw: tuple[int, int]) -> SegmentationMap:
    labels = answer.labels
    if not isinstance(labels, np.ndarray) or labels.dtype != np.uint8 or labels.shape != tuple(image_hw):
        came = f"{labels.dtype} {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise HeadError(f"the head's map came as {came}, expected uint8 {tuple(image_hw)}, the image's size")
    _check_labels(labels[labels != VOID], classes)
    return answer


def _checked_likeness(answer: Fidelity, head: Any) -> Fidelity:
    if answer.measure != head.measure:
        raise HeadError(
            f"the judge measures {one_line(answer.measure)!r}, expected {head.measure!r}, as it says of itself"
        )
    numbers = _numbers(answer.numbers, "numbers", "f", 1)
    if not len(numbers):
        raise HeadError("the judge gave no number at all, expected at least one")
    _finite(numbers, "numbers")
    return answer


def _checked_features(answer: FeaturePair) -> FeaturePair:
    for name, values in (
        ("features of the original", answer.original),
        ("features of the decoded image", answer.decoded),
    ):
        _finite(_numbers(values, name, "f", 2), name)
    if answer.original.shape != answer.decoded.shape or not answer.original.size:
        raise HeadError(
            f"the features are {answer.original.shape} and {answer.decoded.shape}, expected two of one shape that is "
            f"not empty"
        )
    return answer
