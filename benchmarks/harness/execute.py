"""Carries out a plan: jobs are made, run by an executor, and their records kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from benchmarks.api import StreamRecord
from benchmarks.harness.cache import Store, latents_kind
from benchmarks.harness.executors import Executor
from benchmarks.harness.measure import Answer, Item, Job, Sample, decode_apart, measure
from benchmarks.harness.plan import CHUNK, Cell, Plan, cell_of, count_todos, todos_of
from benchmarks.harness.progress import Progress
from benchmarks.text import one_line
from hsc.api import Codec

_log = logging.getLogger(__name__)


SAMPLES = 4
"""Images of a cell whose streams are decoded once more in another process than the one that coded them."""


def _jobs(plan: Plan, store: Store, *, times: bool) -> Iterator[Job]:
    config, heads = plan.config, tuple(head for _, head in plan.config.heads)
    for number, cell in enumerate(plan.cells):
        todos = list(todos_of(plan, cell, store, times=times)) if cell.todo else []
        for start in range(0, len(todos), CHUNK):
            part = todos[start : start + CHUNK]
            data = store.data(todo.stream for todo in part if not todo.item.code)
            ready = tuple(replace(todo.item, data=data.get(todo.stream)) for todo in part)
            yield Job(number, config.dataset, cell.codec, heads, config.routes, ready, config.repeats, cell.latents)


def run_plan(plan: Plan, store: Store, executor: Executor, progress: Progress, *, times: bool = True) -> None:
    """Do what is to do, keeping each job's records as they come; failures are written into the plan by key.

    A few of the images of each cell that were coded here are kept last, once their streams have been decoded in another
    process too:
    a run that is stopped before that does these images again, and so their decoding. times: whether what is known but
    for its times is done as well.
    """
    place = {index: at for at, (index, _, _) in enumerate(plan.images)}
    samples: dict[int, list[Answer]] = {}
    progress.begin("coding and reading", plan.todo)
    for job, answers, died in executor.run(measure, _jobs(plan, store, times=times), parts=Job.parts):
        cell = plan.cells[job.cell]
        if answers is None:
            for item in job.items:
                _fail(plan, cell, item, place[item.index], f"{died}")
        else:
            few = samples.setdefault(job.cell, [])
            few += [a for a in answers if a.decoded_sha256][: SAMPLES - len(few)]
            _keep(plan, cell, place, [a for a in answers if a not in few], store)
        progress.advance(f"{cell.curve} {cell.point}", len(job.items))
    _decode_apart(plan, store, executor, place, samples)
    for cell in plan.cells:
        if cell.differing:
            where = f"{cell.curve} {cell.point}".strip()
            _log.warning(
                "%s gives other bytes than before for %d images; the first are kept, their times are new",
                where,
                cell.differing,
            )


def _decode_apart(
    plan: Plan, store: Store, executor: Executor, place: Mapping[int, int], samples: Mapping[int, list[Answer]]
) -> None:
    """Decode a few streams of each cell where nothing was coded, and keep their records if they give the same pixels
    there.
    """
    known = {(number, answer.item.index): answer for number, answers in samples.items() for answer in answers}
    jobs = (
        Sample(number, index, plan.cells[number].codec, a.data, a.item.pixels.image_hw, a.decoded_sha256)
        for (number, index), a in known.items()
    )
    for job, reason, died in executor.run(decode_apart, jobs, apart=True):
        answer, cell = known[job.cell, job.index], plan.cells[job.cell]
        if died or reason:
            _fail(plan, cell, answer.item, place[job.index], f"{died or reason}")
        else:
            _keep(plan, cell, place, [answer], store)


def code(
    plan: Plan, named: Sequence[tuple[str, str, Codec]], store: Store, executor: Executor, progress: Progress
) -> Plan:
    """Code the plan's images at operating points (curve, point, codec) and keep the streams; no head reads them. A plan
    of these cells.

    Streams that are known are not timed anew: a search asks for rates alone.
    """
    coded = replace(plan, cells=[cell_of(plan, one, {}, {}) for one in named], skipped={}, failures={})
    for cell in coded.cells:
        count_todos(coded, cell, store, times=False)
    if coded.todo:
        run_plan(coded, store, executor, progress, times=False)
    return coded


def _fail(plan: Plan, cell: Cell, item: Item, at: int, reason: str) -> None:
    """Write down why what was to do of an image, its stream or what heads say of it, was not done."""
    for key in (*([cell.streams[at]] if item.code else []), *(cell.predictions[n][at] for n in item.heads)):
        plan.failures[key] = f"image {one_line(item.image_id)}: {reason}"


def _keep(plan: Plan, cell: Cell, place: Mapping[int, int], answers: list[Answer], store: Store) -> None:
    """Write down what a job brought; of what was known already its times alone, so that scores go on belonging to the
    first bytes.
    """
    streams, predictions, times = {}, {}, {}
    for answer in answers:
        item, at = answer.item, place[answer.item.index]
        key, named = cell.streams[at], f"image {one_line(answer.item.image_id)}: "
        if answer.latents_s is not None and item.latents_timed:
            times[key, latents_kind(cell.latents)] = answer.latents_s
        if answer.latents_why and item.latents_timed:
            plan.failures[key] = named + answer.latents_why
        if answer.stream is not None:
            streams[key] = (answer.stream, answer.data)
            if answer.stream.status != "ok":
                plan.failures[key] = named + answer.stream.reason
            elif item.code or item.timed:
                times |= {(key, "encode_s"): answer.stream.encode_s, (key, "decode_s"): answer.stream.decode_s}
        for number, record in answer.predictions.items():
            key = cell.predictions[number][at]
            predictions[key] = record
            if record.status != "ok":
                plan.failures[key] = named + record.reason
            else:
                times[key, "head_s"] = record.head_s
    if plan.config.overwrite != "always":
        streams = _unknown(cell, streams, store)
        for key in store.known("predictions", predictions):
            del predictions[key]
    store.add(streams, predictions, times, plan.conditions)


def _unknown(
    cell: Cell, streams: Mapping[str, tuple[StreamRecord, bytes]], store: Store
) -> dict[str, tuple[StreamRecord, bytes]]:
    """Those of the streams that the store does not have; the cell counts those of which the codec now gives other
    bytes.
    """
    data = store.data(streams)
    known = store.streams(
        {key: (record.image_id, record.image_hw) for key, (record, _) in streams.items() if key in data}
    )
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
