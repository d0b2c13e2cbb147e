"""A table checked from its bitstreams: the kept streams are decoded, read and scored again by what is installed here.

    streams.zip --decode--> images --heads--> predictions --metrics--> scores of these images
         |                    |                   |                        |
       sha256, size      hash, or sketch        hash                 within SCORES      each against what the run kept

Bytes and sizes must be exact. Floats of learned codecs and heads may differ a little between machines, so decoded pixels may by
``PIXELS``, and scores by ``SCORES`` where a prediction does; what was exact is said.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import kept_streams, records
from benchmarks.api import PredictionRecord, StreamRecord
from benchmarks.bootstrap import Bootstrap
from benchmarks.execution import Executor
from benchmarks.keeping import scores as kept_scores
from benchmarks.kept_streams import KeptScore, KeptStream, KeptStreams
from benchmarks.pixel_sketch import squared_distance
from benchmarks.progress import Progress, Silent
from benchmarks.recounting import ROUNDING, near
from benchmarks.redecoding import Again, Job, prediction_sha256, redecode
from benchmarks.restoring import Setting, restore
from benchmarks.run_folder import RunFolder, Verdict, verdicts
from benchmarks.scoring import score
from benchmarks.store import Store
from hsc.errors import ResultsError

PIXELS = 1e-4
"""Mean squared difference of decoded samples, in levels: one level in 0.01 % of them. Estimated within about 25 %."""
SCORES = 0.005
"""Of a score, or of 1 where it is less; half a point of AP. Scores of predictions that are the same bit for bit must be the same."""


def reread(run: RunFolder, executor: Executor, progress: Progress) -> Iterator[Verdict]:
    """Every check that needs the kept streams, the data set, the codecs and the heads.

    Raises:
        ResultsError: ``streams.zip`` is missing or damaged.
        HscError: the data set or the task cannot be used here.
    """
    kept = kept_streams.read(run.path)
    found: list[Verdict] = []
    setting = restore(run, kept, found)
    yield from found
    yield from _recorded(run, kept)
    answers: dict[str, Again] = {}
    progress.begin("decoding and reading", len(kept.images) * len(setting.cells))
    for job, again, died in executor.run(redecode, _jobs(setting)):
        answers[job.cell] = again if again is not None else Again([f"{died}"] * len(kept.images))
        progress.advance(f"{setting.cells[job.cell].curve} {setting.cells[job.cell].point}", len(kept.images))
    yield from _streams(setting, answers)
    yield from _pixels(setting, answers)
    yield from _scores(setting, answers)


def _recorded(run: RunFolder, kept: KeptStreams) -> Iterator[Verdict]:
    """The kept streams are those whose sizes stand in ``records.csv``."""
    try:
        lines = {(line.cell, line.image): line for line in records.read(run.path)}
    except ResultsError as error:
        yield Verdict("unchecked", "sizes", str(error))
        return
    wrong = []
    for at, streams in kept.streams.items():
        for image, stream in zip(kept.images, streams, strict=True):
            line, cell = lines.get((at, image.id)), run.about["cells"].get(at, {"curve": at, "point": ""})
            if line is None or (line.height, line.width, line.size_bytes) != (image.height, image.width, stream.size_bytes):
                told = f"{line.size_bytes} bytes for {line.width}x{line.height} pixels" if line else "nothing"
                is_ = f"{stream.size_bytes} bytes for {image.width}x{image.height}"
                wrong.append(f"{cell['curve']} {cell['point']}, {image.id}: records.csv counts {told}, the stream is {is_}")
    count = sum(len(streams) for streams in kept.streams.values())
    yield from verdicts("sizes", wrong, f"the {count} kept streams are as long as records.csv counts them")


def _jobs(setting: Setting) -> Iterator[Job]:
    config = setting.plan.config
    for at, cell in setting.cells.items():
        heads = tuple((n, config.heads[n][1], config.routes[n]) for n in cell.predictions)
        data = tuple(stream.data for stream in setting.kept.streams[at])
        yield Job(at, config.dataset, cell.codec, setting.kept.images, data, heads)


def _each(setting: Setting, answers: Mapping[str, Again]) -> Iterator[tuple[str, str, KeptStream, KeptStream | str]]:
    """(cell, its name with the image's, what was kept, what came out) of each stream."""
    for at, cell in setting.cells.items():
        for image, was, now in zip(setting.kept.images, setting.kept.streams[at], answers[at].streams, strict=True):
            yield at, f"{cell.curve} {cell.point}, {image.id}".replace(" ,", ","), was, now


def _streams(setting: Setting, answers: dict[str, Again]) -> Iterator[Verdict]:
    """Kept bytes are unaltered; those that were not kept come out of the encoder again."""
    wrong, other, same, again = [], [], 0, 0
    for at, name, was, now in _each(setting, answers):
        if isinstance(now, str):
            wrong.append(f"{name}: {now}")
        elif (now.sha256, now.size_bytes) == (was.sha256, was.size_bytes):
            same, again = same + (was.data is not None), again + (was.data is None)
        elif was.data is not None:
            wrong.append(f"{name}: its {now.size_bytes} bytes are not those the run counted (another sha256)")
        else:
            other.append((at, f"{name}: {was.size_bytes} bytes then, {now.size_bytes} now"))
    yield from verdicts(
        "streams", wrong, f"{same} kept streams are unaltered" + (f", {again} more come out of their encoders byte for byte" if again else "")
    )
    if other:
        text = f"{len(other)} streams were too large to keep, and the encoder here gives other bytes: {other[0][1]}"
        yield Verdict("unchecked", "streams", text)
        for at in {at for at, _ in other}:
            answers[at].streams = [""] * len(setting.kept.images)
            answers[at].predictions.clear()


def _pixels(setting: Setting, answers: Mapping[str, Again]) -> Iterator[Verdict]:
    wrong, exact, close = [], 0, []
    sizes = {image.id: 3 * image.height * image.width for image in setting.kept.images}
    for _, name, was, now in _each(setting, answers):
        if isinstance(now, str):
            continue
        distance = squared_distance(was.sketch, now.sketch) / sizes[name.rsplit(", ", 1)[-1]]
        if was.decoded_sha256 == now.decoded_sha256:
            exact += 1
            if was.squared_error != now.squared_error:
                wrong.append(f"{name}: the run counted a squared error of {was.squared_error}, these very pixels give {now.squared_error}")
        elif distance <= PIXELS:
            close.append(distance)
        else:
            wrong.append(f"{name}: it decodes to other pixels than the run scored, {math.sqrt(distance):.3g} levels apart (root mean square)")
    text = f"{exact} of {exact + len(close)} images decode bit for bit as in the run"
    text += f", the others within a mean squared difference of {max(close):.2g} ({PIXELS:g} is allowed)" if close else ""
    yield from verdicts("pixels", wrong, text)


def _scores(setting: Setting, answers: Mapping[str, Again]) -> Iterator[Verdict]:
    """Predictions and scores of the kept images, through the scoring that made the table."""
    failed = [
        f"{cell.curve} {cell.point}, head {setting.plan.config.heads[n][0]}: {found}"
        for at, cell in setting.cells.items()
        for n, found in answers[at].predictions.items()
        if isinstance(found, str) and all(isinstance(s, KeptStream) for s in answers[at].streams)
    ]
    exact, count, differing = _exact(setting, answers)
    made = {s[:6]: s.value for s in _scored(setting, answers)}
    told: dict[Any, KeptScore] = {s[:6]: s for s in setting.kept.scores}
    wrong, largest = list(failed), 0.0
    for key, was in told.items():
        if key not in made:
            continue
        off = abs(made[key] - was.value) / max(abs(was.value), 1.0)
        allowed = SCORES if key[:4] in differing else ROUNDING
        if not near(made[key], was.value) and not off <= allowed:
            wrong.append(f"{' '.join(' '.join(key).split())} of the kept images is {was.value:.6g} in the run and {made[key]:.6g} here")
        elif not math.isnan(off):
            largest = max(largest, off)
    compared = len(told.keys() & made.keys())
    if not compared and not wrong:
        yield Verdict("unchecked", "scores", "no score of the run could be computed again")
        return
    text = f"{compared} scores of {len(setting.kept.images)} images come out again, the largest difference {largest:.2g} ({SCORES:g} is allowed)"
    yield Verdict("note" if exact < count else "holds", "predictions", f"{exact} of {count} predictions are bit for bit those of the run")
    yield from verdicts("scores", wrong, text)
    if missing := len(told) - compared:
        yield Verdict("unchecked", "scores", f"{missing} of {len(told)} scores could not be computed again, for the reasons above")


def _exact(setting: Setting, answers: Mapping[str, Again]) -> tuple[int, int, set[tuple[str, ...]]]:
    """How many predictions are the same, of how many, and the (curve, point, head, route) of those that are not."""
    config, exact, count = setting.plan.config, 0, 0
    differing: set[tuple[str, ...]] = set()
    hashes: dict[tuple[str, ...], tuple[str, ...]] = {one[:4]: one.sha256 for one in setting.kept.predictions}
    for at, cell in setting.cells.items():
        for number, found in answers[at].predictions.items():
            name = cell.curve, cell.point, config.heads[number][0], config.routes[number]
            if not isinstance(found, str) and name in hashes:
                same = sum(was == prediction_sha256(p) for was, p in zip(hashes[name], found, strict=True))
                exact, count = exact + same, count + len(found)
                differing |= {name} if same < len(found) else set()
    return exact, count, differing


def _scored(setting: Setting, answers: Mapping[str, Again]) -> Sequence[KeptScore]:
    """The scores of what came out here."""
    with tempfile.TemporaryDirectory(prefix="hsc-") as folder, Store(Path(folder) / "store.sqlite") as store:
        for at, cell in setting.cells.items():
            for number, found in answers[at].predictions.items():
                if not isinstance(found, str):
                    pairs = zip(cell.predictions[number], setting.kept.images, found, strict=True)
                    store.add({}, {key: PredictionRecord(image.id, 0.0, p) for key, image, p in pairs}, {})
            streams = [s for s in answers[at].streams if isinstance(s, KeptStream)]
            if len(streams) == len(setting.kept.images):
                triples = zip(cell.streams, setting.kept.images, streams, strict=True)
                store.add({k: (StreamRecord(i.id, (i.height, i.width), s.size_bytes, 0.0, 0.0, s.squared_error), b"") for k, i, s in triples}, {}, {})
        return kept_scores(score(setting.plan, store, Bootstrap(len(setting.kept.images), 0, setting.plan.config.seed), Silent()).rows)
