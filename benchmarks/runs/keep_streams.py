"""What a run keeps of a few of its images, so that its table can be checked from its folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.api import ScoreRow
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor
from benchmarks.harness.plan import Cell, Plan, narrowed, stream_records
from benchmarks.harness.progress import Progress, Silent
from benchmarks.harness.scorer import score
from benchmarks.runs.archive import KeptImage, KeptPredictions, KeptScore, KeptStream, KeptStreams, thinned
from benchmarks.runs.redecode import Job, prediction_sha256, redecode
from benchmarks.stats.bootstrap import Bootstrap

TIMES = ("encode_s", "decode_s", "head_s")


@dataclass(frozen=True)
class Keeping:
    """What was kept, and a line on each operating point that could not be."""

    kept: KeptStreams
    troubles: tuple[str, ...] = ()


def keep(plan: Plan, count: int, store: Store, executor: Executor, progress: Progress) -> Keeping:
    """The streams, predictions' hashes and scores of ``count`` images, spread evenly over the run; of cells that are
    whole.

    Every stream is decoded once more on the way: a codec that then gives other pixels than those that were scored is a
    trouble.
    """
    few = narrowed(plan, spread(len(plan.images), count))
    images = tuple(
        KeptImage(image_id, index, *pixels.image_hw, pixels.sha256) for index, image_id, pixels in few.images
    )
    whole = {
        cell.id: mine
        for cell, mine in zip(plan.cells, few.cells, strict=True)
        if not stream_records(plan, cell, store)[1]
    }
    found: dict[str, tuple[KeptStream, ...]] = {}
    troubles: list[str] = []
    progress.begin("keeping streams", len(images) * len(whole))
    jobs = (Job(at, plan.config.dataset, cell.codec, images, _data(cell, store)) for at, cell in whole.items())
    for job, again, died in executor.run(redecode, jobs):
        cell = whole[job.cell]
        errors = [r.squared_error for r in stream_records(few, cell, store)[0]]
        checked = _checked(errors, again.streams, job.streams) if again is not None else f"{died}"
        if isinstance(checked, str):
            troubles.append(f"{cell.curve} {cell.point}".strip() + f": its streams cannot be kept: {checked}")
        else:
            found[job.cell] = checked
        progress.advance(f"{cell.curve} {cell.point}", len(images))
    streams = thinned({at: found[at] for at in whole if at in found})
    few.cells = [cell for at, cell in whole.items() if at in streams]
    scored = score(few, store, Bootstrap(len(images), 0, plan.config.seed), Silent()).rows
    return Keeping(KeptStreams(images, streams, _predictions(few, store), scores(scored)), tuple(troubles))


def spread(images: int, count: int) -> list[int]:
    """``count`` places spread evenly over ``images``, the first among them; all where there are no more.

    >>> spread(64, 4)
    [0, 16, 32, 48]
    """
    return [k * images // count for k in range(count)] if count < images else list(range(images))


def scores(rows: Sequence[ScoreRow]) -> tuple[KeptScore, ...]:
    """The scores among the rows of a plan of a few images; no rates, no times."""
    kept = (r for r in rows if r.head and r.status == "ok" and r.metric not in TIMES)
    return tuple(KeptScore(r.codec, r.point, r.head, r.route, r.metric, r.part, r.value) for r in kept)


def _predictions(few: Plan, store: Store) -> tuple[KeptPredictions, ...]:
    """Hashes of what each head said of the few images, where it said something of each."""
    found = []
    for cell in few.cells:
        for number, keys in cell.predictions.items():
            known = {k: r.prediction for k, r in store.predictions(dict.fromkeys(keys, "")).items()}
            hashes = tuple(prediction_sha256(p) for k in keys if (p := known.get(k)) is not None)
            if len(hashes) == len(keys):
                found.append(
                    KeptPredictions(
                        cell.curve, cell.point, few.config.heads[number][0], few.config.routes[number], hashes
                    )
                )
    return tuple(found)


def _data(cell: Cell, store: Store) -> tuple[bytes | None, ...]:
    found = store.data(cell.streams)
    return tuple(found.get(key) for key in cell.streams)


def _checked(
    errors: Sequence[int], found: Sequence[KeptStream | str], given: Sequence[bytes | None]
) -> tuple[KeptStream, ...] | str:
    """The streams, with their bytes where the store has them; or why they are not those that were scored."""
    kept = []
    for error, stream, data in zip(errors, found, given, strict=True):
        if isinstance(stream, str):
            return stream
        if stream.squared_error != error:
            return (
                f"decoded again, they give other pixels than were scored (squared error {stream.squared_error}, was "
                f"{error})"
            )
        kept.append(stream._replace(data=data))
    return tuple(kept)
