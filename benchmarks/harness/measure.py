"""What a worker does: load, encode, decode, predict, for a few images of one operating point.

    Item (index, known bytes) --encode--> bytes --decode---------> image   --head, head, ...--> Answer
                                             \\--decode_latents--> latents --head, head, ...--> Answer

Nothing here raises: whatever goes wrong with an image becomes its record's reason, and the other images go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from benchmarks.api import Dataset, PredictionRecord, StreamRecord
from benchmarks.harness.answers import (
    checked_image,
    checked_latents,
    checked_prediction,
    checked_sample,
    checked_stream,
    guarded,
    lent,
    why,
)
from benchmarks.harness.cache import Pixels
from benchmarks.harness.operating_points import curve_label
from benchmarks.harness.timing import timed
from benchmarks.harness.worker import step
from benchmarks.imaging.image_files import pixels_sha256
from downstream.api import Prediction, Route, sees_originals
from hsc.api import Codec, DecodesLatents, Image, Latents
from hsc.devices import current_device
from hsc.errors import DataError, HeadError, HscError
from hsc.networks.network_holder import HOLDER

T = TypeVar("T")

_warm: set[str] = set()


@dataclass(frozen=True)
class Item:
    """One image to work on.

    data: its coded bytes if they are known; code: whether a stream record is wanted; heads: which heads are, or their
    times. timed: whether the times of a known stream are wanted; latents_timed: whether that from bytes to latents is.
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

    def parts(self, head: int | None) -> list[Job]:
        """The same work in smaller jobs: one image each; of one image, what this head reads apart from all else. None
        if it is the least.
        """
        if len(self.items) > 1:
            return [replace(self, items=(item,)) for item in self.items]
        (item,) = self.items
        if head is None or (not item.code and item.heads == (head,)):
            return []
        others = replace(item, heads=tuple(n for n in item.heads if n != head))
        alone = replace(item, code=False, heads=(head,))
        return [replace(self, items=(part,)) for part in (others, alone) if part.code or part.heads]


@dataclass(frozen=True)
class Indexing:
    """Some images of a data set to be read for the first time, (index, id) each."""

    dataset: Dataset
    images: tuple[tuple[int, str], ...]

    def parts(self, doing: int | None) -> list[Indexing]:
        """The same work, one image a job; none if it is the least."""
        return [] if len(self.images) == 1 else [replace(self, images=(image,)) for image in self.images]


@dataclass(eq=False)
class Answer:
    """What became of one item.

    data: what was coded now; latents_s: what decoding its latents took, None where nothing read them. decoded_sha256:
    of the pixels, where it was coded.
    """

    item: Item
    stream: StreamRecord | None = None
    data: bytes = b""
    predictions: dict[int, PredictionRecord] = field(default_factory=dict)
    latents_s: float | None = None
    latents_why: str = ""
    decoded_sha256: str = ""

    @property
    def kept(self) -> bytes:
        """The bytes that are scored: those known before, else those coded now."""
        return self.data if self.item.code or self.item.data is None else self.item.data

    def fail(self, heads: Iterable[int], reason: str) -> None:
        """These heads have nothing to read."""
        self.predictions |= {n: PredictionRecord(self.item.image_id, 0.0, None, "failed", reason) for n in heads}


def index_pixels(job: Indexing) -> list[tuple[int, Pixels | str]]:
    """Load images and hash their pixels; a reason in place of an image that does not load."""
    found: list[tuple[int, Pixels | str]] = []
    for index, image_id in job.images:
        step()
        try:
            sample = checked_sample(guarded(job.dataset.load, index), image_id)
            height, width = sample.image.shape[:2]
            found.append((index, Pixels(pixels_sha256(sample.image), (height, width), sample.source_bytes)))
        except HscError as error:  # a data set may be anybody's plug-in
            found.append((index, why(error)))
    return found


