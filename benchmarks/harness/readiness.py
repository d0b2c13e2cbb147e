"""Checks before anything is coded: codecs that cannot load, heads that cannot be scored or cannot answer, labels that
cannot be read.

    plan --weights, libraries--> codecs that load
    plan --classes, labels--> readers that have a truth --one original each--> readers that answer
      |                                                                             |
      +--remarks of the data set, classes matched by name--> notices             objects, where no label is
                                                                                    none left: UsageError

A fault of one head leaves the others to go on: it has a row with the reason, and no cell.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.api import DATASETS, HasBoxes, HasClassLabels, HasLabelMaps, HasRemarks, LeavesOutScores
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor
from benchmarks.harness.guard import guarded
from benchmarks.harness.jobs import images_of
from benchmarks.harness.keys import registered_name
from benchmarks.harness.make_plan import leave_out, skip_codecs
from benchmarks.harness.plan import Plan, Unfit
from benchmarks.harness.progress import Progress
from benchmarks.harness.pseudo_labels import without_objects
from benchmarks.harness.reader_truth import label_truth
from benchmarks.harness.readers import Reader, ReaderName
from benchmarks.harness.requirements import boxes_of
from benchmarks.harness.sender_heads import sender_notices
from benchmarks.harness.trials import LoadCodecs, ReadLabelMaps, ReadOriginal, reasons_of
from benchmarks.harness.truth import labels_of, limit_coco, scored_classes
from benchmarks.stats.anchors import members
from downstream.api import HEADS, Classification, Detections, NeedsManyImages, Prediction, SegmentationMap
from downstream.class_maps import listed, map_between, why_unscored
from hsc.api import Staged
from hsc.errors import DataError, UsageError

_LABELLED: dict[type[Prediction], Any] = {
    Detections: HasBoxes,
    SegmentationMap: HasLabelMaps,
    Classification: HasClassLabels,
}
"""The labels that predictions of a kind are scored against."""
MAPS_A_JOB = 32
"""Label maps read in one job."""


def make_ready(plan: Plan, store: Store, executor: Executor, progress: Progress, tell: Callable[[str], None]) -> None:
    """Leave out of the plan the codecs whose networks do not load and the readers that cannot be scored or cannot
    answer, and note in it everything that people who read its scores must know.

    tell: is given each sentence at once. Codecs, label maps and heads are tried only where work is left to do.

    Raises:
        UsageError: no codec or no head is left.
        DataError: labels cannot be read.
    """
    skip_codecs(plan, _not_loading(plan, executor, progress))
    _tell_skipped(plan, tell)
    _leave_out(plan, store, {r.name: Unfit("skipped", reason) for r, reason in _unscorable(plan)}, tell)
    _note(plan, tell)
    jobs: list[ReadOriginal | ReadLabelMaps] = [*_label_maps(plan), *_originals(plan, store)] if plan.todo else []
    progress.begin("trying labels and heads", len(jobs))
    bad_maps: list[str] = []
    silent: dict[ReaderName, Unfit] = {}
    for job, answer, died in executor.run(reasons_of, jobs) if jobs else ():
        reasons = [f"{died}"] if answer is None else answer
        if isinstance(job, ReadLabelMaps):
            bad_maps += reasons
        elif reasons:
            image_id = next(image.image_id for image in plan.images if image.index == job.index)
            reason = f"it cannot read an original, {image_id}: {reasons[0]}"
            silent[job.reader.name] = Unfit("failed", reason)
        progress.advance("", 1)
    if bad_maps:
        raise DataError(
            f"{len(bad_maps)} of {len(plan.images)} label maps cannot be scored against: "
            f"{'; '.join(sorted(bad_maps)[:3])}"
        )
    _leave_out(plan, store, silent, tell)
    _leave_out_blind(plan, store, without_objects(plan, store, executor), tell)


def _not_loading(plan: Plan, executor: Executor, progress: Progress) -> dict[str, str]:
    """The reasons of codecs that have work to do and whose weights or libraries cannot be used, by the curve's label.

    Workers load them, since they are large and workers need them; those of one class in one job, since they share their
    libraries.
    """
    by_class: dict[type, dict[str, Staged]] = {}
    for cell in plan.cells:
        if cell.todo and isinstance(cell.codec, Staged):
            by_class.setdefault(type(cell.codec), {}).setdefault(cell.curve, cell.codec)
    jobs = [LoadCodecs(tuple(codecs), tuple(codecs.values())) for codecs in by_class.values()]
    progress.begin("loading codecs", len(jobs))
    reasons: dict[str, str] = {}
    for job, answer, _ in executor.run(reasons_of, jobs) if jobs else ():
        reasons |= {curve: reason for curve, reason in zip(job.curves, answer or (), strict=False) if reason}
        progress.advance("", 1)
    return reasons


def _tell_skipped(plan: Plan, tell: Callable[[str], None]) -> None:
    """Tell which heads do not run here, which anchors are not whole, and which readers follow no codec."""
    for label, reason in plan.skipped_heads.items():
        tell(f"the head {label} is skipped: {reason}")
    labels = [curve.label for curve in plan.config.curves]
    for anchor in plan.config.anchors:
        missing = [label for label in members(anchor, labels) if label in plan.skipped]
        if missing:
            tell(
                f"there will be no differences against the whole of {anchor}: {missing[0]} is skipped: "
                f"{plan.skipped[missing[0]]}"
            )
    reading = [reader.name for reader in _reading(plan)]
    for reader in plan.config.readers:
        if reading and reader.name not in reading and (reason := _why_not(plan, reader)):
            tell(f"the head {reader.label} is left out: {reason}{_class_map_command(plan, reader)}")


def _leave_out(plan: Plan, store: Store, unfit: Mapping[ReaderName, Unfit], tell: Callable[[str], None]) -> None:
    """Take unfit readers out of the plan. Raises UsageError where none is left."""
    leave_out(plan, unfit, store)
    if not any(cell.predictions for cell in plan.cells):
        lines = [
            f"{reader.label}: {_why_not(plan, reader)}{_class_map_command(plan, reader)}"
            for reader in plan.config.readers
            if reader.label not in plan.skipped_heads
        ]
        raise UsageError("no head can be scored: " + "; ".join(lines))
    for name, why in unfit.items():
        tell(f"the head {name.label} is left out: {why.reason}")


def _leave_out_blind(plan: Plan, store: Store, blind: Mapping[ReaderName, Unfit], tell: Callable[[str], None]) -> None:
    """Leave out readers without labels, unless no other reader is left: rates need no head, so the run goes on, with a
    notice that these readers have nothing to be scored on.
    """
    if any(reader.name not in blind for reader in _reading(plan)):
        _leave_out(plan, store, blind, tell)
        return
    for name, why in blind.items():
        plan.notices.append(f"the head {name.label} has nothing to be scored on: {why.reason}")
        tell(plan.notices[-1])


def _why_not(plan: Plan, reader: Reader) -> str:
    """The reasons for which a reader follows no codec, each once."""
    return "; ".join(dict.fromkeys(cell.why_not[reader.name] for cell in plan.cells if reader.name in cell.why_not))


def _class_map_command(plan: Plan, reader: Reader) -> str:
    """The command that writes the class map that a reader lacks, as a clause; empty where no class map is missing."""
    config, head = plan.config, reader.head
    target = labels_of(config, head.output)
    if target is None or not registered_name(head) or not registered_name(config.dataset):
        return ""
    source = guarded(lambda: head.label_space)
    if source.name == target.name or not guarded(why_unscored, source, target):
        return ""
    file = f"{source.name}-to-{target.name}.toml"
    specs = [shlex.quote(str(spec)) for spec in (HEADS.spec(head), DATASETS.spec(config.dataset))]
    return (
        f"; hsc-bench class-map --head {specs[0]} --dataset {specs[1]} --out {shlex.quote(file)} writes the file with "
        f"near names filled in; check it, then export HSC_CLASS_MAPS={shlex.quote(file)}"
    )


def _reading(plan: Plan) -> list[Reader]:
    """The readers that read at least one operating point."""
    return [reader for reader in plan.config.readers if plan.cells_of(reader)]


def _unscorable(plan: Plan) -> Iterator[tuple[Reader, str]]:
    """Readers that read and have no truth to be scored against, or too few images for a score, and why."""
    for reader in _reading(plan):
        if reason := _no_truth(plan, reader) or _too_few(plan, reader):
            yield reader, reason


def _too_few(plan: Plan, reader: Reader) -> str | None:
    """The reason that the images of a run are too few for a reader's score, or None where they are enough."""
    if not isinstance(reader.head, NeedsManyImages):
        return None
    reason: str | None = guarded(reader.head.why_too_few, [image.pixels.image_hw for image in plan.images])
    return reason


