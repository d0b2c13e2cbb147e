"""Carrying out a plan: jobs are made, run by an executor, and their records kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.api import StreamRecord
from benchmarks.harness.batches import images_a_job
from benchmarks.harness.cache import Store, latents_kind
from benchmarks.harness.conditions import Conditions, conditions_of, reads_apart
from benchmarks.harness.config import Config
from benchmarks.harness.decode_apart import DecodeApart, decode_apart
from benchmarks.harness.executors import Executor
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.harness.jobs import Answer, Item, Job, Stage, images_of
from benchmarks.harness.measure import measure
from benchmarks.harness.operating_points import Curve
from benchmarks.harness.origins import mark_used, origin_of
from benchmarks.harness.plan import Cell, IdentifiedReader, Plan, cell_of
from benchmarks.harness.progress import Progress
from benchmarks.harness.todos import count_todos, todos_of
from benchmarks.text import one_line

_log = logging.getLogger(__name__)

SAMPLES = 4
"""Images of a cell that are decoded once more in another process than the one that coded them."""


def run_plan(plan: Plan, store: Store, executor: Executor, progress: Progress, *, times: bool = True) -> None:
    """Do the work that is left, keeping each job's records as they come; failures are written into the plan by key.

    A few of the images of each cell that were coded here are kept last, once their streams have been decoded in another
    process too: a run that is stopped before that does these images again, and so their decoding.

    times: whether results that are known but have no time of the plan's conditions are timed again.
    """
    books = _Books(plan, store)
    samples: dict[int, dict[int, list[Answer]]] = {}
    progress.begin("coding and reading", plan.todo)
    jobs = _jobs(plan, store, times=times)
    for job, answers, died in executor.run(measure, jobs, parts=Job.parts, then=Job.reading):
        cell = plan.cells[job.cell]
        if answers is None:
            for item in job.items:
                books.fail(cell, item, f"{died}")
        else:
            books.keep(cell, _without_samples(answers, samples.setdefault(job.cell, {})))
        to_read = sum(len(reading.items) for reading in job.reading(answers or []))
        progress.advance(f"{cell.curve} {cell.point}", len(job.items) - to_read)
    _decode_samples(books, executor, samples)
    for cell in plan.cells:
        if cell.differing:
            _log.warning(
                "%s gives other bytes than before for %d images; the first are kept, their times are new",
                cell.title,
                cell.differing,
            )


def _without_samples(answers: Sequence[Answer], samples: dict[int, list[Answer]]) -> list[Answer]:
    """The answers that are kept at once; the others, the first images of a cell, are added to its samples by index."""
    for answer in answers:
        if answer.decoded_sha256 and len(samples) < SAMPLES:
            samples.setdefault(answer.item.image.index, [])
    for answer in answers:
        if answer.item.image.index in samples:
            samples[answer.item.image.index].append(answer)
    return [answer for answer in answers if answer.item.image.index not in samples]


def _jobs(plan: Plan, store: Store, *, times: bool) -> Iterator[Job]:
    config = plan.config
    for number, cell in enumerate(plan.cells):
        todos = list(todos_of(plan, cell, store, times=times)) if cell.todo else []
        size = images_a_job(cell.codec)
        for start in range(0, len(todos), size):
            part = todos[start : start + size]
            data = store.data(todo.stream for todo in part if not todo.item.code)
            items = tuple(replace(todo.item, data=data.get(todo.stream)) for todo in part)
            images = images_of(config.dataset, [item.image.index for item in items])
            known = all(item.data is not None and not item.code and not item.timed for item in items)
            stage: Stage = "" if not cell.coded_apart else "read" if known else "code"
            yield Job(number, images, cell.codec, config.readers, items, config.repeats, cell.latents, stage)


def _decode_samples(books: _Books, executor: Executor, samples: Mapping[int, Mapping[int, list[Answer]]]) -> None:
    """Decode a few streams of each cell in a process that coded nothing, and keep those that give the same pixels."""
    cells = books.plan.cells
    jobs = (
        DecodeApart(
            cell,
            index,
            cells[cell].codec,
            coded.data,
            coded.item.image.pixels.image_hw,
            coded.decoded_sha256,
            not cells[cell].coded_apart,
        )
        for cell, by_index in samples.items()
        for index, (coded, *_) in by_index.items()
    )
    for job, reason, died in executor.run(decode_apart, jobs, apart=True):
        answers = samples[job.cell][job.index]
        if died or reason:
            books.fail(cells[job.cell], answers[0].item, f"{died or reason}")
        else:
            for answer in answers:
                books.keep(cells[job.cell], [answer])


@dataclass(frozen=True)
class Coder:
    """Codes the images of a run at operating points, for searches that ask for rates and scores no more.

    heads: readers that are to read the decoded images; by default none.
    """

    config: Config
    images: list[IndexedImage]
    store: Store
    executor: Executor
    progress: Progress
    heads: Sequence[IdentifiedReader] = ()

    def code(self, curves: Sequence[Curve]) -> Plan:
        """Code the images at the points of these curves and keep the streams; those that are known are not timed anew.

        The answer is the plan of the points, a cell each, in order.
        """
        apart = reads_apart(self.executor)
        cells = [
            cell_of(self.config, self.images, curve.label, point, self.heads, reads_apart=apart)
            for curve in curves
            for point in curve.points
        ]
        plan = Plan(self.config, self.images, cells, conditions=conditions_of(self.config.repeats, self.executor))
        for cell in plan.cells:
            count_todos(plan, cell, self.store, times=False)
        if plan.todo:
            run_plan(plan, self.store, self.executor, self.progress, times=False)
        mark_used(plan, self.store)
        return plan


class _Books:
    """Writes down what jobs brought: records into the store, failures into the plan."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store
        self._place = {image.index: place for place, image in enumerate(plan.images)}
        self._origins: dict[str, int] = {}

    def fail(self, cell: Cell, item: Item, reason: str) -> None:
        """Write down why the work on an image, its stream or its readers' predictions, was not done."""
        place = self._place[item.image.index]
        keys = [cell.streams[place]] if item.code else []
        for key in (*keys, *(cell.predictions[name][place] for name in item.readers)):
            self.plan.failures[key] = f"image {one_line(item.image.image_id)}: {reason}"

    def keep(self, cell: Cell, answers: Sequence[Answer]) -> None:
        """Write down a job's records.

        Of results that were known already only the times are kept, so that scores go on belonging to the first bytes.
        """
        streams: dict[str, tuple[StreamRecord, bytes]] = {}
        predictions: dict[str, bytes] = {}
        times: dict[Conditions | None, dict[tuple[str, str], float]] = {self.plan.conditions: {}}
        for answer in answers:
            place = self._place[answer.item.image.index]
            if answer.stream is not None:
                streams[cell.streams[place]] = answer.stream, answer.data
            predictions |= {cell.predictions[name][place]: r.data for name, r in answer.readings.items() if r.data}
            times.setdefault(self._conditions(answer), {}).update(self._times(cell, answer, place))
            self._note_failures(cell, answer, place)
        if self.plan.config.overwrite != "always":
            streams = self._unknown(cell, streams)
            for key in self.store.known("predictions", predictions):
                del predictions[key]
        if cell.id not in self._origins:
            self._origins[cell.id] = self.store.mark_used(origin_of(self.plan, cell), {})
        origin = self._origins[cell.id]
        self.store.add(streams, predictions, times.pop(self.plan.conditions), self.plan.conditions, origin)
        for conditions, taken in times.items():
            self.store.add({}, {}, taken, conditions)

    def _conditions(self, answer: Answer) -> Conditions | None:
        """Those that one image's times were taken under, which name the machine."""
        conditions = self.plan.conditions
        return conditions.on(answer.machine) if conditions and answer.machine else conditions

    def _times(self, cell: Cell, answer: Answer, place: int) -> dict[tuple[str, str], float]:
        """The times that one image's answer brought, in seconds by key and kind."""
        item, key, stream = answer.item, cell.streams[place], answer.stream
        times: dict[tuple[str, str], float] = {}
        if answer.latents_s is not None and item.latents_timed:
            times[key, latents_kind(cell.latents)] = answer.latents_s
        if stream is not None and stream.status == "ok" and (item.code or item.timed):
            both = {(key, "encode_s"): stream.encode_s, (key, "decode_s"): stream.decode_s}
            times |= {kind: seconds for kind, seconds in both.items() if not math.isnan(seconds)}
        for name, reading in answer.readings.items():
            if reading.data:
                times[cell.predictions[name][place], "head_s"] = reading.head_s
        return times

    def _note_failures(self, cell: Cell, answer: Answer, place: int) -> None:
        reasons: dict[str, str] = {}
        if answer.latents_why and answer.item.latents_timed:
            reasons[cell.streams[place]] = answer.latents_why
        if answer.stream is not None and answer.stream.status != "ok":
            reasons[cell.streams[place]] = answer.stream.reason
        for name, reading in answer.readings.items():
            if reading.reason:
                reasons[cell.predictions[name][place]] = reading.reason
        image = f"image {one_line(answer.item.image.image_id)}"
        self.plan.failures |= {key: f"{image}: {reason}" for key, reason in reasons.items()}

    def _unknown(
        self, cell: Cell, streams: Mapping[str, tuple[StreamRecord, bytes]]
    ) -> dict[str, tuple[StreamRecord, bytes]]:
        """The streams that the store does not have; the cell counts known ones that came with other bytes now."""
        data = self.store.data(streams)
        images = {key: image for key, image in zip(cell.streams, self.plan.images, strict=True) if key in data}
        known = self.store.streams(images)
        for key, before in known.items():
            now, coded = streams[key]
            same = (
                coded == data[key]
                if data[key] is not None
                else (now.size_bytes, now.squared_error) == (before.size_bytes, before.squared_error)
            )
            if now.status == "ok" and not same:
                cell.differing += 1
        return {key: stream for key, stream in streams.items() if key not in known}
