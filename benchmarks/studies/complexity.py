"""Complexity of each route from bitstream to predictions: ``hsc-bench complexity --help``.

    image route    bytes --entropy--> symbols --latents--> w, F --synthesis--> image --head--> answers
    latent route   bytes --entropy--> symbols --latents--> w, F ---------------------head--> answers

Every route and batch size is measured in a fresh process of its own, all in one run: first the memory that one pass
adds to the loaded networks, then multiplications and parameters of each stage, then, once warm, the median time of each
stage and of the whole.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tabulate import tabulate

from benchmarks.api import Dataset
from benchmarks.harness.operating_points import curve_label, point_label
from benchmarks.harness.readers import latents_of
from benchmarks.harness.timing import timed
from benchmarks.harness.worker_process import ONE_THREAD
from benchmarks.studies.counters import Counted, counted, peak_bytes
from downstream.api import Route, routes_of, sees_originals
from downstream.compatibility import why_not
from hsc.api import Codec, Staged, StagedLatents
from hsc.devices import current_device, use_device
from hsc.errors import HscError, UnavailableError, UsageError
from hsc.weights.fetching import fetch_all

_SMALL_SIDE = 32  # pixels

WHOLE = "whole"
"""Name of the stage that spans all others: bytes to answers by the codec's and the head's public calls."""


class Case(NamedTuple):
    """One route at one batch size.

    label: of the head. streams: as many bitstreams as the batch holds. small: the bitstream of a small image, decoded
    first so that everything is loaded. threads: of torch. repeats: of each timing. device: torch's name of the device
    that networks run on.
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


@dataclass(frozen=True)
class Cost:
    """The measured cost of one stage of one case.

    ``seconds`` and ``macs`` are per image, the rest is of the whole batch. macs, parameters: None where torch ran
    nothing that is counted. peak_bytes: set for the stage "whole", else None.
    """

    codec: str
    point: str
    route: str
    head: str
    batch: int
    stage: str
    seconds: float
    macs: float | None
    parameters: int | None
    peak_bytes: int | None
    threads: int
    device: str


def steps_of(codec: Codec, head: Any, route: Route) -> list[tuple[str, Callable[[Any], Any]]]:
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


def measure(case: Case) -> list[Cost] | str:
    """The costs of all stages of a case and of the whole, or the reason why they could not be measured.

    Call it in a process that has run nothing before, so that the memory measured is its own.
    """
    try:
        with use_device(case.device):
            return _measure(case)
    except HscError as error:
        return str(error)


def _measure(case: Case) -> list[Cost]:
    import torch

    torch.set_num_threads(case.threads)
    steps = steps_of(case.codec, case.head, case.route)
    whole = _whole(case)
    whole([case.small])  # loads everything that is loaded on first use, before memory is measured
    _, peak = peak_bytes(lambda: whole(case.streams))
    inputs: list[Any] = [list(case.streams)]
    counts = []
    for _, step in steps:
        counts.append(counted(functools.partial(step, inputs[-1])))
        inputs.append(counts[-1].answer)
    seconds = [
        timed(functools.partial(step, given), case.repeats)[1] for (_, step), given in zip(steps, inputs, strict=False)
    ]
    total_s = timed(lambda: whole(case.streams), case.repeats)[1]
    total = counted(lambda: whole(case.streams))
    rows = [
        _cost(case, name, step_s, count, None) for (name, _), step_s, count in zip(steps, seconds, counts, strict=True)
    ]
    return [*rows, _cost(case, WHOLE, total_s, total, peak)]


def _whole(case: Case) -> Callable[[Sequence[bytes]], Any]:
    codec: Any = case.codec
    if case.route == "image":
        return lambda streams: case.head.predict([codec.decode(data) for data in streams])
    return lambda streams: case.head.predict_latents(codec.decode_latents_batch(streams, latents_of([case.head])))


