"""Keeps streams, prediction hashes and scores of a few images, so that a run can be checked from its folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.api import ScoreRow
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor
from benchmarks.harness.jobs import images_of
from benchmarks.harness.plan import Cell, Plan, narrowed, stream_records
from benchmarks.harness.progress import Progress, Silent
from benchmarks.harness.scorer import score
from benchmarks.runs.archive import KeptImage, KeptPredictions, KeptScore, KeptStream, KeptStreams, thinned
from benchmarks.runs.redecode import Job, prediction_sha256, redecode
from benchmarks.stats.bootstrap import Bootstrap
from benchmarks.stats.metric_facts import TIMES
from benchmarks.stats.noise_floor import SECOND


@dataclass(frozen=True)
class Keeping:
    """The streams kept, and a line for each operating point whose streams could not be kept."""

    kept: KeptStreams
    troubles: tuple[str, ...] = ()


def keep(plan: Plan, count: int, store: Store, executor: Executor, progress: Progress) -> Keeping:
    """Keep the streams, prediction hashes and scores of ``count`` images, spread evenly, for every complete cell.

    Every stream is decoded once more: a codec whose pixels then differ from those that were scored is a trouble.
    """
    few = narrowed(plan, spread(len(plan.images), count))
    images = tuple(
        KeptImage(image.image_id, image.index, *image.pixels.image_hw, image.pixels.sha256) for image in few.images
    )
    whole = {
        cell.id: narrow
        for cell, narrow in zip(plan.cells, few.cells, strict=True)
        if not stream_records(plan, cell, store).reason
    }
    checked: dict[str, tuple[KeptStream, ...]] = {}
    troubles: list[str] = []
    progress.begin("keeping streams", len(images) * len(whole))
    loaded = images_of(plan.config.dataset, [image.index for image in few.images])
    jobs = (Job(cell_id, loaded, cell.codec, images, _data(cell, store)) for cell_id, cell in whole.items())
    for job, again, died in executor.run(redecode, jobs):
        cell = whole[job.cell]
        errors = [r.squared_error for r in stream_records(few, cell, store).records]
        streams = _checked(errors, again.streams, job.streams) if again is not None else f"{died}"
        if isinstance(streams, str):
            troubles.append(f"{cell.curve} {cell.point}".strip() + f": its streams cannot be kept: {streams}")
        else:
            checked[job.cell] = streams
        progress.advance(f"{cell.curve} {cell.point}", len(images))
    kept = thinned({cell_id: checked[cell_id] for cell_id in whole if cell_id in checked})
    few.cells = [cell for cell_id, cell in whole.items() if cell_id in kept]
    scored = score(few, store, Bootstrap(len(images), 0, plan.config.seed), executor, Silent()).rows
    return Keeping(KeptStreams(images, kept, _predictions(few, store), scores(scored)), tuple(troubles))


def spread(images: int, count: int) -> list[int]:
    """``count`` places spread evenly over ``images``, beginning with the first; all places of fewer images.

    >>> spread(64, 4)
    [0, 16, 32, 48]
    """
    return [k * images // count for k in range(count)] if count < images else list(range(images))


def scores(rows: Sequence[ScoreRow]) -> tuple[KeptScore, ...]:
    """The heads' scores among the rows of a plan of a few images, without rates and times."""
    kept = (r for r in rows if r.head and r.status == "ok" and r.metric not in TIMES)
    return tuple(KeptScore(r.codec, r.ladder, r.point, r.head, r.route, r.metric, r.part, r.value) for r in kept)


def _predictions(few: Plan, store: Store) -> tuple[KeptPredictions, ...]:
    """The hashes of each head's predictions, where it has predicted all of the few images."""
    ladders = {
        curve.label: (curve.second_of or curve.label, SECOND * bool(curve.second_of)) for curve in few.config.curves
    }
    kept = []
    for cell in few.cells:
        for reader, keys in cell.predictions.items():
            known = {k: r.prediction for k, r in store.predictions(dict.fromkeys(keys, "")).items()}
            hashes = tuple(prediction_sha256(p) for k in keys if (p := known.get(k)) is not None)
            if len(hashes) == len(keys):
                kept.append(KeptPredictions(*ladders[cell.curve], cell.point, reader.label, reader.route, hashes))
    return tuple(kept)


def _data(cell: Cell, store: Store) -> tuple[bytes | None, ...]:
    data = store.data(cell.streams)
    return tuple(data.get(key) for key in cell.streams)


def _checked(
    errors: Sequence[int], streams: Sequence[KeptStream | str], stored: Sequence[bytes | None]
) -> tuple[KeptStream, ...] | str:
    """The streams, with their bytes where the store has them; or why they are not those that were scored."""
    kept = []
    for error, stream, data in zip(errors, streams, stored, strict=True):
        if isinstance(stream, str):
            return stream
        if stream.squared_error != error:
            return (
                f"decoded again, they give other pixels than were scored (squared error {stream.squared_error}, was "
                f"{error})"
            )
        kept.append(stream._replace(data=data))
    return tuple(kept)
