"""What each route costs from bytes to answers: ``python -m benchmarks.cost --help``.

    image route    bytes --entropy--> symbols --latents--> w, F --synthesis--> image --head--> answers
    latent route   bytes --entropy--> symbols --latents--> w, F ---------------------head--> answers

Every route and batch size is measured in a fresh process of its own, all in one run: first the memory that one pass
adds to what the loaded networks hold, then multiplications and parameters of each stage, then, warm, the median time of
each stage and of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tabulate import tabulate

from benchmarks.api import Dataset
from benchmarks.harness.operating_points import curve_label, point_label
from benchmarks.harness.readers import latents_of
from benchmarks.harness.worker_process import ONE_THREAD
from benchmarks.harness.timing import timed
from benchmarks.studies.counters import counted, peak_bytes
from downstream.api import Route, routes_of, sees_originals
from downstream.compatibility import why_not
from hsc.api import Codec, Staged, StagedLatents
from hsc.devices import current_device
from hsc.errors import HscError, UnavailableError, UsageError
from hsc.weights.fetching import fetch_all

_SMALL = 32  # pixels a side

WHOLE = "whole"
"""The stage that is all of them: bytes to answers by the codec's and the head's public calls."""


class Case(NamedTuple):
    """One route at one batch size. streams: as many files as the batch holds. small: that of a small image, to load by.
    threads: of torch.
    """

    codec: Codec
    head: Any
    label: str
    route: Route
    streams: tuple[bytes, ...]
    small: bytes
    threads: int
    repeats: int


@dataclass(frozen=True)
class Cost:
    """One stage of one case, all of its batch together but for ``seconds`` and ``macs``, which are of one image.

    macs, parameters: None where torch ran nothing that is counted. peak_bytes: of the whole pass, None for its parts.
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
    """The named steps of a route over a batch: the first takes a list of streams, the last gives answers."""
    predict: Callable[[Any], Any] = head.predict if route == "image" else head.predict_latents
    if route == "image":
        singles = codec.stages() if isinstance(codec, Staged) else [("decode", codec.decode)]
    else:
        one: Any = codec
        names = latents_of([head])
        singles = (
            codec.latent_stages(names)
            if isinstance(codec, StagedLatents)
            else [("latents", lambda data: one.decode_latents(data, names))]
        )
    return [*((name, _over_batch(step)) for name, step in singles), ("head", predict)]


def _over_batch(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: [step(value) for value in values]


def measure(case: Case) -> list[Cost] | str:
    """All stages of a case and the whole, or why they could not be measured. Meant for a process that has run nothing
    before.
    """
    try:
        return _measure(case)
    except HscError as error:
        return str(error)


def _measure(case: Case) -> list[Cost]:
    import torch

    torch.set_num_threads(case.threads)
    steps = steps_of(case.codec, case.head, case.route)
    whole = _whole(case)
    whole([case.small])  # what is loaded on first use is loaded before memory is looked at
    _, peak = peak_bytes(lambda: whole(case.streams))
    inputs: list[Any] = [list(case.streams)]
    facts = []
    for _, step in steps:
        output, macs, parameters = counted(lambda step=step: step(inputs[-1]))  # type: ignore[misc]
        inputs.append(output)
        facts.append((macs, parameters))
    seconds = [
        timed(lambda step=step, given=given: step(given), case.repeats)[1]
        for (_, step), given in zip(steps, inputs, strict=False)
    ]  # type: ignore[misc]
    total_s = timed(lambda: whole(case.streams), case.repeats)[1]
    _, macs, parameters = counted(lambda: whole(case.streams))
    rows = [_cost(case, name, s, *fact, None) for (name, _), s, fact in zip(steps, seconds, facts, strict=True)]
    return [*rows, _cost(case, WHOLE, total_s, macs, parameters, peak)]


def _whole(case: Case) -> Callable[[Sequence[bytes]], Any]:
    codec: Any = case.codec
    if case.route == "image":
        return lambda streams: case.head.predict([codec.decode(data) for data in streams])
    return lambda streams: case.head.predict_latents(codec.decode_latents_batch(streams, latents_of([case.head])))


def _cost(case: Case, stage: str, seconds: float, macs: int, parameters: int, peak: int | None) -> Cost:
    batch = len(case.streams)
    named = (curve_label(case.codec), point_label(case.codec), case.route, case.label, batch, stage)
    return Cost(
        *named,
        seconds / batch,
        macs / batch or None,
        parameters or None,
        peak,
        case.threads,
        current_device(),
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
    """Measure every head on every route that follows a codec.

    Raises:
        UnavailableError: a codec or a head cannot run here.
        UsageError: no head follows any codec, one of them is a judge, or the data set holds fewer images than a batch.
    """
    if min(batches) < 1 or max(batches) > len(dataset) or threads < 1 or repeats < 1:
        raise UsageError(
            f"batches {list(batches)}, {threads} threads, {repeats} repeats: expected 1 or more, and batches of at "
            f"most {len(dataset)} images"
        )
    if judges := [label for label, head in heads if sees_originals(head)]:
        raise UsageError(
            f"{', '.join(judges)} compares with the original, which is not in a bitstream; name a --head that reads "
            f"images or latents"
        )
    images = [dataset.load(i).image for i in range(max(batches))]
    fetch_all([head for _, head in heads])
    costs: list[Cost] = []
    reasons: list[str] = []
    for codec in codecs:
        if reason := codec.available():
            raise UnavailableError(reason)
        streams, small = [codec.encode(image) for image in images], codec.encode(images[0][:_SMALL, :_SMALL])
        for label, head in heads:
            if reason := head.available():
                raise UnavailableError(reason)
            for route in routes_of(head):
                if reason := why_not(codec, head, dataset, route):
                    reasons.append(f"{label} after {curve_label(codec)}: {reason}")
                    continue
                for batch in batches:
                    costs += _alone(Case(codec, head, label, route, tuple(streams[:batch]), small, threads, repeats))
    if not costs:
        raise UsageError("no head follows any of these codecs: " + "; ".join(reasons))
    return costs


def _alone(case: Case) -> list[Cost]:
    """A case in a process that has run nothing before, so that its memory is its own."""
    from loky import ProcessPoolExecutor

    with ProcessPoolExecutor(max_workers=1, env=dict.fromkeys(ONE_THREAD, str(case.threads))) as pool:
        found: list[Cost] | str = pool.submit(measure, case).result()
    if isinstance(found, str):
        raise UnavailableError(f"{case.label} after {curve_label(case.codec)}: {found}")
    return found


def table(costs: Sequence[Cost]) -> str:
    """Markdown: one line a stage; and, under each whole, how it compares with the first whole of its codec, point and
    batch.
    """
    first: dict[tuple[str, str, int], Cost] = {}
    body = []
    for cost in costs:
        of = first.setdefault((cost.codec, cost.point, cost.batch), cost) if cost.stage == WHOLE else None
        ratio = (
            ""
            if of is None or of is cost
            else f"1/{of.seconds / cost.seconds:.1f} of time, {_share(of.macs, cost.macs)}"
        )
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
        f"Medians on {device} with {threads} threads; whole is from bytes to answers in one call; memory is what one "
        f"pass of the batch adds."
    )
    text: str = tabulate(body, names, tablefmt="github", disable_numparse=True, colalign=["left"] * 6 + ["right"] * 5)
    return f"{text}\n\n{note}\n"


def _share(first: float | None, other: float | None) -> str:
    return f"1/{first / other:.1f} of MACs" if first and other else "MACs not counted"


def _scaled(value: float | None, unit: float, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"