def _no_truth(plan: Plan, reader: Reader) -> str | None:
    """The reason that a reader's predictions have no truth in this run, or None where they have."""
    config, head = plan.config, reader.head
    target = labels_of(config, head.output)
    if head.output not in _LABELLED:
        return None
    name = registered_name(config.dataset)
    if target is None:
        if reader.name in plan.cells[0].predictions:
            return None
        return (
            f"{name} has no labels that count here, and the head cannot read the originals, which would stand in for "
            f"them"
        )
    if not isinstance(config.dataset, _LABELLED[head.output]):
        return f"the data set {name} names classes and has no labels of this kind"
    if head.output is Classification:
        return _no_class_labels(plan, reader)
    if not isinstance(config.dataset, HasBoxes) or head.output is not Detections:
        return None
    classes = scored_classes(config, head)
    indices = [image.index for image in plan.images]
    coco = limit_coco(boxes_of(config.dataset, config.task), indices, classes.space.classes, classes.merge)
    if len(coco.areas):
        return None
    return _nothing_labelled(plan, classes.space.classes)


def _no_class_labels(plan: Plan, reader: Reader) -> str | None:
    """The reason that no object or image of a run has a class that a classifier knows, or None where one has.

    Raises:
        DataError: an image has another number of labels than of regions.
    """
    classes = scored_classes(plan.config, reader.head)
    truth = guarded(label_truth, plan.config, plan.images, reader, classes)
    assert truth is not None
    assert truth.labels is not None
    for image, labels in zip(plan.images, truth.labels, strict=True):
        wanted = 1 if image.regions is None else len(image.regions)
        if labels.shape != (wanted,):
            raise DataError(
                f"the image {image.image_id} has class labels of shape {labels.shape}, expected ({wanted},): one for "
                f"{'the image' if image.regions is None else 'each of its regions'}"
            )
    if any((labels >= 0).any() for labels in truth.labels):
        return None
    return _nothing_labelled(plan, classes.space.classes)


