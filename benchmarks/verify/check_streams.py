"""The kept bitstreams, decoded, read and scored again by the codecs and heads that are installed here.

    streams.zip --decode--> images --heads--> predictions --metrics--> scores of these images
         |                    |                   |                        |
       sha256, size      hash, or sketch        hash                within a tolerance       compared with the kept ones

Bytes and sizes must be equal. Floats of learned codecs and heads differ a little between machines, so decoded pixels
may differ by ``MAX_PIXEL_DISTANCE``, and scores of unequal predictions by ``rescore.TOLERANCE``; the verdicts count how
many were equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmarks.harness.executors import Executor
from benchmarks.harness.jobs import images_of
from benchmarks.harness.progress import Progress
from benchmarks.imaging.sketch import squared_distance
from benchmarks.runs import archive, records
from benchmarks.runs.archive import KeptStream, KeptStreams
from benchmarks.runs.redecode import Again, Job, redecode
from benchmarks.runs.run_folder import Run
from benchmarks.verify.rebuild import Rebuilt, rebuild
from benchmarks.verify.rescore import rescore
from benchmarks.verify.verdict import Verdict, attempted, verdicts
from hsc.errors import ResultsError

MAX_PIXEL_DISTANCE = 1e-4
"""Mean squared difference of decoded samples, in levels: one level in 0.01 % of them. Estimated within about 25 %."""


def check_streams(run: Run, executor: Executor, progress: Progress, trust: bool = False) -> Iterator[Verdict]:
    """Every check that needs the kept streams, the data set, the codecs and the heads. trust: as in ``rebuild``.

    Raises:
        ResultsError: ``streams.zip`` is missing or damaged.
        HscError: the data set or the task cannot be used here.
    """
    kept = archive.read(run.folder)
    rebuilt, troubles = rebuild(run, kept, trust)
    yield from troubles
    yield from _recorded(run, kept)
    answers: dict[str, Again] = {}
    progress.begin("decoding and reading", len(kept.images) * len(rebuilt.cells))
    for job, again, died in executor.run(redecode, _jobs(rebuilt)):
        answers[job.cell] = again if again is not None else Again([f"{died}"] * len(kept.images))
        progress.advance(f"{rebuilt.cells[job.cell].curve} {rebuilt.cells[job.cell].point}", len(kept.images))
    yield from _streams(rebuilt, answers)
    yield from _pixels(rebuilt, answers)
    yield from attempted("scores", rescore(run, rebuilt, answers, executor))


def _recorded(run: Run, kept: KeptStreams) -> Iterator[Verdict]:
    """The kept streams have the sizes and errors that ``records.csv`` holds."""
    try:
        lines = {(line.cell, line.image): line for line in records.read(run.folder)}
    except ResultsError as error:
        yield Verdict("skipped", "sizes", str(error))
        return
    wrong = []
    for cell_id, streams in kept.streams.items():
        cell = run.about["cells"].get(cell_id, {"curve": cell_id, "point": ""})
        for image, stream in zip(kept.images, streams, strict=True):
            line, size = lines.get((cell_id, image.id)), (image.height, image.width, stream.size_bytes)
            name = f"{cell['curve']} {cell['point']}, {image.id}"
            if line is None or (line.height, line.width, line.size_bytes) != size:
                recorded = f"{line.size_bytes} bytes for {line.width}x{line.height} pixels" if line else "nothing"
                wrong.append(
                    f"{name}: records.csv counts {recorded}, the stream is {stream.size_bytes} bytes for "
                    f"{image.width}x{image.height}"
                )
            elif line.squared_error != stream.squared_error:
                wrong.append(
                    f"{name}: records.csv has a squared error of {line.squared_error}, the kept stream one of "
                    f"{stream.squared_error}"
                )
    count = sum(len(streams) for streams in kept.streams.values())
    yield from verdicts(
        "sizes", wrong, f"the {count} kept streams are as long, and lose as much, as records.csv counts them"
    )


def _jobs(rebuilt: Rebuilt) -> Iterator[Job]:
    config = rebuilt.plan.config
    images = images_of(config.dataset, [image.place for image in rebuilt.kept.images])
    regions = tuple(image.regions for image in rebuilt.plan.images)
    for cell_id, cell in rebuilt.cells.items():
        readers = tuple(reader for reader in config.readers if reader.name in cell.predictions)
        data = tuple(stream.data for stream in rebuilt.kept.streams[cell_id])
        yield Job(cell_id, images, cell.codec, rebuilt.kept.images, data, readers, regions)


class _StreamPair(NamedTuple):
    """A kept stream and the one decoded here, or the reason why there is none. samples: 3 x pixels of the image."""

    cell: str
    name: str
    samples: int
    kept: KeptStream
    again: KeptStream | str


def _pairs(rebuilt: Rebuilt, answers: Mapping[str, Again]) -> Iterator[_StreamPair]:
    images, streams = rebuilt.kept.images, rebuilt.kept.streams
    for cell_id, cell in rebuilt.cells.items():
        for image, kept, again in zip(images, streams[cell_id], answers[cell_id].streams, strict=True):
            name = f"{cell.curve} {cell.point}".strip() + f", {image.id}"
            yield _StreamPair(cell_id, name, 3 * image.height * image.width, kept, again)


def _streams(rebuilt: Rebuilt, answers: dict[str, Again]) -> Iterator[Verdict]:
    """Kept bytes are unaltered; streams whose bytes were not kept come out of the encoder again."""
    wrong, unlike, unaltered, encoded_again = [], [], 0, 0
    for cell_id, name, _, kept, again in _pairs(rebuilt, answers):
        if isinstance(again, str):
            wrong.append(f"{name}: {again}")
        elif (again.sha256, again.size_bytes) == (kept.sha256, kept.size_bytes):
            unaltered, encoded_again = unaltered + (kept.data is not None), encoded_again + (kept.data is None)
        elif kept.data is not None:
            size = again.size_bytes
            wrong.append(f"{name}: its {size} bytes in {archive.FILE} are not those the run counted (another sha256)")
        else:
            unlike.append((cell_id, f"{name}: {kept.size_bytes} bytes then, {again.size_bytes} now"))
    right = f"{unaltered} kept streams are unaltered"
    right += f", {encoded_again} more come out of their encoders byte for byte" if encoded_again else ""
    yield from verdicts("streams", wrong, right)
    if unlike:
        text = f"{len(unlike)} streams were too large to keep, and the encoder here gives other bytes: {unlike[0][1]}"
        yield Verdict("skipped", "streams", text)
        for cell_id in {cell_id for cell_id, _ in unlike}:
            answers[cell_id].streams = [""] * len(rebuilt.kept.images)
            answers[cell_id].predictions.clear()


def _pixels(rebuilt: Rebuilt, answers: Mapping[str, Again]) -> Iterator[Verdict]:
    wrong, exact, close = [], 0, []
    for _, name, samples, kept, again in _pairs(rebuilt, answers):
        if isinstance(again, str):
            continue
        distance = squared_distance(kept.sketch, again.sketch) / samples
        if kept.decoded_sha256 == again.decoded_sha256:
            exact += 1
            if kept.squared_error != again.squared_error:
                wrong.append(
                    f"{name}: the run counted a squared error of {kept.squared_error}, these very pixels give "
                    f"{again.squared_error}"
                )
        elif distance <= MAX_PIXEL_DISTANCE:
            close.append(distance)
        else:
            wrong.append(
                f"{name}: it decodes to other pixels than the run scored, {math.sqrt(distance):.3g} levels apart "
                f"(root mean square)"
            )
    text = f"{exact} of {exact + len(close)} images decode bit for bit as in the run"
    if close:
        text += f", the others within a mean squared difference of {max(close):.2g} ({MAX_PIXEL_DISTANCE:g} is allowed)"
    yield from verdicts("pixels", wrong, text)
