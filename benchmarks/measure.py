"""What a worker does: load, encode, decode, predict, for a few images of one operating point.

    Item (index, known bytes) --encode--> bytes --decode--> image --head, head, ...--> Answer

Nothing here raises: whatever goes wrong with an image becomes its record's reason, and the other images go on.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.api import Dataset, PredictionRecord, StreamRecord
from benchmarks.images import pixels_sha256
from benchmarks.points import curve_label
from benchmarks.store import Pixels
from benchmarks.timing import timed
from hsc.api import Codec, Image
from hsc.errors import CodecError, DataError, HscError

_warm: set[str] = set()


@dataclass(frozen=True)
class Item:
    """One image to work on. data: its coded bytes if they are known; code: whether a stream record is wanted; heads: which heads are."""

    index: int
    image_id: str
    pixels: Pixels
    data: bytes | None
    code: bool
    heads: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """A few images of one operating point. ``cell`` numbers it in the plan."""

    cell: int
    dataset: Dataset
    codec: Codec
    heads: tuple[Any, ...]
    items: tuple[Item, ...]
    repeats: int = 1


@dataclass
class Answer:
    """What became of one item."""

    item: Item
    stream: StreamRecord | None = None
    data: bytes = b""
    predictions: dict[int, PredictionRecord] = field(default_factory=dict)


def why(error: Exception) -> str:
    """One line on what went wrong; for errors that are not ours, with the place, since they are somebody's bug."""
    text = " ".join(str(error).split())
    if isinstance(error, HscError):
        return text
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text} ({place.name}, {place.filename.rsplit('/', 1)[-1]}:{place.lineno})"


def index_pixels(job: tuple[Dataset, tuple[int, ...]]) -> list[tuple[int, Pixels | str]]:
    """Load images and hash their pixels; a reason in place of an image that does not load."""
    dataset, indices = job
    found: list[tuple[int, Pixels | str]] = []
    for index in indices:
        try:
            sample = dataset.load(index)
            height, width = sample.image.shape[:2]
            found.append((index, Pixels(pixels_sha256(sample.image), (height, width), sample.source_bytes)))
        except Exception as error:  # a data set may be anybody's plug-in
            found.append((index, why(error)))
    return found


def measure(job: Job) -> list[Answer]:
    """Code, decode and read the images of a job."""
    answers: list[Answer] = []
    decoded: list[Image | None] = []
    for item in job.items:
        answer = Answer(item)
        try:
            decoded.append(_code(job, answer))
        except Exception as error:  # a codec may be anybody's plug-in
            decoded.append(None)
            record = StreamRecord(item.image_id, item.pixels.image_hw, len(answer.data), 0.0, 0.0, 0, "failed", why(error))
            answer.stream, answer.predictions = record, {h: PredictionRecord(item.image_id, 0.0, None, "failed", why(error)) for h in item.heads}
        answers.append(answer)
    for number, head in enumerate(job.heads):
        wanted = [(a, image) for a, image in zip(answers, decoded, strict=True) if image is not None and number in a.item.heads]
        if wanted:
            _predict(number, head, [a for a, _ in wanted], [image for _, image in wanted], job.repeats)
    return answers


def _code(job: Job, answer: Answer) -> Image:
    """The decoded image of one item; encodes first where the bytes are not known, and fills in the answer's stream."""
    item = answer.item
    if item.data is not None and not item.code:
        return _checked(job.codec.decode(item.data), item)
    image = job.dataset.load(item.index).image
    if pixels_sha256(image) != item.pixels.sha256:
        raise DataError(f"image {item.image_id} is not the one that was indexed under this data set revision; run with a new --cache")
    _warm_up(job.codec, image)
    data, encode_s = timed(lambda: job.codec.encode(image), job.repeats)
    if not isinstance(data, bytes):
        raise CodecError(f"encode gave {type(data).__name__}, expected bytes")
    answer.data = data
    decoded, decode_s = timed(lambda: job.codec.decode(data), job.repeats)
    difference = _checked(decoded, item).astype(np.int32) - image
    error = int(np.sum(difference * difference, dtype=np.int64))
    answer.stream = StreamRecord(item.image_id, item.pixels.image_hw, len(data), encode_s, decode_s, error)
    return decoded


def _checked(image: Image, item: Item) -> Image:
    expected = (*item.pixels.image_hw, 3)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != expected:
        raise CodecError(f"decode gave {getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}, expected uint8 {expected}")
    return image


def _warm_up(codec: Codec, image: Image) -> None:
    """The first call of a codec in a process loads libraries; it is not to be timed."""
    name = curve_label(codec)
    if name not in _warm:
        codec.decode(codec.encode(image))
        _warm.add(name)


def _predict(number: int, head: Any, answers: list[Answer], images: list[Image], repeats: int) -> None:
    try:
        name = repr(head)
        if name not in _warm:
            head.predict(images[:1])
            _warm.add(name)
        predictions, head_s = timed(lambda: head.predict(images), repeats)
        if len(predictions) != len(images):
            raise HscError(f"the head gave {len(predictions)} predictions for {len(images)} images")
        for answer, prediction in zip(answers, predictions, strict=True):
            answer.predictions[number] = PredictionRecord(answer.item.image_id, head_s / len(images), prediction)
    except Exception as error:  # a head may be anybody's plug-in
        for answer in answers:
            answer.predictions[number] = PredictionRecord(answer.item.image_id, 0.0, None, "failed", why(error))
