"""Complexity of encoding, and of each route from bitstream to predictions: ``hsc-bench complexity --help``.

    encode         image --inversion--> w, F --symbols, entropy--> bytes      (a codec's own stages, or one)
    image route    bytes --entropy--> symbols --latents--> w, F --synthesis--> image --head--> answers
    latent route   bytes --entropy--> symbols --latents--> w, F ---------------------head--> answers

Every case and batch size is measured in a fresh process of its own, all in one run: first the memory that one pass
adds to the loaded networks, then multiplications and parameters of each stage, then, once warm, the median time of each
stage and of the whole, and last the energy of the whole where the machine has a counter of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from benchmarks.api import Dataset
from benchmarks.harness.operating_points import curve_label, point_label
from benchmarks.harness.readers import latents_of
from benchmarks.harness.timing import timed
from benchmarks.harness.worker_process import ONE_THREAD
from benchmarks.studies.costs import ENCODE, WHOLE, Cost
from benchmarks.studies.counters import Counted, counted, peak_bytes
from benchmarks.studies.energy import Energy, energy_of
from downstream.api import Route, routes_of, sees_originals
from downstream.compatibility import why_not
from hsc.api import Codec, Image, Staged, StagedEncoding, StagedLatents
from hsc.devices import current_device, use_device
from hsc.errors import HscError, UnavailableError, UsageError
from hsc.weights.fetching import fetch_all

_SMALL_SIDE = 32  # pixels

Steps = list[tuple[str, Callable[[Any], Any]]]
"""Named steps over a batch, each taking the list that the previous one returned."""


class Case(NamedTuple):
    """One route at one batch size.

    label: of the head. streams: as many bitstreams as the batch holds. small: the bitstream of a small image, decoded
    first so that everything is loaded. threads: of torch. repeats: of each timing. device: torch's name of the device
    that networks run on. pixels: of all images of the batch, 0 where they are not known.
    """

    codec: Codec
    head: Any
    label: str
    route: Route
    streams: tuple[bytes, ...]
    small: bytes
    threads: int
    repeats: int
    device: str = "cpu"
    pixels: int = 0

    @property
    def steps(self) -> Steps:
        """From bitstreams to answers."""
        return steps_of(self.codec, self.head, self.route)

    @property
    def whole(self) -> Callable[[Any], Any]:
        """The same by the public calls of codec and head."""
        codec: Any = self.codec
        if self.route == "image":
            return lambda streams: self.head.predict([codec.decode(data) for data in streams])
        return lambda streams: self.head.predict_latents(codec.decode_latents_batch(streams, latents_of([self.head])))

    @property
    def batch(self) -> tuple[bytes, ...]:
        """What goes in."""
        return self.streams


class EncodeCase(NamedTuple):
    """Encoding at one batch size. images: as many as the batch holds. small: a small image, encoded first."""

    codec: Codec
    images: tuple[Image, ...]
    small: Image
    threads: int
    repeats: int
    device: str = "cpu"

    @property
    def label(self) -> str:
        """No head."""
        return ""

    @property
    def route(self) -> str:
        """That of the sender."""
        return ENCODE

    @property
    def steps(self) -> Steps:
        """From images to bitstreams: the codec's own stages, or one."""
        codec = self.codec
        stages = codec.encode_stages() if isinstance(codec, StagedEncoding) else [("encode", codec.encode)]
        return [(name, _over_batch(stage)) for name, stage in stages]

    @property
    def whole(self) -> Callable[[Any], Any]:
        """The same by the codec's public call."""
        return lambda images: [self.codec.encode(image) for image in images]

    @property
    def batch(self) -> tuple[Image, ...]:
        """What goes in."""
        return self.images

    @property
    def pixels(self) -> int:
        """Of all images of the batch."""
        return sum(image.shape[0] * image.shape[1] for image in self.images)


def steps_of(codec: Codec, head: Any, route: Route) -> Steps:
    """The named steps of a route over a batch: the first takes a list of bitstreams, the last returns answers."""
    predict: Callable[[Any], Any] = head.predict if route == "image" else head.predict_latents
    stages = _image_stages(codec) if route == "image" else _latent_stages(codec, latents_of([head]))
    return [*((name, _over_batch(stage)) for name, stage in stages), ("head", predict)]


def _image_stages(codec: Codec) -> Sequence[tuple[str, Callable[[Any], Any]]]:
    """The stages from one bitstream to its image."""
    return codec.stages() if isinstance(codec, Staged) else [("decode", codec.decode)]


def _latent_stages(codec: Codec, names: Sequence[str] | None) -> Sequence[tuple[str, Callable[[Any], Any]]]:
    """The stages from one bitstream to the latents ``names``, or to all of them."""
    if isinstance(codec, StagedLatents):
        return codec.latent_stages(names)
    decoder: Any = codec
    return [("latents", lambda data: decoder.decode_latents(data, names))]


