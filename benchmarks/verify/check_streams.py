"""A table checked from its bitstreams: the kept streams are decoded, read and scored again by what is installed here.

    streams.zip --decode--> images --heads--> predictions --metrics--> scores of these images
         |                    |                   |                        |
       sha256, size      hash, or sketch        hash                 within SCORES      each against what the run kept

Bytes and sizes must be exact. Floats of learned codecs and heads may differ a little between machines, so decoded
pixels may by ``PIXELS``, and scores by ``SCORES`` where a prediction does; what was exact is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmarks.harness.executors import Executor
from benchmarks.harness.progress import Progress
from benchmarks.imaging.sketch import squared_distance
from benchmarks.runs import archive, records
from benchmarks.runs.archive import KeptStream, KeptStreams
from benchmarks.runs.redecode import Again, Job, redecode
from benchmarks.runs.verify_folder import RunFolder
from benchmarks.verify.check_records import attempted
from benchmarks.verify.check_scores import rescore
from benchmarks.verify.rebuild import Setting, restore
from benchmarks.verify.verdict import Verdict, verdicts
from hsc.errors import ResultsError

PIXELS = 1e-4
"""Mean squared difference of decoded samples, in levels: one level in 0.01 % of them. Estimated within about 25 %."""


def reread(run: RunFolder, executor: Executor, progress: Progress, trust: bool = False) -> Iterator[Verdict]:
    """Every check that needs the kept streams, the data set, the codecs and the heads. trust: as ``restore``.

    Raises:
        ResultsError: ``streams.zip`` is missing or damaged.
        HscError: the data set or the task cannot be used here.
    """
    kept = archive.read(run.path)
    found: list[Verdict] = []
    setting = restore(run, kept, found, trust)
    yield from found
    yield from _recorded(run, kept)
    answers: dict[str, Again] = {}
    progress.begin("decoding and reading", len(kept.images) * len(setting.cells))
    for job, again, died in executor.run(redecode, _jobs(setting)):
        answers[job.cell] = again if again is not None else Again([f"{died}"] * len(kept.images))
        progress.advance(f"{setting.cells[job.cell].curve} {setting.cells[job.cell].point}", len(kept.images))
    yield from _streams(setting, answers)
    yield from _pixels(setting, answers)
    yield from attempted("scores", rescore(run, setting, answers))


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
            name = f"{cell['curve']} {cell['point']}, {image.id}"
            if line is None or (line.height, line.width, line.size_bytes) != (
                image.height,
                image.width,
                stream.size_bytes,
            ):
                told = f"{line.size_bytes} bytes for {line.width}x{line.height} pixels" if line else "nothing"
                wrong.append(
                    f"{name}: records.csv counts {told}, the stream is {stream.size_bytes} bytes for "
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


def _jobs(setting: Setting) -> Iterator[Job]:
    config = setting.plan.config
    for at, cell in setting.cells.items():
        readers = tuple(reader for reader in config.readers if reader.name in cell.predictions)
        data = tuple(stream.data for stream in setting.kept.streams[at])
        yield Job(at, config.dataset, cell.codec, setting.kept.images, data, readers)


class _Each(NamedTuple):
    """A kept stream: its cell, its name with the image's, the samples of the image, what was kept, what came out."""

    cell: str
    name: str
    samples: int
    was: KeptStream
    now: KeptStream | str


def _each(setting: Setting, answers: Mapping[str, Again]) -> Iterator[_Each]:
    for at, cell in setting.cells.items():
        for image, was, now in zip(setting.kept.images, setting.kept.streams[at], answers[at].streams, strict=True):
            name = f"{cell.curve} {cell.point}".strip()
            yield _Each(at, f"{name}, {image.id}", 3 * image.height * image.width, was, now)


def _streams(setting: Setting, answers: dict[str, Again]) -> Iterator[Verdict]:
    """Kept bytes are unaltered; those that were not kept come out of the encoder again."""
    wrong, other, same, again = [], [], 0, 0
    for at, name, _, was, now in _each(setting, answers):
        if isinstance(now, str):
            wrong.append(f"{name}: {now}")
        elif (now.sha256, now.size_bytes) == (was.sha256, was.size_bytes):
            same, again = same + (was.data is not None), again + (was.data is None)
        elif was.data is not None:
            wrong.append(f"{name}: its {now.size_bytes} bytes are not those the run counted (another sha256)")
        else:
            other.append((at, f"{name}: {was.size_bytes} bytes then, {now.size_bytes} now"))
    yield from verdicts(
        "streams",
        wrong,
        f"{same} kept streams are unaltered"
        + (f", {again} more come out of their encoders byte for byte" if again else ""),
    )
    if other:
        text = f"{len(other)} streams were too large to keep, and the encoder here gives other bytes: {other[0][1]}"
        yield Verdict("unchecked", "streams", text)
        for at in {at for at, _ in other}:
            answers[at].streams = [""] * len(setting.kept.images)
            answers[at].predictions.clear()


def _pixels(setting: Setting, answers: Mapping[str, Again]) -> Iterator[Verdict]:
    wrong, exact, close = [], 0, []
    for _, name, samples, was, now in _each(setting, answers):
        if isinstance(now, str):
            continue
        distance = squared_distance(was.sketch, now.sketch) / samples
        if was.decoded_sha256 == now.decoded_sha256:
            exact += 1
            if was.squared_error != now.squared_error:
                wrong.append(
                    f"{name}: the run counted a squared error of {was.squared_error}, these very pixels give "
                    f"{now.squared_error}"
                )
        elif distance <= PIXELS:
            close.append(distance)
        else:
            wrong.append(
                f"{name}: it decodes to other pixels than the run scored, {math.sqrt(distance):.3g} levels apart "
                f"(root mean square)"
            )
    text = f"{exact} of {exact + len(close)} images decode bit for bit as in the run"
    text += (
        f", the others within a mean squared difference of {max(close):.2g} ({PIXELS:g} is allowed)" if close else ""
    )
    yield from verdicts("pixels", wrong, text)
