"""A finished run as its folder tells it: ``rows.csv`` and ``run.json``, read whole and checked, and nothing else.

A folder that is missing, empty, unfinished or damaged is refused with its reason, so that no table is made of half a run.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import TASKS, Row, Task
from benchmarks.tables import only_sure
from hsc.errors import HscError, ResultsError

_COLUMNS = tuple(Row.__dataclass_fields__)
_NUMBERS = ("seed", "value", "low", "high", "images")
_STATUS = {"ok", "n/a", "skipped", "failed", "missing"}
_ABOUT = {"task": dict, "dataset": dict, "cells": dict, "environment": dict, "anchors": list, "skipped": dict, "resamples": int, "seed": int}
"""What this reads of run.json, by type."""


@dataclass(frozen=True)
class Run:
    """What a run left. rows: as in ``rows.csv``; about: ``run.json``."""

    folder: Path
    rows: pd.DataFrame
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def task(self) -> Task:
        return TASKS.build(self.about["task"]["name"])

    @property
    def dataset(self) -> str:
        """As tables name it: where predictions stand in for labels, it says so."""
        return str(self.rows["dataset"].iloc[0])

    @property
    def images(self) -> int:
        return len(self.about["dataset"]["images"])


def read_run(folder: Path) -> Run:
    """Read a run's folder.

    Raises:
        ResultsError: it is missing, empty, unfinished or damaged, or its task is not known here.
    """
    if not folder.is_dir():
        raise ResultsError(f"there is no run folder {folder}; give the folder that python -m benchmarks.run wrote, as results/runs/detection")
    found = [name for name in ("rows.csv", "run.json") if (folder / name).is_file()]
    if not found:
        raise ResultsError(f"{folder} holds no run: neither rows.csv nor run.json is there; give the folder that python -m benchmarks.run wrote")
    if len(found) == 1:
        missing = "run.json" if found == ["rows.csv"] else "rows.csv"
        raise ResultsError(f"the run in {folder} is not finished: {missing} is missing; run its command again, what was measured is kept")
    about, rows = read_about(folder / "run.json"), only_sure(read_rows(folder / "rows.csv"))
    if rows.empty:
        raise ResultsError(f"{folder / 'rows.csv'} is empty: it has columns and not one row; run the command that made it again")
    _belong_together(folder, about, rows)
    try:
        TASKS.get(about["task"]["name"])
    except HscError as error:
        raise ResultsError(f"the run in {folder} is of a task that is not installed here: {error}") from error
    unread = rows[rows["status"] == "missing"]
    if len(unread):
        first = unread.iloc[0]
        where = " ".join(f"{first['codec']} {first['point']} {first['head']}".split())
        raise ResultsError(
            f"the run in {folder} is not finished: cells that were not measured: {len(unread)} ({where}: {first['reason']}); run it again"
        )
    return Run(folder, rows, about)


def read_about(path: Path, parse_constant: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """``run.json``. parse_constant: what becomes of infinite settings, which JSON proper does not know (floats, where nothing is said).

    Raises:
        ResultsError: it is missing or damaged, or no run's.
    """
    try:
        about = json.loads(_text(path), parse_constant=parse_constant)
    except json.JSONDecodeError as error:
        raise ResultsError(f"{path} is damaged, it is no JSON: {error}; run the command that made it again") from error
    wrong = [k for k, kind in _ABOUT.items() if not isinstance(about, dict) or not isinstance(about.get(k), kind)]
    if wrong or not isinstance(about["task"].get("name"), str) or not isinstance(about["dataset"].get("images"), list):
        raise ResultsError(
            f"{path} is damaged, or is not a run's: {', '.join(wrong) or 'the names of task or images'} missing or of another type; run it again"
        )
    return about  # type: ignore[no-any-return]


def read_rows(path: Path) -> pd.DataFrame:
    """``rows.csv``, its columns those of ``Row``: numbers NaN where they are empty, all else text. It may have no line.

    Raises:
        ResultsError: it is missing or damaged.
    """
    text = _text(path)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ResultsError(f"{path} is damaged: {error}; run the command that made it again") from error
    if not lines or tuple(lines[0]) != _COLUMNS:
        came = f"it has the columns {', '.join(lines[0])}; " if lines else ""
        raise ResultsError(f"{path} is damaged: {came}its first line should be {','.join(_COLUMNS)}; run the command that made it again")
    torn = next((n for n, line in enumerate(lines, 1) if len(line) != len(_COLUMNS)), None if text.endswith("\n") else len(lines))
    if torn:
        raise ResultsError(f"{path} is damaged: record {torn} of {len(lines)} is cut off or has too many fields; run the command that made it again")
    rows = pd.DataFrame(lines[1:], columns=list(_COLUMNS))
    for name in _NUMBERS:
        number = int if name in ("seed", "images") else float
        try:
            rows[name] = [number(text or "nan") for text in rows[name]]
        except ValueError as error:
            raise ResultsError(f"{path} is damaged: the column {name} holds something that is no number ({error}); run its command again") from error
    if strange := set(rows["status"]) - _STATUS:
        raise ResultsError(f"{path} is damaged: the status {min(strange)!r} is none of {', '.join(sorted(_STATUS))}; run its command again")
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ResultsError(f"{path} is missing and cannot be read; name the folder that python -m benchmarks.run wrote, or run it again") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} cannot be read: {error}") from error


def _belong_together(folder: Path, about: Mapping[str, Any], rows: pd.DataFrame) -> None:
    """Refuse rows that are not those that run.json describes."""
    unknown = set(rows["cell"]) - {""} - set(about["cells"])
    absent = set(about["cells"]) - set(rows["cell"])
    if unknown or absent:
        what = f"cell {min(unknown)} of rows.csv is not in run.json" if unknown else f"cell {min(absent)} of run.json has no row"
        raise ResultsError(f"the files in {folder} are not of one run: {what}; run its command again")
    for column, expected in (("task", about["task"]["name"]), ("images", len(about["dataset"]["images"]))):
        if others := set(rows[column]) - {expected}:
            raise ResultsError(f"the files in {folder} are not of one run: {column} is {min(others)} in rows.csv, {expected} in run.json")
