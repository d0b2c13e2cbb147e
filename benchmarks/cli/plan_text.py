"""The plan of a run in words, for ``--dry-run``."""

from __future__ import annotations

from benchmarks.harness.plan import Cell
from benchmarks.reporting.outcome import Outcome


def planned(outcome: Outcome) -> str:
    """One line a cell, then what is skipped, what readers of the scores must know, and how much there is to do."""
    plan = outcome.plan
    lines = [_cached(cell, len(plan.images)) for cell in plan.cells]
    if plan.config.match_bpp:
        rates = ", ".join(f"{rate:g}" for rate in plan.config.match_bpp)
        lines.append(
            f"from these points on, those at {rates} bpp will be searched for, without heads; heads read what is found"
        )
    lines += [f"skipped: head {label}: {reason}" for label, reason in plan.skipped_heads.items()]
    lines += [f"skipped: {label}: {reason}" for label, reason in plan.skipped.items()]
    lines += [f"left out: head {reader.label}: {unfit.reason}" for reader, unfit in plan.unfit.items()]
    lines += [f"note: {text}" for text in plan.notices]
    lines.append(
        f"{len(plan.cells)} cells x {len(plan.config.readers)} heads x {len(plan.images)} images; {plan.todo} images "
        f"to code or read"
    )
    if plan.retimed:
        lines.append(
            f"{plan.retimed} of them are known and are only timed anew: no times of these conditions are kept "
            f"({plan.conditions})"
        )
    return "\n".join(lines) + "\n"


def _cached(cell: Cell, images: int) -> str:
    anew = f", {cell.retimed} of them to be timed anew" if cell.retimed else ""
    known = images - cell.todo + cell.retimed
    return f"{cell.curve} {cell.point}".strip() + f": {known} of {images} images known{anew}"
