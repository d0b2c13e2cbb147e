"""The harness: plan -> measure -> score.

    Config --make_plan--> Plan (cells, what is known) --measure--> Store --score--> rows

A cell is one operating point of one codec on one data set, with every head that reads it. Streams are coded once for
all heads and tasks; what the store knows is not done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import HasBoxes, ScoresOriginals, StreamRecord
from benchmarks.harness.answers import checked_coco_images, checked_ids, guarded, why_unavailable
from benchmarks.harness.cache import Pixels, Store, latents_kind
from benchmarks.harness.conditions import Conditions, conditions_of
from benchmarks.harness.config import Config
from benchmarks.harness.executors import Executor
from benchmarks.harness.keys import identity, key_of, prediction_key, stream_key
from benchmarks.harness.measure import (
    Indexing,
    Item,
    index_pixels,
    read_by,
)
from benchmarks.harness.progress import Progress
from benchmarks.harness.requirements import boxes_of, why_no_masks
from benchmarks.harness.truth import labels_of
from benchmarks.text import one_line
from downstream.api import Detections, LabelSpace, Prediction, Route
from downstream.compatibility import why_not
from hsc.api import Codec
from hsc.errors import DataError, HscError, PluginError, UnavailableError, UsageError

CHUNK = 8
"""Images a job: enough to batch a head, few enough to share the end of a run between workers."""


@dataclass
class Cell:
    """One operating point: its codec, and the keys of its streams and of each head's predictions, image by image.

    latents: the names of those that its heads read together. todo: images that are not done; retimed: those among them
    of which times alone lack.
    differing: images that, coded again for their times, gave other bytes than those kept.
    """

    curve: str
    point: str
    codec: Codec
    id: str
    streams: list[str]
    predictions: dict[int, list[str]]
    why_not: dict[int, str]
    latents: tuple[str, ...] = ()
    todo: int = 0
    retimed: int = 0
    differing: int = 0


class Unfit(NamedTuple):
    """Why a head was left out before anything was coded, and the status of its row: "skipped", or "failed" where it
    could not answer.
    """

    status: str
    reason: str


@dataclass
class Plan:
    """What a run consists of.

    images: (index, id, pixels) in data set order; skipped: label -> reason; failures: key -> reason; unfit: number of a
    head -> why it was left out; notices: sentences that stand before the scores; conditions: those its times are taken
    under, None for a plan that has no times.
    """

    config: Config
    images: list[tuple[int, str, Pixels]]
    cells: list[Cell]
    skipped: dict[str, str]
    failures: dict[str, str] = field(default_factory=dict)
    unfit: dict[int, Unfit] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    conditions: Conditions | None = None

    @property
    def todo(self) -> int:
        return sum(cell.todo for cell in self.cells)

    @property
    def retimed(self) -> int:
        return sum(cell.retimed for cell in self.cells)


def choose_images(config: Config) -> list[int]:
    """The data set's indices of this run: all; the first ``limit``; or, with a seed, ``limit`` drawn at random."""
    count = guarded(len, config.dataset)
    if not config.limit or config.limit >= count:
        return list(range(count))
    if config.seed == 0:
        return list(range(config.limit))
    return sorted(np.random.default_rng(config.seed).choice(count, config.limit, replace=False).tolist())


def index_images(config: Config, store: Store, executor: Executor, progress: Progress) -> list[tuple[int, str, Pixels]]:
    """Pixel hashes of the run's images, from the store where it knows them.

    Raises:
        DataError: images that do not load; the first few are named. Nothing is scored on what is left.
    """
    indices = choose_images(config)
    if not indices:
        raise DataError("the data set holds no image")
    ids = checked_ids(guarded(lambda: list(config.dataset.image_ids())), guarded(len, config.dataset))
    name = key_of({**steady_identity(config.dataset), "revision": guarded(lambda: str(config.dataset.revision))})
    known = store.pixels(name, [ids[i] for i in indices])
    missing = [i for i in indices if ids[i] not in known]
    jobs = [
        Indexing(config.dataset, tuple((i, ids[i]) for i in missing[k : k + CHUNK]))
        for k in range(0, len(missing), CHUNK)
    ]
    bad: list[str] = []
    progress.begin("reading images", len(missing))
    for job, answer, died in executor.run(index_pixels, jobs, parts=Indexing.parts):
        found = {ids[i]: p for i, p in answer or () if isinstance(p, Pixels)}
        bad += [f"{one_line(ids[i])}: {p}" for i, p in answer or () if isinstance(p, str)]
        bad += [f"{one_line(image_id)}: {died}" for _, image_id in job.images] if died else []
        store.add_pixels(name, found)
        known.update(found)
        progress.advance("", len(job.images))
    if bad:
        raise DataError(
            f"{len(bad)} of {len(indices)} images do not load, so no score over all of them exists: "
            f"{'; '.join(sorted(bad)[:3])}"
        )
    return [(i, ids[i], known[ids[i]]) for i in indices]


