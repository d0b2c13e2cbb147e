"""A run read back from its folder: ``run.json``, ``scores.csv`` and ``comparisons.csv``, checked.

A folder that is missing, empty, unfinished or damaged is refused with its reason, so that no table is made of half a
run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.api import METRICS, TASKS, MetricFacts, Task
from benchmarks.harness.answers import why
from benchmarks.runs.folder_files import exists, read_json
from benchmarks.runs.results import Results
from benchmarks.runs.rows import (
    _MOST_TEXT,
    COMPARISONS,
    MOST_IMAGES,
    SCORES,
    only_sure,
    read_comparisons,
    read_scores,
)
from benchmarks.runs.schema import Fields, ListOf, MapOf, Maybe, Number, OneOf, Plain, Shape, Text, Truth, Whole, check
from benchmarks.stats.design import Design, Ladder
from benchmarks.stats.metric_facts import facts_of_metrics
from benchmarks.text import one_line
from hsc.errors import HscError, ResultsError

MOST_CELLS = 100_000
MOST_DRAWS = 1 << 28
"""Resamples times images: what intervals of rates are drawn from takes eight bytes each."""


_NAME, _LABEL, _WORDS = Text(200, least=1), Text(2000), Text(_MOST_TEXT)
_ROUTE = OneOf(("image", "latent"))
_PLUGIN: dict[str, Shape] = {"name": _NAME, "config": MapOf(Plain(), 100), "provenance": MapOf(Plain(), 1000)}
_CELL = Fields(
    {"codec": Fields(_PLUGIN), "curve": _LABEL, "point": _LABEL},
    {"ladder": OneOf(("", "second")), "head": Fields(_PLUGIN), "regime": OneOf(("frozen", "adapted", "reference")), "route": _ROUTE},
)
_MACHINE: dict[str, Shape] = {name: Maybe(Text(1000)) for name in ("system", "arch", "processor")} | {
    "cores": Whole(0, 1 << 20)
}
_ENVIRONMENT: dict[str, Shape] = {
    **{name: Maybe(Text(1000)) for name in ("commit", "python", "device")},
    **{name: Whole(0, 1 << 20) for name in ("workers", "threads_per_worker")},
    "packages": MapOf(Text(200), 1000),
    "machine": Fields({}, _MACHINE),
}
_DATASET: dict[str, Shape] = {
    "revision": Text(1000),
    "provenance": MapOf(Plain(), 1000),
    "pixels_sha256": ListOf(Text(200), MOST_IMAGES),
}
_FACTS = Fields(
    {
        "low": Maybe(Number(-1e15, 1e15)),
        "high": Maybe(Number(-1e15, 1e15)),
        "higher_is_better": Truth(),
        "unit": Text(40),
        "percent": Truth(),
        "title": Text(80),
        "digits": Whole(0, 12),
        "main": Truth(),
    }
)
_RUN = Fields(
    {
        "task": Fields({"name": _NAME}, {"version": Text(200)}),
        "dataset": Fields(
            {"name": _NAME, "config": MapOf(Plain(), 100), "images": ListOf(Text(4096), MOST_IMAGES, least=1)}, _DATASET
        ),
        "cells": MapOf(_CELL, MOST_CELLS, longest=200),
        "environment": Fields({}, _ENVIRONMENT),
        "anchors": ListOf(_LABEL, 1000),
        "skipped": MapOf(_WORDS, 10_000, longest=2000),
        "resamples": Whole(0, 1_000_000),
        "seed": Whole(0, 1 << 53),
    },
    {
        "heads": ListOf(Fields({"label": _LABEL, "route": _ROUTE, **_PLUGIN}), 10_000),
        "match_bpp": ListOf(Number(0, 1e6), 1000),
        "repeats": Whole(1, 1 << 31),
        "pseudo_label_score": Maybe(Number(0, 1)),
        "arguments": Fields({}, {"command": Text(1_000_000)}),
        "notices": ListOf(_WORDS, 1000),
        "times": MapOf(Plain(), 100),
        "facts": MapOf(_FACTS, 1000, longest=200),
    },
)
"""What a run writes into run.json, with bounds that no run comes near."""


@dataclass(frozen=True)
class Run:
    """What a run left in its folder. about: ``run.json``; results: its scores and comparisons, with their facts."""

    folder: Path
    about: Mapping[str, Any]
    results: Results

    @property
    def scores(self) -> pd.DataFrame:
        """``scores.csv``, the columns of ``ScoreRow``."""
        return self.results.scores

    @property
    def comparisons(self) -> pd.DataFrame:
        """``comparisons.csv``, the columns of ``Comparison``."""
        return self.results.comparisons

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def task(self) -> Task:
        return TASKS.build(self.about["task"]["name"])

    @property
    def dataset(self) -> str:
        """As tables name it: with a note where predictions stand in for labels."""
        return str(self.scores["dataset"].iloc[0])

    @property
    def images(self) -> tuple[str, ...]:
        """The ids of its images."""
        return tuple(self.about["dataset"]["images"])

    @property
    def points(self) -> dict[str, Mapping[str, Any]]:
        """The operating points by cell id: the cells without a head."""
        return {cell_id: cell for cell_id, cell in self.about["cells"].items() if "head" not in cell}

    @property
    def design(self) -> Design:
        """What its comparisons rest on."""
        points: dict[tuple[str, bool], list[str]] = {}
        for cell in self.points.values():
            points.setdefault((cell["curve"], bool(cell.get("ladder"))), []).append(cell["point"])
        curves = [Ladder(label, tuple(names), second) for (label, second), names in points.items()]
        curves += [Ladder(label, ("",)) for label in self.about["skipped"] if (label, False) not in points]
        matched, results = tuple(self.about.get("match_bpp", ())), self.results
        anchors = tuple(self.about["anchors"])
        return Design(tuple(curves), anchors, matched, results.columns, results.main_metric, results.facts)


def load(folder: Path, *, complete: bool = True, parse_constant: Callable[[str], Any] | None = None) -> Run:
    """Read a run's folder.

    complete: refuse a run some of whose cells were not measured. parse_constant: as in ``read_about``.

    Raises:
        ResultsError: it is missing, empty, unfinished or damaged, or its task is not known here.
    """
    if not folder.is_dir():
        raise ResultsError(
            f"there is no run folder {folder}; give the folder that hsc-bench run wrote, as results/runs/detection"
        )
    needed = ("run.json", SCORES, COMPARISONS)
    missing = [name for name in needed if not exists(folder / name)]
    if len(missing) == len(needed):
        raise ResultsError(
            f"{folder} holds no run: it has none of {', '.join(needed)}; give the folder that hsc-bench run wrote"
        )
    if missing:
        raise ResultsError(
            f"the run in {folder} is not finished: {missing[0]} is missing; run its command again, what was measured "
            "is kept"
        )
    about = read_about(folder / "run.json", parse_constant)
    scores, comparisons = only_sure(read_scores(folder / SCORES)), only_sure(read_comparisons(folder / COMPARISONS))
    if scores.empty:
        raise ResultsError(f"{folder / SCORES} is empty: it has columns and no row; run the command that made it again")
    check_rows(folder, about, scores, whole=complete)
    try:
        task: Any = TASKS.get(about["task"]["name"])
    except HscError as error:
        raise ResultsError(f"the run in {folder} is of a task that is not installed here: {error}") from error
    unmeasured = scores[scores["status"] == "missing"]
    if complete and len(unmeasured):
        first = unmeasured.iloc[0]
        where = " ".join(f"{first['codec']} {first['point']} {first['head']}".split())
        raise ResultsError(
            f"the run in {folder} is not finished: {len(unmeasured)} cells were not measured ({where}: "
            f"{first['reason']}); run it again"
        )
    facts = facts_of_run(about, task)
    return Run(folder, about, Results(scores, comparisons, tuple(task.columns), task.main_metric, facts))


def facts_of_run(about: Mapping[str, Any], task: Any) -> dict[str, MetricFacts]:
    """The facts of a run's scores: as its metrics declare them here; as ``run.json`` has them for metrics that are not
    installed here.
    """
    recorded = {
        name: MetricFacts(
            low=-math.inf if facts["low"] is None else facts["low"],
            high=math.inf if facts["high"] is None else facts["high"],
            **{key: facts[key] for key in ("higher_is_better", "unit", "percent", "title", "digits", "main")},
        )
        for name, facts in about.get("facts", {}).items()
    }
    installed = [METRICS.build(name) for name in task.metrics if name in METRICS.names()]
    return {**recorded, **facts_of_metrics(installed)}


@contextmanager
def made_from(folder: object) -> Iterator[None]:
    """While something is made of a folder that was read: numbers that no run writes, where they lead to what nobody
    thought of, end in a sentence.

    Raises:
        ResultsError: in place of any error that is not ours.
    """
    try:
        yield
    except (HscError, OSError):
        raise
    except Exception as error:
        raise ResultsError(
            f"nothing can be made of {folder}, it holds what no run writes: {why(error)}; run its command again"
        ) from error


def read_about(path: Path, parse_constant: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """``run.json``, of the types and within the bounds of what a run writes.

    parse_constant: what becomes of infinite settings, which JSON proper does not know (floats, where nothing is said).

    Raises:
        ResultsError: it is missing or damaged, or no run's.
    """
    about = read_json(path, parse_constant)
    try:
        check(about, _RUN, "run.json")
        images, pixels = about["dataset"]["images"], about["dataset"].get("pixels_sha256")
        if pixels is not None and len(pixels) != len(images):
            raise ValueError(f"run.json has {len(pixels)} hashes of pixels for {len(images)} images")
        if about["resamples"] * len(images) > MOST_DRAWS:
            raise ValueError(
                f"run.json has {about['resamples']:,} resamples of {len(images):,} images, expected {MOST_DRAWS:,} "
                f"draws at the most"
            )
    except ValueError as error:
        raise ResultsError(f"{path} is damaged, or is not a run's: {error}; restore it or run again") from error
    return about  # type: ignore[no-any-return]


def check_rows(folder: Path, about: Mapping[str, Any], rows: pd.DataFrame, whole: bool = True) -> None:
    """Refuse rows that are not those that run.json describes. whole: whether each cell must have one.

    Raises:
        ResultsError: a cell, the task or the number of images is another; a row stands twice.
    """
    unknown = set(rows["cell"]) - {""} - set(about["cells"])
    absent = set(about["cells"]) - set(rows["cell"]) if whole else set()
    if unknown or absent:
        what = (
            f"cell {min(unknown)} of scores.csv is not in run.json"
            if unknown
            else f"cell {min(absent)} of run.json has no row"
        )
        raise ResultsError(f"the files in {folder} are not of one run: {what}; run its command again")
    for column, expected in (("task", about["task"]["name"]), ("images", len(about["dataset"]["images"]))):
        if others := set(rows[column]) - {expected}:
            came = one_line(min(others), 60)
            raise ResultsError(
                f"the files in {folder} are not of one run: {column} is {came} in scores.csv, {expected} in run.json"
            )
    names = ["head", "route", "codec", "ladder", "point", "metric", "part", "reason"]
    if (twice := rows.duplicated(names)).any():
        row = rows[twice].iloc[0]
        which = one_line(
            " ".join(f"{row['codec']} {row['point']} {row['head']} {row['metric']} {row['part']}".split()), 200
        )
        raise ResultsError(f"{folder / 'scores.csv'} is damaged: {which} stands in it twice; run its command again")
