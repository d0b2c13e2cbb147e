"""The work of a worker: load, encode, decode and predict, for a few images of one operating point.

    Item (image, known bytes) --encode--> bytes --decode---------> image   --reader, reader, ...--> Answer
                                             \\--decode_latents--> latents --reader, reader, ...--> Answer

``measure`` raises nothing: whatever goes wrong with an image becomes its record's reason, and the other images go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from benchmarks.api import StreamRecord
from benchmarks.harness.batches import Coded
from benchmarks.harness.codec_answers import checked_image, checked_latents, checked_stream
from benchmarks.harness.conditions import machine
from benchmarks.harness.dataset_answers import checked_sample
from benchmarks.harness.guard import guarded, lent, why
from benchmarks.harness.head_calls import called, checked_predictions, cut_out, lent_to
from benchmarks.harness.jobs import Answer, Job, Reading
from benchmarks.harness.operating_points import curve_label
from benchmarks.harness.readers import Reader
from benchmarks.harness.timing import timed
from benchmarks.harness.worker import step
from benchmarks.imaging.image_arrays import pixels_sha256
from downstream.api import Route, sees_originals, to_bytes
from hsc.api import Codec, CodesBatches, DecodesLatents, Image, Latents
from hsc.devices import current_device
from hsc.errors import DataError, HscError
from hsc.networks.network_holder import HOLDER

T = TypeVar("T")

_warm: set[str] = set()
"""Names of the calls that this process has made once, so that loading libraries and weights is not timed."""


def measure(job: Job) -> list[Answer]:
    """Code, decode and read the images of a job; networks that it loads stay loaded for the next job."""
    with HOLDER.everything():
        here = machine()
        answers = [Answer(item, machine=here) for item in job.items]
        coded = Coded(job) if isinstance(job.codec, CodesBatches) else None
        inputs = [_inputs(job, answer, coded) for answer in answers]
        for reader in job.at_work:
            pairs = [
                (answer, by_route[reader.route])
                for answer, by_route in zip(answers, inputs, strict=True)
                if reader.route in by_route and reader.name in answer.item.readers
            ]
            if pairs:
                _predict(job, reader, [answer for answer, _ in pairs], [given for _, given in pairs])
        return answers


def _steady(work: Callable[[], T], repeats: int) -> tuple[T, float]:
    """``timed``, once more where a network was loaded while the clock ran."""
    loads = HOLDER.loads
    answer, seconds = timed(work, repeats)
    return timed(work, repeats) if HOLDER.loads != loads else (answer, seconds)


def _inputs(job: Job, answer: Answer, coded: Coded | None) -> dict[Route, Any]:
    """The inputs of one item's readers, by route; a failure becomes the record of the readers that it concerns.

    coded: the job's streams and images where they were coded in batches.
    """
    item, inputs = answer.item, dict[Route, Any]()
    wanted = [reader for reader in job.at_work if reader.name in item.readers]
    on_images, on_latents = ([r for r in wanted if r.route == route] for route in ("image", "latent"))
    try:
        step()
        image = guarded(_code, job, answer, coded, decoded=bool(on_images))
    except HscError as error:  # a codec may be a plug-in
        answer.data = b""
        image_id, image_hw = item.image.image_id, item.image.pixels.image_hw
        answer.stream = StreamRecord(image_id, image_hw, 0, 0.0, 0.0, 0, "failed", why(error))
        answer.fail(item.readers, why(error))
        return inputs
    if image is not None:
        inputs["image"] = image
    if on_latents or (item.latents_timed and job.stage != "code"):
        try:
            step()
            inputs["latent"] = guarded(_latents, job, answer, on_latents)
        except HscError as error:
            answer.latents_why = why(error)
            answer.fail([reader.name for reader in on_latents], why(error))
    return inputs


def _code(job: Job, answer: Answer, coded: Coded | None, *, decoded: bool) -> Image | None:
    """The decoded image of one item; encodes first where the bytes are not known, and fills in the answer's stream.

    coded: as in ``_inputs``; times are NaN then. decoded: whether a reader takes the image. None is given where no
    reader does and it need not be measured.
    """
    codec = coded or job.codec
    item, image_hw = answer.item, answer.item.image.pixels.image_hw
    wanted = item.code or item.timed
    if item.data is not None and not wanted:
        return checked_image(codec.decode(item.data), image_hw) if decoded else None
    original = _original(job, answer)
    if pixels_sha256(original) != item.image.pixels.sha256:
        raise DataError(
            f"image {item.image.image_id} is not the one that was indexed under this data set revision; run with a "
            f"new --cache"
        )
    repeats = job.repeats if wanted and not coded else 1
    with lent([original], "the codec") as (own,):
        if not coded:
            _warm_up(job.codec, own)
        step(repeats)
        encoded, encode_s = _steady(lambda: codec.encode(own), repeats)
    answer.data = checked_stream(encoded)
    step(repeats)
    image, decode_s = _steady(lambda: codec.decode(answer.kept), repeats)
    pixels = checked_image(image, image_hw)
    error = squared_error(pixels, original)
    if coded:
        encode_s = decode_s = math.nan
    answer.stream = StreamRecord(item.image.image_id, image_hw, len(answer.data), encode_s, decode_s, error)
    answer.decoded_sha256 = pixels_sha256(pixels) if item.code else ""
    return pixels


def _original(job: Job, answer: Answer) -> Image:
    image = answer.item.image
    return checked_sample(job.dataset.load(image.index), image.image_id).image


def _latents(job: Job, answer: Answer, readers: Sequence[Reader]) -> Latents:
    """The latents that readers take from one item's bytes, which ``_code`` has left in the answer; no image is made."""
    codec, data = job.codec, answer.kept
    assert isinstance(codec, DecodesLatents)
    call = f"{curve_label(job.codec)} latents {job.latents} {current_device()}"
    if call not in _warm:
        codec.decode_latents(data, job.latents)
        _warm.add(call)
    decoded, latents_s = _steady(lambda: codec.decode_latents(data, job.latents), job.repeats)
    shapes = {spec.name: spec.shape for reader in readers for spec in reader.head.needs}
    latents = checked_latents(decoded, answer.item.image.pixels.image_hw, shapes)
    answer.latents_s = latents_s
    return latents