def make_plan(config: Config, store: Store, executor: Executor, progress: Progress) -> Plan:
    """Write out the cells, and count what the store does not know yet.

    Raises:
        UnavailableError: the data set, or every head, cannot be used here.
        UsageError: no codec is left to run.
    """
    if reason := why_unavailable(config.dataset):
        raise UnavailableError(reason)
    skipped: dict[str, str] = {}
    heads: dict[int, Any] = {}
    identities: dict[int, dict[str, Any]] = {}
    for n, (label, head) in enumerate(config.heads):
        try:
            if reason := why_unavailable(head) or why_no_masks(config.task, head):
                raise UnavailableError(reason)
            heads[n], identities[n] = head, steady_identity(head)
        except HscError as error:
            skipped[f"head {label}"] = f"{error}"
    if not heads:
        raise UnavailableError(
            "no head can run: " + "; ".join(f"{k.removeprefix('head ')}: {v}" for k, v in skipped.items())
        )
    images = index_images(config, store, executor, progress)
    _check_boxes(config, images)
    plan = Plan(config, images, [], skipped, conditions=conditions_of(config.repeats, executor))
    for curve in config.curves:
        for point, codec in curve.points:
            try:
                if reason := why_unavailable(codec):
                    raise UnavailableError(reason)
                plan.cells.append(cell_of(plan, (curve.label, point, codec), heads, identities))
            except HscError as error:
                skipped[curve.label] = f"{error}"
                break
    if not plan.cells:
        raise UsageError("no codec can run: " + "; ".join(f"{k}: {v}" for k, v in skipped.items()))
    for cell in plan.cells:
        count_todos(plan, cell, store)
    return plan


def count_todos(plan: Plan, cell: Cell, store: Store, *, times: bool = True) -> None:
    todos = list(todos_of(plan, cell, store, times=times))
    cell.todo, cell.retimed = len(todos), sum(todo.known for todo in todos)


def _check_boxes(config: Config, images: Sequence[tuple[int, str, Pixels]]) -> None:
    """See that box labels, where they are scored, are of these images; said now, not after an hour of coding. Raises
    DataError.
    """
    dataset = config.dataset
    if config.task.output is Detections and isinstance(dataset, HasBoxes) and guarded(dataset.label_space, Detections):
        coco = guarded(boxes_of, dataset, config.task)
        known = [(index, image_id, pixels.image_hw) for index, image_id, pixels in images]
        guarded(checked_coco_images, coco, known, guarded(len, dataset))


def steady_identity(item: Any) -> dict[str, Any]:
    """What a plug-in is, as a key takes it.

    Raises:
        PluginError: its provenance breaks, holds what is no JSON, or says another thing each time, so that nothing
        could be found again.
    """
    first, again = guarded(identity, item), guarded(identity, item)
    if guarded(key_of, first) != guarded(key_of, again):
        raise PluginError(
            "its provenance() says another thing each time it is asked, so nothing of it could be kept under a key"
        )
    return first


class _Unlabelled:
    """A data set to a task that reads no labels."""

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return None


def cell_of(plan: Plan, named: tuple[str, str, Codec], heads: Mapping[int, Any], identities: Mapping[int, Any]) -> Cell:
    """One operating point (curve, point, codec) on the plan's images, with the heads that can read it; heads and
    identities by number.
    """
    curve, point, codec = named
    coded = steady_identity(codec)
    streams = [stream_key(pixels.sha256, coded) for _, _, pixels in plan.images]
    routes = plan.config.routes
    labelled = _Unlabelled() if isinstance(plan.config.task, ScoresOriginals) else plan.config.dataset
    reasons = {n: r for n, head in heads.items() if (r := _why_not(codec, head, labelled, routes[n]))}
    predictions = {n: [prediction_key(s, routes[n], identities[n]) for s in streams] for n in heads if n not in reasons}
    latents = read_by([heads[n] for n in predictions if routes[n] == "latent"])
    return Cell(curve, point, codec, key_of(streams)[:12], streams, predictions, reasons, latents)


