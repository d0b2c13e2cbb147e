"""Codecs that code batches: the images of a job are coded together, before they are measured one by one.

job --encode_batch--> streams --decode_batch--> images        Coded, asked like a codec: look-ups from here on
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from benchmarks.harness.codec_answers import checked_stream
from benchmarks.harness.dataset_answers import checked_sample
from benchmarks.harness.guard import guarded, lent
from benchmarks.harness.jobs import IMAGES_A_JOB, Item, Job
from benchmarks.harness.worker import step
from benchmarks.imaging.image_arrays import pixels_sha256
from hsc.api import Codec, CodesBatches, Image
from hsc.errors import HscError, PluginError

T = TypeVar("T")
NO_TIMES = "images are coded in batches, so that the time of one image is not known"


def images_a_job(codec: Codec) -> int:
    """How many images of an operating point make a job."""
    return max(1, int(codec.batch_images)) if isinstance(codec, CodesBatches) else IMAGES_A_JOB


class _Answers(Generic[T]):
    """The answers to a batch by what was asked, or the one error that stands for all of them."""

    def __init__(self, kind: str) -> None:
        self._kind, self._answers = kind, dict[Any, T | Exception]()

    def ask(self, keys: Sequence[Any], call: Callable[[], Sequence[T | Exception]]) -> None:
        if not keys:
            return
        try:
            step(len(keys))
            answers = guarded(call)
            if not isinstance(answers, list | tuple) or len(answers) != len(keys):
                raise PluginError(f"{self._kind}_batch gave {type(answers).__name__}, expected a list of {len(keys)}")
            self._answers = dict(zip(keys, answers, strict=True))
        except HscError as error:
            self._answers = dict.fromkeys(keys, error)

    def get(self, key: Any) -> T:
        """The answer. Raises the error that stands in its place."""
        answer = self._answers[key]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def known(self) -> list[T]:
        return [answer for answer in self._answers.values() if not isinstance(answer, Exception)]


class Coded:
    """The streams and decoded images of a job, coded in batches. Asked for another image, it raises a ``KeyError``."""

    def __init__(self, job: Job) -> None:
        codec: object = job.codec
        assert isinstance(codec, CodesBatches)
        self._streams, self._images = _Answers[bytes]("encode"), _Answers[Image]("decode")
        originals = {}
        for item in job.items:
            if item.data is None:
                try:
                    image = guarded(_original, job, item)
                    originals[pixels_sha256(image)] = image
                except HscError:  # the image is asked for once more, and then the error is its own
                    continue
        with lent(list(originals.values()), "the codec") as own:
            self._streams.ask(list(originals), lambda: codec.encode_batch(own))
        streams = [item.data for item in job.items if item.data is not None and (item.code or item.readers)]
        streams += [data for data in self._streams.known() if type(data) is bytes and data]
        streams = list(dict.fromkeys(streams))
        self._images.ask(streams, lambda: codec.decode_batch(streams))

    def encode(self, image: Image) -> bytes:
        return checked_stream(self._streams.get(pixels_sha256(image)))

    def decode(self, data: bytes) -> Image:
        return self._images.get(data)


def _original(job: Job, item: Item) -> Image:
    return checked_sample(job.dataset.load(item.image.index), item.image.image_id).image
