"""The work that travels to a worker and the answers that come back: a few images of one operating point.

Item (image, known bytes, readers) --benchmarks.harness.measure--> Answer (stream record, new bytes, packed predictions)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.api import Dataset, HandsOutImages, LoadsImages, StreamRecord
from benchmarks.harness.conditions import Machine
from benchmarks.harness.guard import guarded
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.harness.readers import Reader, ReaderName
from hsc.api import Codec

Stage = Literal["", "code", "read"]
IMAGES_A_JOB = 8
"""Enough to batch a head, few enough to share the end of a run between workers."""


def images_of(dataset: Dataset, indices: Sequence[int]) -> LoadsImages:
    """What a job is to load these images of a data set from: the data set itself, or these alone where it can hand them
    out.
    """
    return guarded(dataset.handed_out, indices) if isinstance(dataset, HandsOutImages) else dataset


@dataclass(frozen=True)
class Item:
    """One image to work on.

    data: its coded bytes, None where they are not known. code: whether a stream record is wanted. readers: those of
    which a prediction, or its time, is wanted. timed: whether the times of a known stream are wanted. latents_timed:
    whether the time from bytes to latents is wanted.
    """

    image: IndexedImage
    data: bytes | None
    code: bool
    readers: tuple[ReaderName, ...]
    timed: bool = False
    latents_timed: bool = False


@dataclass(frozen=True)
class Job:
    """A few images of one operating point.

    cell: number of the operating point in the plan. dataset: loads the images. readers: the heads of this run by their
    routes. repeats: how often a time is taken. latents: the names of the latents that the readers of this point read
    together. stage: "code" leaves the readers, and the latents, to the job that follows (``reading``), which has the
    stage "read"; "" does all of it.
    """

    cell: int
    dataset: LoadsImages
    codec: Codec
    readers: tuple[Reader, ...]
    items: tuple[Item, ...]
    repeats: int = 1
    latents: tuple[str, ...] = ()
    stage: Stage = ""

    @property
    def on_device(self) -> bool:
        """Whether it computes on the run's device."""
        return self.stage != "code"

    @property
    def at_work(self) -> tuple[Reader, ...]:
        """The readers that read in this job: none where it leaves them to the next."""
        return self.readers if self.stage != "code" else ()

    def reading(self, answers: Sequence[Answer]) -> list[Job]:
        """The job that reads the streams that this one has coded, or none. answers: of this job."""
        if self.stage != "code":
            return []
        items = tuple(
            replace(answer.item, data=answer.kept, code=False, timed=False)
            for answer in answers
            if (answer.item.readers or answer.item.latents_timed) and not answer.failed
        )
        return [replace(self, items=items, stage="read")] if items else []

    def parts(self, doing: ReaderName | None) -> list[Job]:
        """The same work in smaller jobs: one image each; of one image, what one reader does apart from all else.

        doing: the reader that was at work, None if no reader was. The list is empty where the work cannot be split.
        """
        if len(self.items) > 1:
            return [replace(self, items=(item,)) for item in self.items]
        (item,) = self.items
        if doing is None or (not item.code and item.readers == (doing,)):
            return []
        others = replace(item, readers=tuple(name for name in item.readers if name != doing))
        alone = replace(item, code=False, readers=(doing,))
        return [replace(self, items=(part,)) for part in (others, alone) if part.code or part.readers]


@dataclass(frozen=True)
class Reading:
    """What a reader said of one image.

    data: the prediction as ``downstream.api.to_bytes`` packs it, empty where there is none. reason: why there is none,
    else empty.
    """

    data: bytes = b""
    head_s: float = 0.0
    reason: str = ""


@dataclass(eq=False)
class Answer:
    """The outcome of one item.

    stream: None where nothing was coded or timed. data: the bytes that were coded now. readings: by reader.
    latents_s: seconds that decoding the latents took, None where they were not read. latents_why: why they could not be
    read. decoded_sha256: of the decoded pixels, empty where the image was not coded. machine: where it was worked out.
    """

    item: Item
    stream: StreamRecord | None = None
    data: bytes = b""
    readings: dict[ReaderName, Reading] = field(default_factory=dict)
    latents_s: float | None = None
    latents_why: str = ""
    decoded_sha256: str = ""
    machine: Machine | None = None

    @property
    def kept(self) -> bytes:
        """The bytes that are scored: those known before, else those coded now."""
        return self.data if self.item.code or self.item.data is None else self.item.data

    @property
    def failed(self) -> bool:
        """Whether the image could not be coded or decoded."""
        return self.stream is not None and self.stream.status != "ok"

    def fail(self, readers: Iterable[ReaderName], reason: str) -> None:
        """Record that these readers have nothing to read."""
        self.readings |= {name: Reading(reason=reason) for name in readers}
