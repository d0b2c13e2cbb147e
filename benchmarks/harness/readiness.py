"""What dooms scores is said before anything is coded: heads that cannot be scored, labels that cannot be read, heads
that cannot answer.

    plan --classes, labels--> heads that have something to be scored on --one original each--> heads that answer
      |                                                                                            |
      +--remarks of the data set, classes matched by name--> notices                   none left: UsageError

What concerns one head alone leaves the others to go on: it has a row with the reason, and no cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.api import Dataset, HasBoxes, HasLabelMaps, HasRemarks
from benchmarks.harness.answers import guarded, why
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor
from benchmarks.harness.measure import ask, read_by
from benchmarks.harness.plan import Cell, Plan, Unfit, leave_out
from benchmarks.harness.progress import Progress
from benchmarks.harness.requirements import boxes_of
from benchmarks.harness.truth import covered, labels_of, limit_coco
from benchmarks.harness.worker import step
from benchmarks.stats.anchors import members
from downstream.api import VOID, Detections, Route, SegmentationMap, sees_originals
from downstream.class_maps import listed, map_between
from hsc.api import Codec
from hsc.errors import DataError, HscError, UsageError

MAPS_A_JOB = 32
"""Label maps read in one job."""


@dataclass(frozen=True)
class ReadOriginal:
    """One head reads one original, or the latents of it. codec, data: of the latents; data: the coded bytes where they
    are known.
    """

    number: int
    head: Any
    route: Route
    dataset: Dataset
    index: int
    codec: Codec
    data: bytes | None

    def reasons(self) -> list[str]:
        """Why the head cannot, nothing where it can. What a codec fails at is not the head's fault and is left to the
        run.
        """
        try:
            step()
            original = guarded(self.dataset.load, self.index).image
            given = guarded(self._latents, original) if self.route == "latent" else original
        except HscError:
            return []
        try:
            step()
            guarded(ask, self.head, self.route, [given], [original] if sees_originals(self.head) else [])
        except HscError as error:
            return [why(error)]
        return []

    def _latents(self, original: Any) -> Any:
        codec: Any = self.codec
        return codec.decode_latents(self.data or codec.encode(original), read_by([self.head]))


@dataclass(frozen=True)
class ReadLabelMaps:
    """Some label maps are read. images: (index, id, height and width) each. classes: how many there are."""

    dataset: Any
    images: tuple[tuple[int, str, tuple[int, int]], ...]
    classes: int

    def reasons(self) -> list[str]:
        """One sentence for each that cannot be scored against."""
        return [f"{image_id}: {reason}" for index, image_id, hw in self.images if (reason := self._reason(index, hw))]

    def _reason(self, index: int, image_hw: tuple[int, int]) -> str:
        try:
            step()
            labels = guarded(self.dataset.label_map, index).labels
        except HscError as error:
            return why(error)
        if not isinstance(labels, np.ndarray) or labels.dtype != np.uint8 or labels.shape != image_hw:
            came = f"{labels.dtype} {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
            return f"its label map is {came}, expected uint8 {image_hw}, as its image"
        strange = [label for label in np.unique(labels).tolist() if label >= self.classes and label != VOID]
        return (
            f"its label map holds {strange[0]}, expected 0 to {self.classes - 1}, or {VOID} for none" if strange else ""
        )


def _reasons(job: ReadOriginal | ReadLabelMaps) -> list[str]:
    return job.reasons()


def make_ready(plan: Plan, store: Store, executor: Executor, progress: Progress, tell: Callable[[str], None]) -> None:
    """Leave out of the plan the heads that cannot be scored or cannot answer, and note in it what a reader of its
    scores must know.

    tell: is given each sentence at once. Label maps and heads are tried only where something is left to do.

    Raises:
        UsageError: no head is left.
        DataError: labels cannot be read.
    """
    for label, reason in plan.skipped.items():
        if label.startswith("head "):
            tell(f"the {label} is skipped: {reason}")
    labels = [curve.label for curve in plan.config.curves]
    for anchor in plan.config.anchors:
        gone = [label for label in members(anchor, labels) if label in plan.skipped]
        if gone:
            tell(
                f"there will be no differences against the whole of {anchor}: {gone[0]} is skipped: "
                f"{plan.skipped[gone[0]]}"
            )
    reading = {number for number, _, _ in _readers(plan)}
    for number, (label, _) in enumerate(plan.config.heads):
        if reading and number not in reading and (reason := _why_not(plan, number)):
            tell(f"the head {label} is left out: {reason}")
    _leave_out(plan, store, {n: Unfit("skipped", reason) for n, reason in _unscorable(plan)}, tell)
    _note(plan, tell)
    jobs: list[ReadOriginal | ReadLabelMaps] = [*_label_maps(plan), *_originals(plan, store)] if plan.todo else []
    progress.begin("trying labels and heads", len(jobs))
    bad: list[str] = []
    silent: dict[int, Unfit] = {}
    for job, reasons, died in executor.run(_reasons, jobs) if jobs else ():
        found = [f"{died}"] if reasons is None else reasons
        if isinstance(job, ReadLabelMaps):
            bad += found
        elif found:
            silent[job.number] = Unfit("failed", f"it cannot read an original, {plan.images[0][1]}: {found[0]}")
        progress.advance("", 1)
    if bad:
        raise DataError(
            f"{len(bad)} of {len(plan.images)} label maps cannot be scored against: {'; '.join(sorted(bad)[:3])}"
        )
    _leave_out(plan, store, silent, tell)


def _leave_out(plan: Plan, store: Store, unfit: dict[int, Unfit], tell: Callable[[str], None]) -> None:
    """Heads that are unfit leave the plan. Raises as ``make_ready``."""
    leave_out(plan, unfit, store)
    if not any(cell.predictions for cell in plan.cells):
        lines = [
            f"{label}: {_why_not(plan, n)}"
            for n, (label, _) in enumerate(plan.config.heads)
            if f"head {label}" not in plan.skipped
        ]
        raise UsageError("no head can be scored: " + "; ".join(lines))
    for number, one in unfit.items():
        tell(f"the head {plan.config.heads[number][0]} is left out: {one.reason}")


def _why_not(plan: Plan, number: int) -> str:
    """Every reason for which a head follows no codec, each once."""
    return "; ".join(dict.fromkeys(cell.why_not[number] for cell in plan.cells if number in cell.why_not))


def _readers(plan: Plan) -> Iterator[tuple[int, Any, Cell]]:
    """(number, head, first cell) of each head that reads any."""
    for number, (_, head) in enumerate(plan.config.heads):
        cell = next((cell for cell in plan.cells if number in cell.predictions), None)
        if cell is not None:
            yield number, head, cell


def _unscorable(plan: Plan) -> Iterator[tuple[int, str]]:
    """Heads that read and have nothing to be scored on, and why."""
    for number, head, _ in _readers(plan):
        if reason := _nothing_to_score(plan, number, head):
            yield number, reason


def _nothing_to_score(plan: Plan, number: int, head: Any) -> str | None:
    """Why a head's answers have no truth in this run, or None where they have."""
    config, target = plan.config, labels_of(plan.config, head.output)
    if head.output not in (Detections, SegmentationMap):
        return None
    name = getattr(config.dataset, "spec_name", "")
    if target is None:
        reads = number in plan.cells[0].predictions
        return (
            None
            if reads
            else f"{name} has no labels that count here, and the head cannot read the originals, which would stand in "
            f"for them"
        )
    wanted: Any = HasBoxes if head.output is Detections else HasLabelMaps
    if not isinstance(config.dataset, wanted):
        return f"the data set {name} names classes and has no labels of this kind"
    if not isinstance(config.dataset, HasBoxes) or head.output is not Detections:
        return None
    space, between = covered(head.label_space, target), map_between(head.label_space, target)
    coco = boxes_of(config.dataset, config.task)
    kept = limit_coco(coco, [index for index, _, _ in plan.images], space.classes, between.merge if between else {})
    if kept["annotations"]:
        return None
    return (
        f"nothing that the head can be scored on, {listed(space.classes)}, is labelled in the {len(plan.images)} "
        f"images of this run; take others"
    )