def _cost(case: Case, stage: str, seconds: float, count: Counted[Any], peak: int | None) -> Cost:
    """One stage's row. seconds, count: of the whole batch."""
    batch = len(case.streams)
    return Cost(
        codec=curve_label(case.codec),
        point=point_label(case.codec),
        route=case.route,
        head=case.label,
        batch=batch,
        stage=stage,
        seconds=seconds / batch,
        macs=count.macs / batch or None,
        parameters=count.parameters or None,
        peak_bytes=peak,
        threads=case.threads,
        device=case.device,
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
    """Measure every head on every route that it can take after each codec.

    heads: (label, head). batches: batch sizes. threads: of torch. repeats: of each timing.

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
    fetch_all([head for _, head in heads])
    costs: list[Cost] = []
    reasons: list[str] = []
    for codec in codecs:
        if reason := codec.available():
            raise UnavailableError(reason)
        streams = [codec.encode(image) for image in images]
        small = codec.encode(images[0][:_SMALL_SIDE, :_SMALL_SIDE])
        for label, head in heads:
            if reason := head.available():
                raise UnavailableError(reason)
            for route in routes_of(head):
                if reason := why_not(codec, head, dataset, route):
                    reasons.append(f"{label} after {curve_label(codec)}: {reason}")
                    continue
                for batch in batches:
                    coded = tuple(streams[:batch])
                    case = Case(codec, head, label, route, coded, small, threads, repeats, current_device())
                    costs += _measured_alone(case)
    if not costs:
        raise UsageError("no head follows any of these codecs: " + "; ".join(reasons))
    return costs


def _measured_alone(case: Case) -> list[Cost]:
    """The costs of a case, measured in a process that has run nothing before, so that its memory is its own."""
    from loky import ProcessPoolExecutor

    with ProcessPoolExecutor(max_workers=1, env=dict.fromkeys(ONE_THREAD, str(case.threads))) as pool:
        costs_or_reason: list[Cost] | str = pool.submit(measure, case).result()
    if isinstance(costs_or_reason, str):
        raise UnavailableError(f"{case.label} after {curve_label(case.codec)}: {costs_or_reason}")
    return costs_or_reason


def table(costs: Sequence[Cost]) -> str:
    """A Markdown table, one line for each stage.

    The line of each whole also gives its ratio to the first whole of the same codec, point and batch size.
    """
    references: dict[tuple[str, str, int], Cost] = {}
    body = []
    for cost in costs:
        ratio = ""
        if cost.stage == WHOLE:
            reference = references.setdefault((cost.codec, cost.point, cost.batch), cost)
            if reference is not cost:
                ratio = f"1/{reference.seconds / cost.seconds:.1f} of time, {_macs_ratio(reference.macs, cost.macs)}"
        numbers = [
            f"{1000 * cost.seconds:.1f}",
            _scaled(cost.macs, 1e9, 3),
            _scaled(cost.parameters, 1e6, 2),
            _scaled(cost.peak_bytes, 1e6, 0),
        ]
        body.append([cost.codec, cost.point, cost.route, cost.head, cost.batch, cost.stage, *numbers, ratio])
    names = [
        "codec",
        "point",
        "route",
        "head",
        "batch",
        "stage",
        "ms/image",
        "GMAC/image",
        "M parameters",
        "MB peak",
        "against the first",
    ]
    threads, device = costs[0].threads, costs[0].device
    note = (
        f"Medians on {device} with {threads} threads; whole is from bytes to answers in one call; "
        f"memory is what one pass of the batch adds."
    )
    text: str = tabulate(body, names, tablefmt="github", disable_numparse=True, colalign=["left"] * 6 + ["right"] * 5)
    return f"{text}\n\n{note}\n"


def _macs_ratio(reference: float | None, macs: float | None) -> str:
    return f"1/{reference / macs:.1f} of MACs" if reference and macs else "MACs not counted"


def _scaled(value: float | None, unit: float, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"
