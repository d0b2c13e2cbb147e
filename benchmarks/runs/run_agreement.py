"""Whether two runs give the same numbers: their scores and comparisons, cell by cell; times are left out.

    folder, folder --agreement--> Agreement --sentences--> a few lines for people

Numbers count as equal within a relative 1e-9, since sums in another order differ in their last digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.api import Comparison, ScoreRow
from benchmarks.harness.executors import Executor, Inline
from benchmarks.runs.paired_differences import Paired, paired
from benchmarks.runs.run_folder import Run, load
from benchmarks.runs.run_settings import differences, settings_of_run
from benchmarks.stats.metric_facts import TIMES
from benchmarks.text import one_line

_TOLERANCE = 1e-9
_MOST = 10
"""Differences that are shown, of each kind."""


class Apart(NamedTuple):
    """A number that differs between two runs. name: of its cell and score. first, second: the two, as texts."""

    name: str
    first: str
    second: str
    relative: float
    """The difference as a share of the larger of the two; infinite where one of them has no value."""


@dataclass(frozen=True)
class Agreement:
    """How two runs agree.

    where: their folders. scores, comparisons: how many numbers both have. apart: those that differ, the largest first.
    only: numbers that one of them has, by run. settings: what differs in how they were made, and environment: in what
    they were made with. paired: of the numbers that are shown, their differences over the images that both runs have.
    """

    where: tuple[str, str]
    scores: int
    comparisons: int
    apart: tuple[Apart, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]
    settings: tuple[str, ...]
    environment: tuple[str, ...]
    paired: Mapping[str, Paired] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether both runs have the same numbers."""
        return not self.apart and not any(self.only)

    def sentences(self) -> Iterator[str]:
        """The agreement in lines for people, the verdict first."""
        both = f"{self.where[0]} and {self.where[1]}"
        counted = f"{self.scores:,} scores and {self.comparisons:,} comparisons"
        if self.equal:
            yield f"{both} agree: {counted} are equal; times are not compared"
        elif self.apart:
            yield f"{both} differ: {len(self.apart):,} of {counted} are not equal; times are not compared"
        else:
            yield f"{both} differ: {counted} that both have are equal, and one has more; times are not compared"
        for apart in self.apart[:_MOST]:
            share = f" ({100 * apart.relative:.2g} %)" if math.isfinite(apart.relative) else ""
            pair = f"; {self.paired[apart.name]}" if apart.name in self.paired else ""
            yield f"  {apart.name}: {apart.first} and {apart.second}{share}{pair}"
        yield from _rest(self.apart)
        for where, names in zip(self.where, self.only, strict=True):
            for name in names[:_MOST]:
                yield f"  only in {where}: {name}"
            yield from _rest(names)
        for what, phrases in (("other settings", self.settings), ("made with", self.environment)):
            if phrases:
                yield f"{what}: {'; '.join(phrases)}"


def _rest(shown: Sequence[Any]) -> Iterator[str]:
    if len(shown) > _MOST:
        yield f"  and {len(shown) - _MOST:,} more"


def agreement(first: Path, second: Path, executor: Executor | None = None) -> Agreement:
    """Compare the runs of two folders. executor: scores kept predictions again, by default this process.

    Raises:
        ResultsError: a folder holds no run, or one that cannot be read.
    """
    runs = [load(folder, complete=False) for folder in (first, second)]
    where = str(first), str(second)
    scores = [{_score_name(row): row for row in run.score_rows if row.metric not in TIMES} for run in runs]
    comparisons = [{_comparison_name(row): row for row in run.comparison_rows} for run in runs]
    apart = [*_apart(*scores), *_apart(*comparisons)]
    apart.sort(key=lambda number: (-number.relative, number.name))
    differing = {
        number.name: (scores[0][number.name], scores[1][number.name])
        for number in apart[:_MOST]
        if number.name in scores[0]
    }
    only = [
        tuple(name for rows in (scores, comparisons) for name in rows[here] if name not in rows[1 - here])
        for here in (0, 1)
    ]
    made = [settings_of_run(run.about) for run in runs]
    settings = differences(made[0], made[1], (f"in {where[0]}", f"in {where[1]}"))
    return Agreement(
        where,
        len(scores[0].keys() & scores[1].keys()),
        len(comparisons[0].keys() & comparisons[1].keys()),
        tuple(apart),
        (only[0], only[1]),
        tuple(settings),
        tuple(_environment(*runs)),
        paired(runs[0], runs[1], differing, executor or Inline()),
    )


def _score_name(row: ScoreRow) -> str:
    ladder = f"{row.ladder} ladder" if row.ladder else ""
    return _joined(f"{row.codec} {row.point}".strip(), ladder, row.head, _route(row.route), row.part, row.metric)


def _comparison_name(row: Comparison) -> str:
    at = "" if math.isnan(row.at_bpp) else f"at {row.at_bpp:g} bpp"
    other = f"{row.other} {_route(row.other_route)}".strip()
    names = (row.codec, row.point, row.anchor and f"from {row.anchor}", other and f"against {other}")
    return _joined(row.kind, *names, row.head, _route(row.route), row.metric, at)


def _route(route: str) -> str:
    return f"on {route}s" if route == "image" else f"on {route}" if route else ""


def _joined(*words: str) -> str:
    return one_line(", ".join(word for word in words if word), 400)


def _apart(first: dict[str, Any], second: dict[str, Any]) -> Iterator[Apart]:
    """The numbers of the rows that both have which differ: the value, else an end of its interval."""
    for name in first.keys() & second.keys():
        rows = first[name], second[name]
        for column in ("value", "low", "high"):
            values = [getattr(row, column) for row in rows]
            if not _equal(*values):
                end = "" if column == "value" else f", {column} end of its interval"
                texts = [f"{getattr(row, column):.6g}" if row.status == "ok" else row.status for row in rows]
                yield Apart(name + end, texts[0], texts[1], _relative(*values))
                break


def _equal(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second)) or _relative(first, second) <= _TOLERANCE


def _relative(first: float, second: float) -> float:
    if not (math.isfinite(first) and math.isfinite(second)):
        return math.inf
    return abs(first - second) / max(abs(first), abs(second)) if first != second else 0.0


def _environment(first: Run, second: Run) -> Iterator[str]:
    """What differs between the machines, packages and commits of two runs, a phrase each."""
    here, there = first.about["environment"], second.about["environment"]
    for noun, value, other in zip(_FACTS, _made_with(here), _made_with(there), strict=True):
        if value != other:
            yield f"{noun} {value} and {other}"
    packages = here.get("packages", {}), there.get("packages", {})
    for name in sorted(packages[0].keys() & packages[1].keys()):
        if packages[0][name] != packages[1][name]:
            yield f"{name} {packages[0][name]} and {packages[1][name]}"


_FACTS = ("commit", "Python", "device", "processor")


def _made_with(environment: Mapping[str, Any]) -> tuple[Any, ...]:
    """What ``_FACTS`` name, of the environment in ``run.json``."""
    commit = str(environment.get("commit") or "unknown")
    # a commit with changes of its own ends with a plus
    short = commit[:12] + ("+" if commit.endswith("+") else "")
    machine = environment.get("machine") or {}
    return short, environment.get("python"), environment.get("device"), machine.get("processor")
