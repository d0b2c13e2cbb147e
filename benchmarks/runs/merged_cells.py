"""Which run each cell of a merged run is taken from, and how far runs are apart in what several of them measured."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.api import ScoreRow
from benchmarks.runs.run_folder import Run
from benchmarks.stats.metric_facts import TIMES
from hsc.errors import ResultsError

TOLERANCE = 0.005
"""How far a score of the same cell may lie apart in two runs, relative to it, or to 1 where it is smaller: floats of
learned codecs and heads differ a little between machines. Sizes must be equal.
"""
_SIZES = ("bpp", "size_bytes", "source_bpp")


def chosen_cells(runs: Sequence[Run]) -> dict[str, int]:
    """The number of the run that each cell is taken from: the first that measured it whole, else the first that has it.

    Cells stand in the order of the runs. Points of a curve that several runs contribute to are sorted by their rate.
    """
    chosen: dict[str, int] = {}
    troubled = [{row.cell for row in run.score_rows if row.status in ("failed", "missing")} for run in runs]
    for number, run in enumerate(runs):
        for cell in run.about["cells"]:
            if cell not in chosen or (cell in troubled[chosen[cell]] and cell not in troubled[number]):
                chosen[cell] = number
    return _sorted_points(runs, chosen)


def _sorted_points(runs: Sequence[Run], chosen: Mapping[str, int]) -> dict[str, int]:
    rates = {row.cell: row.value for run in runs for row in run.score_rows if row.metric == "bpp" and not row.head}
    rate_of = {}
    curves: dict[tuple[str, str], list[str]] = defaultdict(list)
    sources: dict[tuple[str, str], set[int]] = defaultdict(set)
    for cell_id, number in chosen.items():
        cell = runs[number].about["cells"][cell_id]
        key = cell["curve"], cell.get("ladder", "")
        curves[key].append(cell_id)
        sources[key].add(number)
        if "head" not in cell:
            rate_of[*key, cell["point"]] = rates.get(cell_id, math.inf)

    def rate(cell_id: str) -> float:
        cell = runs[chosen[cell_id]].about["cells"][cell_id]
        return rate_of.get((cell["curve"], cell.get("ladder", ""), cell["point"]), math.inf)

    ordered = [
        cell_id
        for key, cells in curves.items()
        for cell_id in (sorted(cells, key=rate) if len(sources[key]) > 1 else cells)
    ]
    return {cell_id: chosen[cell_id] for cell_id in ordered}


class Apart(NamedTuple):
    """The largest difference of a score that two runs have of one cell."""

    share: float = 0.0
    name: str = ""
    values: tuple[float, float] = (0.0, 0.0)
    folders: tuple[Path, Path] = (Path(), Path())


def largest_apart(runs: Sequence[Run]) -> Apart:
    """How far the runs are apart in what several of them measured.

    Raises:
        ResultsError: sizes are not equal, or a score is further apart than ``TOLERANCE``.
    """
    largest = Apart()
    known: dict[tuple[str, ...], tuple[ScoreRow, Run]] = {}
    for run in runs:
        for row in run.score_rows:
            if not row.cell or row.status != "ok" or row.metric in TIMES:
                continue
            before, earlier = known.setdefault((row.cell, row.metric, row.part), (row, run))
            if math.isnan(row.value) and math.isnan(before.value):
                continue
            apart = abs(row.value - before.value) if row.value != before.value else 0.0
            share = apart / max(1.0, abs(before.value)) if math.isfinite(apart) else math.inf
            if share > (1e-9 if row.metric in _SIZES else TOLERANCE):
                name = " ".join(f"{row.codec} {row.point} {row.head} {row.metric} {row.part}".split())
                raise ResultsError(
                    f"{earlier.folder} and {run.folder} cannot be merged: {name} is {before.value:.6g} and "
                    f"{row.value:.6g}, though settings and versions are the same; see hsc-bench compare"
                )
            if share > largest.share:
                name = " ".join(f"{row.codec} {row.point} {row.head} {row.metric}".split())
                largest = Apart(share, name, (before.value, row.value), (earlier.folder, run.folder))
    return largest
