"""Costs of stages, as ``benchmarks/studies/complexity.py`` measures them, and their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

ENCODE = "encode"
"""The route of what a sender does; those of receivers are "image" and "latent"."""
WHOLE = "whole"
"""Name of the stage that spans all others: bytes to answers, or image to bytes, by public calls."""
_NAMES = (
    *("codec", "point", "route", "head", "batch", "stage", "ms/image", "GMAC/image", "kMAC/pixel"),
    *("M parameters", "MB peak", "J/image", "against the first"),
)


@dataclass(frozen=True)
class Cost:
    """The measured cost of one stage of one case.

    ``seconds``, ``macs`` and ``joules`` are per image, the rest is of the whole batch. macs, macs_per_pixel,
    parameters: None where torch ran nothing that is counted. peak_bytes, joules, energy: of the stage "whole", else
    None and empty. energy: the counter that joules were read from, or "n/a" and why there are none.
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
    macs_per_pixel: float | None = None
    joules: float | None = None
    energy: str = ""


def table(costs: Sequence[Cost]) -> str:
    """A Markdown table, one line for each stage.

    The line of each whole from bytes to answers also gives its ratio to the first such whole of the same codec, point
    and batch size.
    """
    references: dict[tuple[str, str, int], Cost] = {}
    body = []
    for cost in costs:
        ratio = ""
        if cost.stage == WHOLE and cost.route != ENCODE:
            reference = references.setdefault((cost.codec, cost.point, cost.batch), cost)
            if reference is not cost:
                ratio = f"1/{reference.seconds / cost.seconds:.1f} of time, {_macs_ratio(reference.macs, cost.macs)}"
        numbers = [
            f"{1000 * cost.seconds:.1f}",
            _scaled(cost.macs, 1e9, 3),
            _scaled(cost.macs_per_pixel, 1e3, 2),
            _scaled(cost.parameters, 1e6, 2),
            _scaled(cost.peak_bytes, 1e6, 0),
            "n/a" if cost.joules is None and cost.stage == WHOLE else _scaled(cost.joules, 1.0, 3),
        ]
        body.append([cost.codec, cost.point, cost.route, cost.head, cost.batch, cost.stage, *numbers, ratio])
    text: str = tabulate(body, _NAMES, tablefmt="github", disable_numparse=True, colalign=["left"] * 6 + ["right"] * 7)
    notes = [
        f"Medians on {costs[0].device} with {costs[0].threads} threads; whole is from image to bytes, or from bytes to "
        f"answers, in one call; memory is what one pass of the batch adds, and all that its programs take.",
        *dict.fromkeys(f"Energy: {cost.energy}." for cost in costs if cost.energy),
    ]
    return "\n\n".join([text, *notes]) + "\n"


def _macs_ratio(reference: float | None, macs: float | None) -> str:
    return f"1/{reference / macs:.1f} of MACs" if reference and macs else "MACs not counted"


def _scaled(value: float | None, unit: float, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"
