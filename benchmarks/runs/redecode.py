"""Decodes the streams of a few images again, when a run keeps them and when it is checked: one job an operating point.

stream, or the image coded again where there is none --decode--> image --+--> error, hash, sketch
                                  \\---------------decode_latents---------+--head, head, ...--> predictions
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import LoadsImages, Region
from benchmarks.harness.codec_answers import checked_image, checked_stream
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.head_calls import ask
from benchmarks.harness.measure import squared_error
from benchmarks.harness.readers import Reader, ReaderName, latents_of
from benchmarks.harness.worker import step
from benchmarks.imaging.image_arrays import pixels_sha256
from benchmarks.imaging.sketch import sketch
from benchmarks.runs.archive import KeptImage, KeptStream
from downstream.api import Prediction, arrays_of, sees_originals
from hsc.api import Codec, Image
from hsc.errors import DataError, HscError
from hsc.networks.network_holder import HOLDER


@dataclass(frozen=True)
class Job:
    """One operating point. streams: one an image, None where it is encoded again. readers: those to read it. regions:
    of each image, empty where images are taken whole.
    """

    cell: str
    dataset: LoadsImages
    codec: Codec
    images: tuple[KeptImage, ...]
    streams: tuple[bytes | None, ...]
    readers: tuple[Reader, ...] = ()
    regions: tuple[tuple[Region, ...] | None, ...] = ()


@dataclass
class Again:
    """The outcome of a job. streams, and predictions by reader: one an image, or the reason why there is none."""

    streams: list[KeptStream | str] = field(default_factory=list)
    predictions: dict[ReaderName, list[Prediction] | str] = field(default_factory=dict)


def redecode(job: Job) -> Again:
    """Decode and read every image of a job; an error becomes the reason for its image, and the others go on."""
    with HOLDER.everything():
        return _redecoded(job)


def _redecoded(job: Job) -> Again:
    again = Again()
    decoded: list[Image] = []
    for image, data in zip(job.images, job.streams, strict=True):
        try:
            step()
            stream, pixels = guarded(_one, job, image, data)
        except HscError as error:  # a codec or data set may be anybody's plug-in
            again.streams.append(why(error))
        else:
            again.streams.append(stream)
            decoded.append(pixels)
    for reader in job.readers:
        again.predictions[reader.name] = _read(job, again, decoded, reader)
    return again


class Decoded(NamedTuple):
    """An image as it is decoded again. data: its stream; original: as the data set hands it out."""

    data: bytes
    original: Image
    decoded: Image

    @property
    def squared_error(self) -> int:
        """Summed over the decoded samples."""
        return squared_error(self.decoded, self.original)


def decode_again(dataset: LoadsImages, codec: Codec, image: KeptImage, data: bytes | None) -> Decoded:
    """Decode an image's stream. data: the stream, None where the image is encoded again.

    Raises:
        HscError: the data set's image is another one here, or the codec fails.
    """
    original = dataset.load(image.place).image
    if original.shape[:2] != (image.height, image.width) or pixels_sha256(original) != image.pixels_sha256:
        raise DataError(
            f"the data set's image {image.id} is another one here: {original.shape[1]}x{original.shape[0]} pixels of "
            f"another hash"
        )
    data = checked_stream(codec.encode(original)) if data is None else data
    return Decoded(data, original, checked_image(codec.decode(data), (image.height, image.width)))


def _one(job: Job, image: KeptImage, data: bytes | None) -> tuple[KeptStream, Image]:
    again = decode_again(job.dataset, job.codec, image, data)
    return KeptStream(
        len(again.data),
        hashlib.sha256(again.data).hexdigest(),
        again.squared_error,
        pixels_sha256(again.decoded),
        sketch(again.decoded),
        again.data,
    ), again.decoded


def _read(job: Job, again: Again, decoded: list[Image], reader: Reader) -> list[Prediction] | str:
    streams = [s for s in again.streams if isinstance(s, KeptStream)]
    if len(streams) < len(job.images):
        return "some of the images could not be decoded"
    try:
        step(len(job.images), reader.name)
        return guarded(_answers, job, streams, decoded, reader)
    except HscError as error:
        return why(error)


def _answers(job: Job, streams: list[KeptStream], decoded: list[Image], reader: Reader) -> list[Prediction]:
    codec: Any = job.codec
    head, route = reader.head, reader.route
    inputs = decoded if route == "image" else [codec.decode_latents(s.data, latents_of([head])) for s in streams]
    originals = [job.dataset.load(image.place).image for image in job.images] if sees_originals(head) else []
    return ask(head, route, inputs, originals, job.regions)


def prediction_sha256(prediction: Prediction) -> str:
    """Fingerprint of a prediction's arrays, in hex."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays_of(prediction).items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
