"""Heads that find nothing on the originals of a data set without labels, so that no score could follow.

    originals --head--> boxes at or above PSEUDO_SCORE, which stand in for labels     none: the head has no truth

Originals are read until one shows an object, so a head that finds some costs one image. Predictions that the cache has
are looked at first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.api import LoadsImages, ScoresOriginals
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor
from benchmarks.harness.guard import guarded
from benchmarks.harness.head_calls import ask
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.harness.jobs import images_of
from benchmarks.harness.keys import registered_name
from benchmarks.harness.plan import Plan, Unfit
from benchmarks.harness.readers import Reader, ReaderName
from benchmarks.harness.requirements import PSEUDO_SCORE
from benchmarks.harness.truth import labels_of
from benchmarks.harness.worker import step
from downstream.api import Detections, Prediction
from hsc.errors import HscError


@dataclass(frozen=True)
class FindObjects:
    """A job: a reader looks for objects on one original. index: of the image in the data set."""

    reader: Reader
    dataset: LoadsImages
    index: int

    def found(self) -> bool:
        """Whether an object is found; true as well where the image or the head fails, which the run itself reports."""
        try:
            step()
            original = guarded(self.dataset.load, self.index).image
            step()
            (prediction,) = guarded(ask, self.reader.head, self.reader.route, [original], [])
        except HscError:
            return True
        return shows_objects(prediction)


def shows_objects(prediction: Prediction | None) -> bool:
    """Whether a prediction on an original holds a box that counts as a label; true for other kinds of predictions."""
    return not isinstance(prediction, Detections) or bool((prediction.scores >= PSEUDO_SCORE).any())


def _found(job: FindObjects) -> bool:
    return job.found()


def without_objects(plan: Plan, store: Store, executor: Executor) -> dict[ReaderName, Unfit]:
    """The detectors of a plan that find no object on any original where these would stand in for labels, and why."""
    config, unfit = plan.config, {}
    if isinstance(config.task, ScoresOriginals) or labels_of(config, Detections) is not None:
        return {}
    for reader in config.readers:
        if reader.head.output is not Detections or reader.name not in plan.cells[0].predictions:
            continue
        if not _finds_objects(plan, reader, store, executor):
            unfit[reader.name] = Unfit(
                "skipped",
                f"it finds no object with a score of at least {PSEUDO_SCORE:g} on any of the {len(plan.images)} "
                f"originals, and these would stand in for the labels that {registered_name(config.dataset)} does not "
                f"have; take images that show classes of the head, another head, or a data set with labels",
            )
    return unfit


def _finds_objects(plan: Plan, reader: Reader, store: Store, executor: Executor) -> bool:
    """Whether a reader finds an object on any original: by the cache, else by reading the originals it lacks."""
    keys = plan.cells[0].predictions[reader.name]
    ids = {key: image.image_id for key, image in zip(keys, plan.images, strict=True)}
    known = store.predictions(ids)
    if any(shows_objects(record.prediction) for record in known.values()):
        return True
    unknown = [image for key, image in zip(keys, plan.images, strict=True) if key not in known]
    if plan.config.overwrite == "never":
        return bool(unknown)
    return _any_found(plan, reader, unknown, executor)


def _any_found(plan: Plan, reader: Reader, images: list[IndexedImage], executor: Executor) -> bool:
    found = False

    def jobs() -> Iterator[FindObjects]:
        for image in images:
            if found:
                return
            yield FindObjects(reader, images_of(plan.config.dataset, [image.index]), image.index)

    for result in executor.run(_found, jobs()):
        found = found or result.answer is not False  # None: the worker died, which the run itself reports
    return found