def leave_out(plan: Plan, unfit: Mapping[int, Unfit], store: Store) -> None:
    """Take heads, by number, out of every cell, with the reason, and count again what is to do."""
    plan.unfit |= unfit
    for cell in plan.cells if unfit else ():
        for number, one in unfit.items():
            cell.predictions.pop(number, None)
            cell.why_not.setdefault(number, one.reason)
        cell.latents = read_by([plan.config.heads[n][1] for n in cell.predictions if plan.config.routes[n] == "latent"])
        count_todos(plan, cell, store)


def _why_not(codec: Codec, head: Any, labelled: Any, route: Route) -> str | None:
    try:
        return guarded(why_not, codec, head, labelled, route)
    except PluginError as error:
        return f"{error}"


def narrowed(plan: Plan, places: Sequence[int]) -> Plan:
    """The same cells on some of the plan's images alone, by their places in it."""
    cells = []
    for cell in plan.cells:
        streams = [cell.streams[k] for k in places]
        predictions = {n: [keys[k] for k in places] for n, keys in cell.predictions.items()}
        cells.append(
            replace(cell, id=key_of(streams)[:12], streams=streams, predictions=predictions, todo=0, retimed=0)
        )
    return replace(plan, images=[plan.images[k] for k in places], cells=cells)


class _Todo(NamedTuple):
    """What of an image at an operating point is still to do. known: its stream and predictions are, their times alone
    lack.
    """

    item: Item
    stream: str
    known: bool


def todos_of(plan: Plan, cell: Cell, store: Store, *, times: bool) -> Iterator[_Todo]:
    """What of a cell is still to do. Coded bytes are read later, shortly before they are used. times: whether those
    that lack are to do as well.
    """
    overwrite = plan.config.overwrite
    if overwrite == "never":
        return
    again = overwrite == "always"
    coded = set() if again else store.known("streams", cell.streams)
    read = {n: set() if again else store.known("predictions", keys) for n, keys in cell.predictions.items()}
    untimed = _Untimed(plan, cell, store) if times and not again else None
    for at, (index, image_id, pixels) in enumerate(plan.images):
        key = cell.streams[at]
        unread = {n for n, keys in cell.predictions.items() if keys[at] not in read[n]}
        heads = tuple(
            n for n, keys in cell.predictions.items() if n in unread or (untimed and keys[at] in untimed.heads[n])
        )
        code, timed = key not in coded, bool(untimed and key in untimed.streams)
        latents_timed = bool(cell.latents) and (code or again or bool(untimed and key in untimed.latents))
        if code or heads or timed or latents_timed:
            yield _Todo(
                Item(index, image_id, pixels, None, code, heads, timed, latents_timed), key, not (code or unread)
            )


class _Untimed:
    """The keys of a cell of whose streams, latents and predictions no times of the plan's conditions are kept."""

    def __init__(self, plan: Plan, cell: Cell, store: Store) -> None:
        def lacking(kind: str, keys: Sequence[str]) -> set[str]:
            return set() if plan.conditions is None else set(keys) - store.times(kind, keys, plan.conditions).keys()

        self.streams = lacking("encode_s", cell.streams) | lacking("decode_s", cell.streams)
        self.latents = lacking(latents_kind(cell.latents), cell.streams) if cell.latents else set()
        self.heads = {n: lacking("head_s", keys) for n, keys in cell.predictions.items()}


def dataset_label(plan: Plan) -> str:
    """The data set's name, saying so where predictions on originals stand in for labels."""
    name = getattr(plan.config.dataset, "spec_name", "")
    stands_in = (
        not isinstance(plan.config.task, ScoresOriginals) and labels_of(plan.config, plan.config.task.output) is None
    )
    return f"{name} (pseudo-labels)" if stands_in else name


def stream_records(plan: Plan, cell: Cell, store: Store) -> tuple[list[StreamRecord], str]:
    """The records of a cell, and why they are not whole, if they are not."""
    wanted = {
        key: (image_id, pixels.image_hw) for key, (_, image_id, pixels) in zip(cell.streams, plan.images, strict=True)
    }
    known = store.streams(wanted)
    missing = [key for key in cell.streams if key not in known]
    if missing:
        reasons = [plan.failures[k] for k in missing if k in plan.failures] or ["not coded yet (--overwrite never)"]
        return [], f"{len(missing)} of {len(cell.streams)} images failed: {reasons[0]}"
    named = zip(
        cell.streams, plan.images, strict=True
    )  # images of equal pixels have one stream, and each its own record
    return [replace(known[key], image_id=image_id) for key, (_, image_id, _) in named], ""


def cell_id(cell: Cell, number: int) -> str:
    """The id under which run.json tells where a head's numbers at one operating point come from."""
    return key_of(cell.predictions[number])[:12]