def _nothing_labelled(plan: Plan, classes: Sequence[str]) -> str:
    return (
        f"nothing that the head can be scored on, {listed(classes)}, is labelled in the {len(plan.images)} images of "
        f"this run; take others"
    )


def _note(plan: Plan, tell: Callable[[str], None]) -> None:
    """Note classes that are matched by name, the data set's remarks on its images, and heads that score what they have
    decided themselves.
    """
    notices: dict[str, None] = {}
    for reader in _reading(plan):
        source, target = reader.head.label_space, labels_of(plan.config, reader.head.output)
        between = map_between(source, target) if target else None
        if target and between and between.by_name:
            unknown = [name for name in target.classes if name not in between.names.values()]
            notice = (
                f"head {reader.label}: there is no class map, so classes of the same name are taken to be the same: "
                f"{listed(between.scored(source, target))}"
            )
            if spelled := [f"{known} = {name}" for known, name in between.names.items() if known != name]:
                notice += f"; spelled in two ways: {listed(spelled)}"
            if unknown:
                notice += f"; not scored, since the head does not know them: {listed(unknown)}"
            notices[notice] = None
        for metric in plan.config.all_metrics:
            if metric.output is reader.head.output and isinstance(metric, LeavesOutScores):
                reason = metric.left_out(scored_classes(plan.config, reader.head).space.classes)
                notices |= {reason: None} if reason else {}
    if isinstance(plan.config.dataset, HasRemarks):
        notices |= dict.fromkeys(plan.config.dataset.remarks([image.index for image in plan.images]))
    notices |= dict.fromkeys(sender_notices(plan))
    plan.notices += notices
    for notice in notices:
        tell(notice)


def _label_maps(plan: Plan) -> Iterator[ReadLabelMaps]:
    """Jobs that read all label maps of the run, where heads are scored on them."""
    if not any(reader.head.output is SegmentationMap for reader in _reading(plan)):
        return
    target = labels_of(plan.config, SegmentationMap)
    if target is None:
        return
    for start in range(0, len(plan.images), MAPS_A_JOB):
        images = tuple(plan.images[start : start + MAPS_A_JOB])
        yield ReadLabelMaps(plan.config.dataset, images, len(target.classes))


def _originals(plan: Plan, store: Store) -> Iterator[ReadOriginal]:
    """Jobs that read the first image with each reader that still has work: its pixels, or the latents of the first
    codec that the reader follows.
    """
    config = plan.config
    if config.overwrite == "never":
        return
    for reader in _reading(plan):
        cells = plan.cells_of(reader)
        unread = (cell.predictions[reader.name] for cell in cells)
        if config.overwrite == "always" or any(not store.known("predictions", keys) >= set(keys) for keys in unread):
            stream = cells[0].streams[0]
            data = store.data([stream]).get(stream) if reader.route == "latent" else None
            first = next((image for image in plan.images if image.regions != ()), plan.images[0])
            dataset = images_of(config.dataset, [first.index])
            yield ReadOriginal(reader, dataset, first.index, cells[0].codec, data, first.regions)
