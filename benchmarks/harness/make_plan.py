"""Making a plan from a config: what can run here becomes cells, everything else a reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from benchmarks.api import HasBoxes
from benchmarks.harness.cache import Store
from benchmarks.harness.conditions import conditions_of, reads_apart
from benchmarks.harness.config import Config
from benchmarks.harness.dataset_answers import check_coco_images
from benchmarks.harness.executors import Executor
from benchmarks.harness.guard import guarded, why_unavailable
from benchmarks.harness.index_images import index_images
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.harness.plan import Cell, IdentifiedReader, Plan, Unfit, cell_of, identified
from benchmarks.harness.progress import Progress
from benchmarks.harness.readers import ReaderName, latent_names
from benchmarks.harness.requirements import boxes_of, why_no_masks
from benchmarks.harness.todos import count_todos
from downstream.api import Detections
from hsc.errors import HscError, UnavailableError, UsageError


def make_plan(config: Config, store: Store, executor: Executor, progress: Progress) -> Plan:
    """The plan of a run: its cells, with a count of the work that is left in each.

    Raises:
        UnavailableError: the data set, or every head, cannot be used here.
        DataError: images do not load, or box labels are not of these images.
        UsageError: no codec is left to run.
    """
    if reason := why_unavailable(config.dataset):
        raise UnavailableError(reason)
    readers, skipped_heads = _usable_readers(config)
    images = index_images(config, store, executor, progress)
    _check_boxes(config, images)
    cells, skipped = _cells(config, images, readers, reads_apart(executor))
    _require_cells(cells, skipped, skipped_heads)
    config = _without_idle_defaults(config, cells, skipped_heads)
    plan = Plan(config, images, cells, skipped, skipped_heads, conditions=conditions_of(config.repeats, executor))
    for cell in plan.cells:
        count_todos(plan, cell, store)
    return plan


def _usable_readers(config: Config) -> tuple[list[IdentifiedReader], dict[str, str]]:
    """The readers that can run here, and the reasons of the other heads by label. Raises UnavailableError."""
    readers: list[IdentifiedReader] = []
    skipped: dict[str, str] = {}
    for reader in config.readers:
        try:
            if reason := why_unavailable(reader.head) or why_no_masks(config.task, reader.head):
                raise UnavailableError(reason)
            readers += identified([reader])
        except HscError as error:
            skipped[reader.label] = f"{error}"
    if not readers:
        raise UnavailableError("no head can run: " + "; ".join(f"{label}: {text}" for label, text in skipped.items()))
    return readers, skipped


def _cells(
    config: Config, images: Sequence[IndexedImage], readers: Sequence[IdentifiedReader], apart: bool
) -> tuple[list[Cell], dict[str, str]]:
    """The operating points that can run here, and the reasons of curves by label at the point where they cannot."""
    cells: list[Cell] = []
    skipped: dict[str, str] = {}
    for curve in config.curves:
        for point in curve.points:
            try:
                if reason := why_unavailable(point.codec):
                    raise UnavailableError(reason)
                cells.append(cell_of(config, images, curve.label, point, readers, reads_apart=apart))
            except HscError as error:
                skipped[curve.label] = f"{error}"
                break
    return cells, skipped


def _without_idle_defaults(config: Config, cells: Sequence[Cell], skipped_heads: Mapping[str, str]) -> Config:
    """The run without those of the task's heads that follow none of its codecs: nobody asked for them, so they need no
    row and no reason. As it is where heads were named, or where none would be left.
    """
    usable = [r for r in config.readers if r.label not in skipped_heads]
    idle = [r for r in usable if not any(r.name in cell.predictions for cell in cells)]
    if not config.default_heads or idle == usable:
        return config
    for cell in cells:
        for reader in idle:
            cell.why_not.pop(reader.name, None)
    return dataclasses.replace(config, readers=tuple(r for r in config.readers if r not in idle))


def _check_boxes(config: Config, images: Sequence[IndexedImage]) -> None:
    """See that box labels, where they are scored, are of these images, before an hour of coding. Raises DataError."""
    dataset = config.dataset
    if config.task.output is Detections and isinstance(dataset, HasBoxes) and guarded(dataset.label_space, Detections):
        guarded(check_coco_images, guarded(boxes_of, dataset, config.task), images, guarded(len, dataset))


def _require_cells(cells: Sequence[Cell], skipped: Mapping[str, str], skipped_heads: Mapping[str, str]) -> None:
    """Refuse a run without any operating point. Raises UsageError."""
    if not cells:
        reasons = {**{f"head {label}": reason for label, reason in skipped_heads.items()}, **skipped}
        raise UsageError("no codec can run: " + "; ".join(f"{label}: {reason}" for label, reason in reasons.items()))


def skip_codecs(plan: Plan, reasons: Mapping[str, str]) -> None:
    """Take curves out of the plan as if their codecs were not available. reasons: by the curves' labels.

    Raises:
        UsageError: no codec is left.
    """
    plan.skipped |= reasons
    plan.cells = [cell for cell in plan.cells if cell.curve not in reasons]
    _require_cells(plan.cells, plan.skipped, plan.skipped_heads)


def leave_out(plan: Plan, unfit: Mapping[ReaderName, Unfit], store: Store) -> None:
    """Take readers out of every cell, with the reason, and count again the work that is left."""
    plan.unfit |= unfit
    for cell in plan.cells if unfit else ():
        for reader, why in unfit.items():
            cell.predictions.pop(reader, None)
            cell.why_not.setdefault(reader, why.reason)
        cell.latents = latent_names(reader for reader in plan.config.readers if reader.name in cell.predictions)
        count_todos(plan, cell, store)
