"""The work left in a plan: results that the store does not have, and times of other conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.harness.cache import Store, latents_kind
from benchmarks.harness.jobs import Item
from benchmarks.harness.known_times import times_by_kind
from benchmarks.harness.plan import Cell, Plan
from hsc.api import CodesBatches


class Todo(NamedTuple):
    """The work left on one image at one operating point.

    stream: the key of its stream. known: whether its stream and predictions are, so that only times are missing.
    """

    item: Item
    stream: str
    known: bool


def todos_of(plan: Plan, cell: Cell, store: Store, *, times: bool) -> Iterator[Todo]:
    """The work left at one operating point. Items come without coded bytes, which are read shortly before their use.

    times: whether results that are known but have no time of the plan's conditions are to be timed again.
    """
    overwrite = plan.config.overwrite
    if overwrite == "never":
        return
    again = overwrite == "always"
    coded = set() if again else store.known("streams", cell.streams)
    read = {name: set() if again else store.known("predictions", keys) for name, keys in cell.predictions.items()}
    untimed = _Untimed(plan, cell, store) if times and not again else None
    for place, image in enumerate(plan.images):
        key = cell.streams[place]
        unread = {name for name, keys in cell.predictions.items() if keys[place] not in read[name]}
        readers = tuple(
            name
            for name, keys in cell.predictions.items()
            if name in unread or (untimed and keys[place] in untimed.predictions[name])
        )
        code, timed = key not in coded, bool(untimed and key in untimed.streams)
        latents_timed = bool(cell.latents) and (code or again or bool(untimed and key in untimed.latents))
        if code or readers or timed or latents_timed:
            yield Todo(Item(image, None, code, readers, timed, latents_timed), key, not (code or unread))


def count_todos(plan: Plan, cell: Cell, store: Store, *, times: bool = True) -> None:
    """Count the work left at one operating point, and write the counts into its cell. times: as in ``todos_of``."""
    todos = list(todos_of(plan, cell, store, times=times))
    cell.todo, cell.retimed = len(todos), sum(todo.known for todo in todos)


class _Untimed:
    """The keys of a cell's streams, latents and predictions that no times of the plan's conditions are kept of."""

    def __init__(self, plan: Plan, cell: Cell, store: Store) -> None:
        def without_time(kind: str, keys: Sequence[str]) -> set[str]:
            if plan.conditions is None:
                return set()
            return set(keys).difference(*(times.seconds for times in times_by_kind(plan, cell, store, kind, keys)))

        batches = isinstance(cell.codec, CodesBatches)  # no image has a time of its own
        self.streams = (
            set() if batches else without_time("encode_s", cell.streams) | without_time("decode_s", cell.streams)
        )
        self.latents = without_time(latents_kind(cell.latents), cell.streams) if cell.latents else set()
        self.predictions = {name: without_time("head_s", keys) for name, keys in cell.predictions.items()}