def squared_error(decoded: Image, original: Image) -> int:
    """The sum of squared differences of all samples."""
    difference = decoded.astype(np.int32) - original
    return int(np.sum(difference * difference, dtype=np.int64))


def _warm_up(codec: Codec, image: Image) -> None:
    """Call a codec once in this process before it is timed: the first call loads libraries."""
    call = f"{curve_label(codec)} {current_device()}"
    if call not in _warm:
        codec.decode(checked_stream(codec.encode(image)))
        _warm.add(call)


def _predict(job: Job, reader: Reader, answers: list[Answer], inputs: list[Any]) -> None:
    """Let one reader take images or latents as a batch; where the batch fails, one by one."""
    try:
        step(len(inputs), reader.name)
        readings = guarded(_read, job, reader, answers, inputs)
    except HscError as error:  # a head may be a plug-in
        if len(answers) == 1:
            answers[0].fail([reader.name], why(error))
            return
        for answer, given in zip(answers, inputs, strict=True):
            _predict(job, reader, [answer], [given])
        return
    for answer, reading in zip(answers, readings, strict=True):
        answer.readings[reader.name] = reading


def _read(job: Job, reader: Reader, answers: list[Answer], inputs: list[Any]) -> list[Reading]:
    """A reader's predictions on a batch, packed after the clock has stopped; each has an equal share of the time."""
    head, route = reader.head, reader.route
    originals = [_original(job, answer) for answer in answers] if sees_originals(head) else []
    cut = cut_out(head, inputs, [answer.item.image.regions for answer in answers])
    if not cut.inputs:  # images without a region: there is nothing to ask and nothing to time
        return [Reading(to_bytes(prediction)) for prediction in cut.put_together([])]
    with lent_to(head, cut.inputs, originals) as (own_inputs, own_originals):
        call = f"{head!r} {route} {current_device()}"
        if call not in _warm:
            called(head, route, own_inputs[:1], own_originals[:1])
            _warm.add(call)
        step(len(inputs) * job.repeats, reader.name)
        predictions, head_s = _steady(lambda: called(head, route, own_inputs, own_originals), job.repeats)
    return [
        Reading(to_bytes(prediction), head_s / len(inputs))
        for prediction in cut.put_together(checked_predictions(predictions, head, cut.inputs))
    ]
