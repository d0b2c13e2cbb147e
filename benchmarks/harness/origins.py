"""What the records of a cache were made for, and when a run last used them: a data set, a codec and a quality."""

from __future__ import annotations

from benchmarks.api import DATASETS
from benchmarks.harness.cache import Origin, Store
from benchmarks.harness.keys import registered_name
from benchmarks.harness.plan import Cell, Plan


def origin_of(plan: Plan, cell: Cell) -> Origin:
    """The origin of the records of one operating point."""
    dataset = plan.config.dataset
    name = str(DATASETS.spec(dataset)) if registered_name(dataset) else type(dataset).__name__
    return Origin(name, cell.curve, cell.point)


def mark_used(plan: Plan, store: Store) -> None:
    """Note that a run uses the records of this plan now, so that ``hsc-bench cache prune --older-than`` keeps them."""
    for cell in plan.cells:
        predictions = (key for keys in cell.predictions.values() for key in keys)
        store.mark_used(origin_of(plan, cell), {"streams": cell.streams, "predictions": predictions})
