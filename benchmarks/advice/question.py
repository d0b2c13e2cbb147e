"""What advice is asked for: the share of a score that is to be kept, or the size that must not be passed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.runs.advice_rows import Aim
from benchmarks.stats.retained_share import Retained
from hsc.errors import UsageError

KEEP = (0.95, 0.99)
"""The shares asked for where nothing is said."""


@dataclass(frozen=True)
class Question:
    """One aim, and how far a setting lies from it.

    target: the share to keep, 0 to 1, or the bytes an image may take.
    """

    aim: Aim
    target: float

    def margin(self, kept: Retained, size_bytes: float) -> float:
        """How far a setting lies above the border that is searched for: 0 or more where the lower end of the share
        reaches the target, or where the files are over the budget. NaN where the share has no interval.
        """
        if self.aim == "keep":
            return kept.low - self.target
        over = math.log(size_bytes / self.target)
        return over if size_bytes > self.target else min(over, -1e-12)  # a file of just that size is within it


def questions(keep: Sequence[float] | None, budget_bytes: float | None) -> tuple[Question, ...]:
    """The questions in the order given, each once. keep: ``KEEP`` where neither is given.

    Raises:
        UsageError: both are given, a share is not above 0 and at most 1, or the budget is not above 0.
    """
    if keep is not None and budget_bytes is not None:
        raise UsageError("both shares to keep and a budget came; ask one of the two questions at a time")
    if budget_bytes is not None:
        if not (math.isfinite(budget_bytes) and budget_bytes > 0):
            raise UsageError(f"the budget came as {budget_bytes:g} bytes an image, expected more than 0")
        return (Question("budget", float(budget_bytes)),)
    if isinstance(keep, str | float | int):
        raise UsageError(f"keep came as {keep!r}, expected a list of shares, as in keep=[0.95]")
    shares = KEEP if keep is None else keep
    for share in shares:
        if not 0 < share <= 1:
            raise UsageError(f"a share to keep came as {share:g}, expected above 0 and at most 1, as in keep=[0.95]")
    if not shares:
        raise UsageError("keep came as an empty list, expected at least one share, as in keep=[0.95]")
    return tuple(Question("keep", float(share)) for share in dict.fromkeys(shares))