def _over_batch(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: [step(value) for value in values]


def measure(case: Case | EncodeCase) -> list[Cost] | str:
    """The costs of all stages of a case and of the whole, or the reason why they could not be measured.

    Call it in a process that has run nothing before, so that the memory measured is its own.
    """
    try:
        with use_device(case.device):
            return _measure(case)
    except HscError as error:
        return str(error)


def _measure(case: Case | EncodeCase) -> list[Cost]:
    import torch

    torch.set_num_threads(case.threads)
    steps, whole, batch = case.steps, case.whole, list(case.batch)
    whole([case.small])  # loads everything that is loaded on first use, before memory is measured
    _, peak = peak_bytes(lambda: whole(batch))
    inputs: list[Any] = [batch]
    counts = []
    for _, step in steps:
        counts.append(counted(functools.partial(step, inputs[-1])))
        inputs.append(counts[-1].answer)
    seconds = [
        timed(functools.partial(step, given), case.repeats)[1] for (_, step), given in zip(steps, inputs, strict=False)
    ]
    total_s = timed(lambda: whole(batch), case.repeats)[1]
    total = counted(lambda: whole(batch))
    energy = energy_of(lambda: whole(batch), case.device)
    rows = [_cost(case, name, step_s, count) for (name, _), step_s, count in zip(steps, seconds, counts, strict=True)]
    return [*rows, _cost(case, WHOLE, total_s, total, peak, energy)]


def _cost(
    case: Case | EncodeCase,
    stage: str,
    seconds: float,
    count: Counted[Any],
    peak: int | None = None,
    energy: Energy = Energy(None, ""),  # noqa: B008  a value that cannot change
) -> Cost:
    """One stage's row. seconds, count, peak, energy: of the whole batch."""
    images = len(case.batch)
    return Cost(
        codec=curve_label(case.codec),
        point=point_label(case.codec),
        route=case.route,
        head=case.label,
        batch=images,
        stage=stage,
        seconds=seconds / images,
        macs=count.macs / images or None,
        parameters=count.parameters or None,
        peak_bytes=peak,
        threads=case.threads,
        device=case.device,
        macs_per_pixel=count.macs / case.pixels if count.macs and case.pixels else None,
        joules=None if energy.joules is None else energy.joules / images,
        energy=energy.source,
    )


def run(
    codecs: Sequence[Codec],
    heads: Sequence[tuple[str, Any]],
    dataset: Dataset,
    *,
    batches: Sequence[int],
    threads: int,
    repeats: int,
) -> list[Cost]:
    """Measure how each codec encodes, and every head on every route that it can take after each codec.

    heads: (label, head), none for encoding alone. batches: batch sizes. threads: of torch. repeats: of each timing.

    Raises:
        UnavailableError: a codec or a head cannot run here.
        UsageError: no head can follow any codec, one is a fidelity head, or the data set has fewer images than a batch.
    """
    if min(batches) < 1 or max(batches) > len(dataset) or threads < 1 or repeats < 1:
        raise UsageError(
            f"batches {list(batches)}, {threads} threads, {repeats} repeats: "
            f"expected 1 or more, and batches of at most {len(dataset)} images"
        )
    if fidelity_heads := [label for label, head in heads if sees_originals(head)]:
        raise UsageError(
            f"{', '.join(fidelity_heads)} compares with the original, which is not in a bitstream; "
            f"name a --head that reads images or latents"
        )
    images = [dataset.load(i).image for i in range(max(batches))]
    fetch_all([*codecs, *(head for _, head in heads)])
    for item in (*codecs, *(head for _, head in heads)):
        if reason := item.available():
            raise UnavailableError(reason)
    cases: list[Case | EncodeCase] = []
    reasons: list[str] = []
    for codec in codecs:
        streams = [codec.encode(image) for image in images] if heads else []
        small = images[0][:_SMALL_SIDE, :_SMALL_SIDE]
        small_stream = codec.encode(small) if heads else b""
        common = threads, repeats, current_device()
        cases += [EncodeCase(codec, tuple(images[:batch]), small, *common) for batch in batches]
        for label, head in heads:
            for route in routes_of(head):
                if reason := why_not(codec, head, dataset, route):
                    reasons.append(f"{label} after {curve_label(codec)}: {reason}")
                    continue
                for batch in batches:
                    pixels = sum(image.shape[0] * image.shape[1] for image in images[:batch])
                    coded = tuple(streams[:batch])
                    cases.append(Case(codec, head, label, route, coded, small_stream, *common, pixels))
    if heads and not any(isinstance(case, Case) for case in cases):
        raise UsageError("no head follows any of these codecs: " + "; ".join(reasons))
    return [cost for case in cases for cost in _measured_alone(case)]


def _measured_alone(case: Case | EncodeCase) -> list[Cost]:
    """The costs of a case, measured in a process that has run nothing before, so that its memory is its own."""
    from loky import ProcessPoolExecutor

    with ProcessPoolExecutor(max_workers=1, env=dict.fromkeys(ONE_THREAD, str(case.threads))) as pool:
        costs_or_reason: list[Cost] | str = pool.submit(measure, case).result()
    if isinstance(costs_or_reason, str):
        raise UnavailableError(f"{case.label or ENCODE} after {curve_label(case.codec)}: {costs_or_reason}")
    return costs_or_reason