def measure(job: Job) -> list[Answer]:
    """Code, decode and read the images of a job; whatever networks that takes stay for the next one."""
    with HOLDER.everything():
        answers = [Answer(item) for item in job.items]
        given = [_given(job, answer) for answer in answers]
        for number, route in enumerate(job.routes):
            wanted = [
                (a, inputs[route])
                for a, inputs in zip(answers, given, strict=True)
                if route in inputs and number in a.item.heads
            ]
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
        step()
        image = guarded(_code, job, answer, decoded=bool(readers.get("image")))
    except HscError as error:  # a codec may be anybody's plug-in
        answer.data = b""
        answer.stream = StreamRecord(item.image_id, item.pixels.image_hw, 0, 0.0, 0.0, 0, "failed", why(error))
        answer.fail(item.heads, why(error))
        return found
    if image is not None:
        found["image"] = image
    if readers.get("latent") or item.latents_timed:
        try:
            step()
            found["latent"] = guarded(_latents, job, answer, [job.heads[n] for n in readers.get("latent", ())])
        except HscError as error:
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
    image = checked_sample(job.dataset.load(item.index), item.image_id).image
    if pixels_sha256(image) != item.pixels.sha256:
        raise DataError(
            f"image {item.image_id} is not the one that was indexed under this data set revision; run with a new "
            f"--cache"
        )
    repeats = job.repeats if wanted else 1
    with lent([image], "the codec") as (own,):
        _warm_up(job.codec, own)
        step(repeats)
        encoded, encode_s = _steady(lambda: job.codec.encode(own), repeats)
    data = checked_stream(encoded)
    answer.data = data
    step(repeats)
    again, decode_s = _steady(lambda: job.codec.decode(answer.kept), repeats)
    pixels = checked(again, item.pixels.image_hw)
    answer.stream = StreamRecord(
        item.image_id, item.pixels.image_hw, len(data), encode_s, decode_s, squared_error(pixels, image)
    )
    answer.decoded_sha256 = pixels_sha256(pixels) if item.code else ""
    return pixels


def read_by(heads: Sequence[Any]) -> tuple[str, ...]:
    """The names of the latents that heads read, sorted."""
    return tuple(sorted({spec.name for head in heads for spec in head.needs}))


def _latents(job: Job, answer: Answer, heads: Sequence[Any]) -> Latents:
    """The latents of one item's bytes that heads read; ``_code`` has seen to the bytes, and the image is never made."""
    codec, data = job.codec, answer.kept
    assert isinstance(codec, DecodesLatents)
    name = f"{curve_label(job.codec)} latents {job.latents} {current_device()}"
    if name not in _warm:
        codec.decode_latents(data, job.latents)
        _warm.add(name)
    latents, latents_s = _steady(lambda: codec.decode_latents(data, job.latents), job.repeats)
    sound = checked_latents(
        latents, answer.item.pixels.image_hw, {spec.name: spec.shape for head in heads for spec in head.needs}
    )
    answer.latents_s = latents_s
    return sound


def squared_error(decoded: Image, original: Image) -> int:
    """The sum of squared differences of all samples."""
    difference = decoded.astype(np.int32) - original
    return int(np.sum(difference * difference, dtype=np.int64))


def checked(image: Image, image_hw: tuple[int, int]) -> Image:
    """What a codec decoded, as memory of its own, if it is an image of this size.

    Raises:
        CodecError: it is not.
    """
    return checked_image(image, image_hw)


def _warm_up(codec: Codec, image: Image) -> None:
    """The first call of a codec in a process loads libraries; it is not to be timed."""
    name = f"{curve_label(codec)} {current_device()}"
    if name not in _warm:
        codec.decode(checked_stream(codec.encode(image)))
        _warm.add(name)


def ask(head: Any, route: Route, inputs: Sequence[Any], originals: Sequence[Image]) -> list[Prediction]:
    """What a head says of decoded images or latents, each answer checked; a judge sees the originals beside them.

    Raises:
        HscError: it raised something itself, or wrote into its input.
        HeadError: it gave another number of predictions than inputs came, or one that cannot be scored.
    """
    with _lent_to(head, inputs, originals) as (own, beside):
        return taken(guarded(_called, head, route, own, beside), head, inputs)


