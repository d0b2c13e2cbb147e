"""What a worker does: load, encode, decode, predict, for a few images of one operating point.

    Item (index, known bytes) --encode--> bytes --decode---------> image   --head, head, ...--> Answer
                                             \\--decode_latents--> latents --head, head, ...--> Answer

Nothing here raises: whatever goes wrong with an image becomes its record's reason, and the other images go on.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from benchmarks.api import Dataset, PredictionRecord, StreamRecord
from benchmarks.images import pixels_sha256
from benchmarks.points import curve_label
from benchmarks.store import Pixels
from benchmarks.timing import timed
from downstream.api import Prediction, Route, sees_originals
from downstream.device import device
from hsc.api import Codec, DecodesLatents, Image, Latents
from hsc.errors import CodecError, DataError, HscError
from hsc.held import HOLDER

T = TypeVar("T")

_warm: set[str] = set()


@dataclass(frozen=True)
class Item:
    """One image to work on.

    data: its coded bytes if they are known; code: whether a stream record is wanted; heads: which heads are, or their times. timed: whether
    the times of a known stream are wanted; latents_timed: whether that from bytes to latents is.
    """

    index: int
    image_id: str
    pixels: Pixels
    data: bytes | None
    code: bool
    heads: tuple[int, ...]
    timed: bool = False
    latents_timed: bool = False


@dataclass(frozen=True)
class Job:
    """A few images of one operating point. ``cell`` numbers it in the plan; head n reads by ``routes[n]``.

    latents: the names of those that the heads of this point read together.
    """

    cell: int
    dataset: Dataset
    codec: Codec
    heads: tuple[Any, ...]
    routes: tuple[Route, ...]
    items: tuple[Item, ...]
    repeats: int = 1
    latents: tuple[str, ...] = ()


@dataclass
class Answer:
    """What became of one item. data: what was coded now; latents_s: what decoding its latents took, None where nothing read them."""

    item: Item
    stream: StreamRecord | None = None
    data: bytes = b""
    predictions: dict[int, PredictionRecord] = field(default_factory=dict)
    latents_s: float | None = None
    latents_why: str = ""

    @property
    def kept(self) -> bytes:
        """The bytes that are scored: those known before, else those coded now."""
        return self.data if self.item.code or self.item.data is None else self.item.data

    def fail(self, heads: Iterable[int], reason: str) -> None:
        """These heads have nothing to read."""
        self.predictions |= {n: PredictionRecord(self.item.image_id, 0.0, None, "failed", reason) for n in heads}


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
    """Code, decode and read the images of a job; whatever networks that takes stay for the next one."""
    with HOLDER.everything():
        answers = [Answer(item) for item in job.items]
        given = [_given(job, answer) for answer in answers]
        for number, route in enumerate(job.routes):
            wanted = [(a, inputs[route]) for a, inputs in zip(answers, given, strict=True) if route in inputs and number in a.item.heads]
            if wanted:
                _predict(number, job, [a for a, _ in wanted], [one for _, one in wanted])
        return answers


def _steady(work: Callable[[], T], repeats: int) -> tuple[T, float]:
    """``timed``, once more where a network was built while the clock ran: loading is nobody's time."""
    before = HOLDER.loads
    answer, seconds = timed(work, repeats)
    return timed(work, repeats) if HOLDER.loads != before else (answer, seconds)


def _given(job: Job, answer: Answer) -> dict[Route, Any]:
    """What the heads of one item are given, by route; what goes wrong becomes the record of those it concerns."""
    item, found = answer.item, dict[Route, Any]()
    readers = {route: [n for n in item.heads if job.routes[n] == route] for route in job.routes}
    try:
        image = _code(job, answer, decoded=bool(readers.get("image")))
    except Exception as error:  # a codec may be anybody's plug-in
        answer.stream = StreamRecord(item.image_id, item.pixels.image_hw, len(answer.data), 0.0, 0.0, 0, "failed", why(error))
        answer.fail(item.heads, why(error))
        return found
    if image is not None:
        found["image"] = image
    if readers.get("latent") or item.latents_timed:
        try:
            found["latent"] = _latents(job, answer)
        except Exception as error:
            answer.latents_why = why(error)
            answer.fail(readers.get("latent", ()), why(error))
    return found