def _note(plan: Plan, tell: Callable[[str], None]) -> None:
    """Classes matched by name, and what the data set says of itself."""
    notices: dict[str, None] = {}
    for number, head, _ in _readers(plan):
        target = labels_of(plan.config, head.output)
        between = map_between(head.label_space, target) if target else None
        if target and between and between.by_name:
            left = [name for name in target.classes if name not in between.names]
            notices[
                f"head {plan.config.heads[number][0]}: no class map from {head.label_space.name} to {target.name} is "
                f"written, so classes of the "
                f"same name are taken to be the same: {listed(between.scored(head.label_space, target))}"
                + (f"; not scored, since the head does not know them: {listed(left)}" if left else "")
            ] = None
    if isinstance(plan.config.dataset, HasRemarks):
        notices |= dict.fromkeys(plan.config.dataset.remarks([index for index, _, _ in plan.images]))
    plan.notices += notices
    for text in notices:
        tell(text)


def _label_maps(plan: Plan) -> Iterator[ReadLabelMaps]:
    """All label maps of the run, where heads are scored on them."""
    if not any(head.output is SegmentationMap for _, head, _ in _readers(plan)):
        return
    target = labels_of(plan.config, SegmentationMap)
    images = [(index, image_id, pixels.image_hw) for index, image_id, pixels in plan.images]
    for start in range(0, len(images) if target else 0, MAPS_A_JOB):
        yield ReadLabelMaps(
            plan.config.dataset, tuple(images[start : start + MAPS_A_JOB]), len(target.classes) if target else 0
        )


def _originals(plan: Plan, store: Store) -> Iterator[ReadOriginal]:
    """The first image for each head that still has something to read, or its latents by the first codec that it
    follows.
    """
    if plan.config.overwrite == "never":
        return
    for number, head, cell in _readers(plan):
        keys: Sequence[str] = [key for one in plan.cells for key in one.predictions.get(number, ())]
        if plan.config.overwrite == "always" or len(store.known("predictions", keys)) < len(set(keys)):
            data = store.data(cell.streams[:1]).get(cell.streams[0]) if plan.config.routes[number] == "latent" else None
            yield ReadOriginal(
                number, head, plan.config.routes[number], plan.config.dataset, plan.images[0][0], cell.codec, data
            )