def _called(head: Any, route: Route, inputs: Sequence[Any], originals: Sequence[Image]) -> Any:
    if sees_originals(head):
        return head.compare(originals, inputs)
    return head.predict(inputs) if route == "image" else head.predict_latents(inputs)


@contextlib.contextmanager
def _lent_to(
    head: Any, inputs: Sequence[Any], originals: Sequence[Image]
) -> Iterator[tuple[Sequence[Any], Sequence[Image]]]:
    """A head's inputs as it may have them: images in copies that it cannot write to."""
    images = [one for one in inputs if isinstance(one, np.ndarray)]
    with lent([*images, *originals], "the head") as copies:
        yield copies[: len(images)] if images else inputs, copies[len(images) :]


def taken(answers: Any, head: Any, inputs: Sequence[Any]) -> list[Prediction]:
    """A head's answers to these inputs, each checked, with the place of the one that is wrong. Raises HeadError as
    ``ask`` does.
    """
    try:
        found = list(answers)
    except TypeError:
        raise HeadError(f"the head gave {type(answers).__name__}, expected a list of {head.output.__name__}") from None
    if len(found) != len(inputs):
        raise HeadError(f"the head gave {len(found)} predictions for {len(inputs)} images")
    sizes = [one.shape[:2] if isinstance(one, np.ndarray) else one.image_hw for one in inputs]
    return [checked_prediction(one, head, (int(h), int(w))) for one, (h, w) in zip(found, sizes, strict=True)]


def _predict(number: int, job: Job, answers: list[Answer], inputs: list[Any]) -> None:
    """Let one head read images, or latents, as its route says; where a batch fails, its images one by one."""
    try:
        step(len(inputs), number)
        predictions, head_s = guarded(_read, number, job, answers, inputs)
    except HscError as error:  # a head may be anybody's plug-in
        if len(answers) == 1:
            answers[0].fail([number], why(error))
            return
        for answer, one in zip(answers, inputs, strict=True):
            _predict(number, job, [answer], [one])
        return
    for answer, prediction in zip(answers, predictions, strict=True):
        answer.predictions[number] = PredictionRecord(answer.item.image_id, head_s / len(inputs), prediction)


def _read(number: int, job: Job, answers: list[Answer], inputs: list[Any]) -> tuple[list[Prediction], float]:
    """What a head says of a batch, and the time of all of it."""
    head, route = job.heads[number], job.routes[number]
    originals = (
        [checked_sample(job.dataset.load(a.item.index), a.item.image_id).image for a in answers]
        if sees_originals(head)
        else []
    )
    with _lent_to(head, inputs, originals) as (own, beside):
        name = f"{head!r} {route} {current_device()}"
        if name not in _warm:
            _called(head, route, own[:1], beside[:1])
            _warm.add(name)
        step(len(inputs) * job.repeats, number)
        said, head_s = _steady(lambda: _called(head, route, own, beside), job.repeats)
    return taken(said, head, inputs), head_s


@dataclass(frozen=True)
class Sample:
    """A stream whose decoding is tried in another process than the one that coded it. decoded_sha256: of the pixels it
    gave there.
    """

    cell: int
    index: int
    codec: Codec
    data: bytes
    image_hw: tuple[int, int]
    decoded_sha256: str


def decode_apart(sample: Sample) -> str:
    """Why a stream does not decode here as it did where it was coded; empty if it does."""
    try:
        step()
        pixels = checked(guarded(sample.codec.decode, sample.data), sample.image_hw)
    except HscError as error:
        return f"it decodes in the process that coded it, and in another it does not: {why(error)}"
    if pixels_sha256(pixels) != sample.decoded_sha256:
        return "decoded again, in another process, its stream gives other pixels; decode must depend on the bytes alone"
    return ""
