"""The gallery of a run: a few images as each codec decodes them at about the same bytes, with each head's predictions.

Everything goes into one file, ``gallery.json``, so that the page can be made from the run's folder alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor, Processes
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.keys import key_of
from benchmarks.harness.plan import Plan, cell_id
from benchmarks.harness.progress import Progress, Silent
from benchmarks.reporting.images.gallery_file import FILE
from benchmarks.reporting.images.gallery_images import GalleryImages
from benchmarks.reporting.images.gallery_rates import target_bpp
from hsc.devices import current_device, use_device
from hsc.errors import HscError, ResultsError, UsageError
from hsc.files.atomic_files import write_text
from hsc.networks.network_holder import HOLDER

VERSION = "1"
IMAGES = 3
BUDGET_BYTES = 400_000
"""Once the pictures take this much no further image is begun, so that a page can be sent by mail."""


def check_images(images: int) -> None:
    """Refuse a wrong number of images before anything is coded.

    Raises:
        UsageError: it is negative.
    """
    if images < 0:
        raise UsageError(f"the gallery's images came as {images}, expected 0 (no gallery) or more")


def key(plan: Plan, images: int) -> str:
    """The key of all that a gallery is made from: a gallery of the same key need not be made again."""
    cells = [[cell.id, *(cell_id(cell, name) for name in cell.predictions)] for cell in plan.cells]
    return key_of(
        {
            "version": VERSION,
            "cells": cells,
            "images": [image.pixels.sha256 for image in plan.images],
            "wanted": images,
        }
    )


def places(count: int, images: int) -> list[int]:
    """The places of the images that are shown: the middles of equal parts of ``count`` images, so that nobody selects
    them for their looks.

    >>> places(64, 3), places(2, 3)
    ([10, 32, 53], [0, 1])
    """
    shown = min(count, images)
    return [int((k + 0.5) * count / shown) for k in range(shown)]


def collect(
    plan: Plan,
    store: Store,
    images: int = IMAGES,
    progress: Progress | None = None,
    without: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The gallery of a run as JSON-ready values.

    images: how many at most. without: ("codec" or "head", label) of those to leave out. Failures of one codec or head
    are listed under ``failed``, and the others are shown.

    Raises:
        UsageError: as ``check_images``.
    """
    check_images(images)
    rate, progress = target_bpp(plan, store), progress or Silent()
    maker = GalleryImages(plan, store, without)
    shown: list[dict[str, Any]] = []
    progress.begin("pictures", min(images, len(plan.images)))
    spent_bytes = 0
    for place in places(len(plan.images), images) if images else []:
        if spent_bytes < BUDGET_BYTES:
            image = maker.image(place, rate)
            spent_bytes += 3 * sum(len(tile["picture"]["data"]) for tile in image["tiles"]) // 4
            shown += [image] if image["tiles"] else []
        progress.advance("", 1)
    progress.end()
    return {
        "version": VERSION,
        "key": key(plan, images),
        "target_bpp": rate,
        "heads": maker.heads,
        "classes": maker.classes,
        "images": shown,
        "failed": maker.failed,
    }


@dataclass(frozen=True)
class Collecting:
    """The job to make a run's gallery in another process, so that a codec or head that ends its process does not end
    the run. without: those that did so, as in ``collect``.
    """

    plan: Plan
    cache: Path
    images: int
    without: tuple[tuple[str, str], ...] = ()

    def parts(self, doing: tuple[str, str] | None) -> list[Collecting]:
        """The same job without the codec or head that was at work; none where there was none, or where it is left out
        already.
        """
        return [] if doing is None or doing in self.without else [replace(self, without=(*self.without, doing))]


def collect_from(job: Collecting) -> dict[str, Any] | str:
    """The gallery of a run from its cache, or the reason why it cannot be made."""
    try:
        with HOLDER.everything(), Store(job.cache / "store.sqlite") as store:
            return guarded(collect, job.plan, store, job.images, None, job.without)
    except HscError as error:
        return why(error)


def _collect_apart(job: Collecting, executor: Executor, progress: Progress) -> dict[str, Any]:
    progress.begin("pictures", 1)
    for _, gallery, death in executor.run(collect_from, [job], parts=Collecting.parts):
        if isinstance(gallery, dict):
            progress.end()
            return gallery
        raise ResultsError(f"the pictures cannot be made: {gallery or death}; --gallery 0 leaves them out")
    raise AssertionError("an executor answers every job")


def keep(
    plan: Plan,
    folder: Path,
    cache: Path,
    images: int = IMAGES,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> None:
    """Write ``gallery.json`` into a run's folder, whole or not at all; one of the same key is left as it is.

    images: how many at most; 0 removes the file. executor: where codecs and heads run, by default a process of its own.

    Raises:
        UsageError, ResultsError: images is negative; the cache or the folder cannot be used.
    """
    path = folder / FILE
    if not images:
        path.unlink(missing_ok=True)
        return
    if plan.config.overwrite != "always" and _has_key(path, key(plan, images)):
        return
    with use_device(plan.conditions.device if plan.conditions else current_device()):
        gallery = _collect_apart(Collecting(plan, cache, images), executor or Processes(1), progress or Silent())
    try:
        write_text(path, json.dumps(gallery, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n")
    except OSError as error:
        raise ResultsError(f"{path} cannot be written: {error.strerror}; is the disk full?") from error


def _has_key(path: Path, key: str) -> bool:
    """Whether a gallery of this key lies there without failures, which are tried again."""
    try:
        gallery = json.loads(path.read_text("utf-8"))
        return bool(gallery["key"] == key and not gallery["failed"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