def _code(job: Job, answer: Answer, *, decoded: bool) -> Image | None:
    """The decoded image of one item; encodes first where the bytes are not known, and fills in the answer's stream.

    decoded: whether anybody reads the image; None is given where nobody does and it need not be measured.
    """
    item = answer.item
    wanted = item.code or item.timed
    if item.data is not None and not wanted:
        return checked(job.codec.decode(item.data), item.pixels.image_hw) if decoded else None
    image = job.dataset.load(item.index).image
    if pixels_sha256(image) != item.pixels.sha256:
        raise DataError(f"image {item.image_id} is not the one that was indexed under this data set revision; run with a new --cache")
    _warm_up(job.codec, image)
    repeats = job.repeats if wanted else 1
    data, encode_s = _steady(lambda: job.codec.encode(image), repeats)
    if not isinstance(data, bytes):
        raise CodecError(f"encode gave {type(data).__name__}, expected bytes")
    answer.data = data
    again, decode_s = _steady(lambda: job.codec.decode(answer.kept), repeats)
    error = squared_error(checked(again, item.pixels.image_hw), image)
    answer.stream = StreamRecord(item.image_id, item.pixels.image_hw, len(data), encode_s, decode_s, error)
    return again


def read_by(heads: Sequence[Any]) -> tuple[str, ...]:
    """The names of the latents that heads read, sorted."""
    return tuple(sorted({spec.name for head in heads for spec in head.needs}))


def _latents(job: Job, answer: Answer) -> Latents:
    """The latents of one item's bytes, which ``_code`` has seen to; the image is never made."""
    codec, data = job.codec, answer.kept
    assert isinstance(codec, DecodesLatents)
    name = f"{curve_label(job.codec)} latents {job.latents} {device()}"
    if name not in _warm:
        codec.decode_latents(data, job.latents)
        _warm.add(name)
    latents, answer.latents_s = _steady(lambda: codec.decode_latents(data, job.latents), job.repeats)
    if tuple(latents.image_hw) != answer.item.pixels.image_hw:
        raise CodecError(f"decode_latents gave an image size of {latents.image_hw}, expected {answer.item.pixels.image_hw}")
    return latents


def squared_error(decoded: Image, original: Image) -> int:
    """The sum of squared differences of all samples."""
    difference = decoded.astype(np.int32) - original
    return int(np.sum(difference * difference, dtype=np.int64))


def checked(image: Image, image_hw: tuple[int, int]) -> Image:
    """What a codec decoded, if it is an image of this size.

    Raises:
        CodecError: it is not.
    """
    expected = (*image_hw, 3)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != expected:
        raise CodecError(f"decode gave {getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}, expected uint8 {expected}")
    return image


def _warm_up(codec: Codec, image: Image) -> None:
    """The first call of a codec in a process loads libraries; it is not to be timed."""
    name = f"{curve_label(codec)} {device()}"
    if name not in _warm:
        codec.decode(codec.encode(image))
        _warm.add(name)


def ask(head: Any, route: Route, inputs: Sequence[Any], originals: Sequence[Image]) -> list[Prediction]:
    """What a head says of decoded images or latents; a judge sees the originals beside them.

    Raises:
        HscError: it gave another number of predictions than inputs came.
    """
    if sees_originals(head):
        found = list(head.compare(originals, inputs))
    else:
        found = list(head.predict(inputs) if route == "image" else head.predict_latents(inputs))
    if len(found) != len(inputs):
        raise HscError(f"the head gave {len(found)} predictions for {len(inputs)} images")
    return found


def _predict(number: int, job: Job, answers: list[Answer], inputs: list[Any]) -> None:
    """Let one head read images, or latents, as its route says."""
    head, route = job.heads[number], job.routes[number]
    try:
        originals = [job.dataset.load(a.item.index).image for a in answers] if sees_originals(head) else []
        name = f"{head!r} {route} {device()}"
        if name not in _warm:
            ask(head, route, inputs[:1], originals[:1])
            _warm.add(name)
        predictions, head_s = _steady(lambda: ask(head, route, inputs, originals), job.repeats)
        for answer, prediction in zip(answers, predictions, strict=True):
            answer.predictions[number] = PredictionRecord(answer.item.image_id, head_s / len(inputs), prediction)
    except Exception as error:  # a head may be anybody's plug-in
        for answer in answers:
            answer.fail([number], why(error))
