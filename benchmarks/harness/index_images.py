"""The images of a run: chosen by the config, loaded once, and known by the hashes of their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from benchmarks.api import Dataset, HasRegions, LoadsImages, Region
from benchmarks.harness.cache import Store
from benchmarks.harness.config import Config
from benchmarks.harness.dataset_answers import checked_ids, checked_sample
from benchmarks.harness.executors import Executor
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.indexed_image import IndexedImage, Pixels
from benchmarks.harness.jobs import IMAGES_A_JOB, images_of
from benchmarks.harness.keys import key_of, steady_identity
from benchmarks.harness.progress import Progress
from benchmarks.harness.worker import step
from benchmarks.imaging.image_arrays import pixels_sha256
from benchmarks.text import one_line
from downstream.api import Classification
from hsc.errors import DataError, HscError


@dataclass(frozen=True)
class Indexing:
    """A job: images of a data set to be loaded for the first time. image_ids: of each, by its index."""

    on_device: ClassVar[bool] = False
    dataset: LoadsImages
    image_ids: dict[int, str]

    def parts(self, doing: int | None) -> list[Indexing]:
        """The same work, one image a job; none if it is one image already."""
        if len(self.image_ids) == 1:
            return []
        return [replace(self, image_ids={index: image_id}) for index, image_id in self.image_ids.items()]


def index_pixels(job: Indexing) -> dict[int, Pixels | str]:
    """Load images and hash their pixels, by index; a reason in place of an image that does not load."""
    pixels: dict[int, Pixels | str] = {}
    for index, image_id in job.image_ids.items():
        step()
        try:
            sample = checked_sample(guarded(job.dataset.load, index), image_id)
            height, width = sample.image.shape[:2]
            pixels[index] = Pixels(pixels_sha256(sample.image), (height, width), sample.source_bytes)
        except HscError as error:  # a data set may be a plug-in
            pixels[index] = why(error)
    return pixels


def choose_images(config: Config) -> list[int]:
    """The data set's indices of this run: all; the first ``limit``; or, with a seed, ``limit`` drawn at random."""
    count = guarded(len, config.dataset)
    if not config.limit or config.limit >= count:
        return list(range(count))
    if config.seed == 0:
        return list(range(config.limit))
    return sorted(np.random.default_rng(config.seed).choice(count, config.limit, replace=False).tolist())


def index_images(config: Config, store: Store, executor: Executor, progress: Progress) -> list[IndexedImage]:
    """The run's images in data set order; their pixel hashes come from the store where it knows them.

    Raises:
        DataError: the data set is empty, or images do not load; the first few are named. A run never scores the rest.
    """
    indices = choose_images(config)
    if not indices:
        raise DataError("the data set holds no image")
    ids = checked_ids(guarded(lambda: list(config.dataset.image_ids())), guarded(len, config.dataset))
    dataset_key = key_of({**steady_identity(config.dataset), "revision": guarded(lambda: str(config.dataset.revision))})
    known = store.pixels(dataset_key, [ids[i] for i in indices])
    missing = {i: ids[i] for i in indices if ids[i] not in known}
    reasons: list[str] = []
    progress.begin("reading images", len(missing))
    for job, answers, died in executor.run(index_pixels, _jobs(config.dataset, missing), parts=Indexing.parts):
        loaded = {ids[i]: pixels for i, pixels in (answers or {}).items() if isinstance(pixels, Pixels)}
        reasons += [f"{one_line(ids[i])}: {reason}" for i, reason in (answers or {}).items() if isinstance(reason, str)]
        reasons += [f"{one_line(image_id)}: {died}" for image_id in job.image_ids.values()] if died else []
        store.add_pixels(dataset_key, loaded)
        known.update(loaded)
        progress.advance("", len(job.image_ids))
    if reasons:
        raise DataError(
            f"{len(reasons)} of {len(indices)} images do not load, so no score over all of them exists: "
            f"{'; '.join(sorted(reasons)[:3])}"
        )
    classify = any(reader.head.output is Classification for reader in config.readers)
    regions = regions_of(config.dataset, indices, [known[ids[i]] for i in indices]) if classify else {}
    return [IndexedImage(i, ids[i], known[ids[i]], regions.get(i)) for i in indices]


def regions_of(dataset: Dataset, indices: Sequence[int], pixels: Sequence[Pixels]) -> dict[int, tuple[Region, ...]]:
    """The regions of images by their index; none of a data set whose images are taken whole.

    Raises:
        DataError: a region is empty, or reaches beyond its image.
    """
    if not isinstance(dataset, HasRegions):
        return {}
    regions: dict[int, tuple[Region, ...]] = {}
    for index, of_image in zip(indices, pixels, strict=True):
        found = guarded(dataset.regions, index)
        if found is None:
            continue
        regions[index] = tuple(Region(*map(int, region)) for region in found)
        height, width = of_image.image_hw
        for left, top, right, bottom in regions[index]:
            if not (0 <= left < right <= width and 0 <= top < bottom <= height):
                raise DataError(
                    f"a region of image {index} runs from ({left}, {top}) to ({right}, {bottom}), the image has "
                    f"{width}x{height} pixels; expected a part of it that is not empty"
                )
    return regions


def _jobs(dataset: Dataset, image_ids: dict[int, str]) -> Iterator[Indexing]:
    indices = list(image_ids)
    yield from (
        Indexing(images_of(dataset, part), {i: image_ids[i] for i in part})
        for part in (indices[start : start + IMAGES_A_JOB] for start in range(0, len(indices), IMAGES_A_JOB))
    )
