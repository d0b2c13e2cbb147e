"""A run's folder, read back: what ``benchmarks.run`` wrote, checked for being whole before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import Row
from benchmarks.runs.rows import read_rows
from benchmarks.runs.run_folder import read_about
from benchmarks.stats.null_floor import PART
from hsc.errors import ResultsError


@dataclass(frozen=True)
class RunFolder:
    """path: the folder; about: ``run.json``; rows: ``rows.csv``."""

    path: Path
    about: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def images(self) -> tuple[str, ...]:
        return tuple(self.about["dataset"]["images"])

    @property
    def points(self) -> dict[str, Mapping[str, Any]]:
        """The operating points by id: cells without a head."""
        return {at: cell for at, cell in self.about["cells"].items() if "head" not in cell}

    @property
    def curve_rows(self) -> list[Row]:
        """The rows of operating points, those of second ladders under their curve's own label again."""
        plain = [r for r in self.rows if not r.anchor]
        return [Row(**{**vars(r), "codec": f"{r.codec}, {PART}", "part": ""}) if r.part == PART else r for r in plain]


def read(path: Path) -> RunFolder:
    """Read a run's folder.

    Raises:
        ResultsError: it is no such folder, or ``run.json`` or ``rows.csv`` is missing or damaged.
    """
    about = read_about(path / "run.json")
    if "revision" not in about["dataset"]:
        raise ResultsError(f"{path / 'run.json'} is damaged: its data set lacks its revision; restore it or run again")
    return RunFolder(
        path,
        about,
        tuple(Row(**{str(k): v for k, v in line.items()}) for line in read_rows(path / "rows.csv").to_dict("records")),
    )
