"""``run.json``: the description of a run, read back within the types and bounds of what a run writes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.api import METRICS, Metric, MetricFacts
from benchmarks.harness.given_names import MAX_LETTERS
from benchmarks.runs.folder_files import read_json
from benchmarks.runs.rows import MAX_IMAGES, MAX_TEXT
from benchmarks.runs.schema import (
    Fields,
    ListOf,
    MapOf,
    Maybe,
    Number,
    OneOf,
    Plain,
    Printable,
    Shape,
    Text,
    Truth,
    Whole,
    check,
)
from benchmarks.stats.metric_facts import STREAM_FACTS, facts_of_metrics
from hsc.errors import HscError, ResultsError

FILE = "run.json"
NAMES = "names"
"""The field that holds the names that codecs and heads were given, by label."""
MAX_CELLS = 100_000
MAX_DRAWS = 1 << 28
"""Resamples times images: the draws that intervals of rates need, eight bytes each."""

_NAME, _LABEL, _SENTENCE = Text(200, least=1), Text(2000), Text(MAX_TEXT)
_REASONS = MapOf(_SENTENCE, 10_000, longest=2000)
_OLD_HEAD = "head "
"""What the labels of skipped heads began with while they stood among the codecs of ``skipped``."""
_ROUTE = OneOf(("image", "latent"))
_PLUGIN: dict[str, Shape] = {"name": _NAME, "config": MapOf(Plain(), 100), "provenance": MapOf(Plain(), 1000)}
_CELL = Fields(
    {"codec": Fields(_PLUGIN), "curve": _LABEL, "point": _LABEL},
    {
        "ladder": OneOf(("", "second")),
        "head": Fields(_PLUGIN),
        "regime": OneOf(("frozen", "adapted", "reference")),
        "route": _ROUTE,
        "regions": Truth(),
    },
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
    "pixels_sha256": ListOf(Text(200), MAX_IMAGES),
    "regions_sha256": ListOf(Text(200), MAX_IMAGES),
}
_BOUND = Maybe(Number(-1e15, 1e15))
_FACTS = Fields(
    {
        "low": _BOUND,
        "high": _BOUND,
        "higher_is_better": Truth(),
        "unit": Printable(40),
        "percent": Truth(),
        "title": Printable(80),
        "digits": Whole(0, 12),
        "main": Truth(),
    }
)
_RUN = Fields(
    {
        "task": Fields({"name": _NAME}, {"version": Text(200)}),
        "dataset": Fields(
            {"name": _NAME, "config": MapOf(Plain(), 100), "images": ListOf(Text(4096), MAX_IMAGES, least=1)}, _DATASET
        ),
        "cells": MapOf(_CELL, MAX_CELLS, longest=200),
        "environment": Fields({}, _ENVIRONMENT),
        "anchors": ListOf(_LABEL, 1000),
        "skipped": _REASONS,
        "resamples": Whole(0, 1_000_000),
        "seed": Whole(0, 1 << 53),
    },
    {
        "skipped_heads": _REASONS,
        "heads": ListOf(Fields({"label": _LABEL, "route": _ROUTE, **_PLUGIN}), 10_000),
        "match_bpp": ListOf(Number(0, 1e6), 1000),
        "repeats": Whole(1, 1 << 31),
        "pseudo_label_score": Maybe(Number(0, 1)),
        "arguments": Fields({}, {"command": Text(1_000_000)}),
        "notices": ListOf(_SENTENCE, 1000),
        "times": MapOf(Plain(), 100),
        "facts": MapOf(_FACTS, 1000, longest=200),
        "metrics": ListOf(Text(2000, least=1), 100),
        "rates": ListOf(Text(2000, least=1), 100),
        NAMES: MapOf(Printable(MAX_LETTERS), 10_000, longest=2000),
        "merged": Fields(
            {
                "runs": ListOf(Fields({"name": Text(4096)}), 10_000),
                "no_interval": ListOf(Fields({"head": _LABEL, "route": _ROUTE, "reason": _SENTENCE}), 10_000),
            }
        ),
    },
)
"""The fields of run.json, with bounds that no run comes near."""


def read(path: Path, parse_constant: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """``run.json``, checked against the types and bounds of what a run writes. Old ones are read, too: ``skipped`` and
    ``skipped_heads`` are always there, reasons by label.

    parse_constant: is given NaN, Infinity and -Infinity as texts and returns their values; floats by default.

    Raises:
        ResultsError: it is missing, damaged, or not the description of a run.
    """
    about = read_json(path, parse_constant)
    try:
        check(about, _RUN, FILE)
        images, pixels = about["dataset"]["images"], about["dataset"].get("pixels_sha256")
        if pixels is not None and len(pixels) != len(images):
            raise ValueError(f"run.json has {len(pixels)} hashes of pixels for {len(images)} images")
        if len(regions := about["dataset"].get("regions_sha256", images)) != len(images):
            raise ValueError(f"run.json has {len(regions)} hashes of regions for {len(images)} images")
        if about["resamples"] * len(images) > MAX_DRAWS:
            raise ValueError(
                f"run.json has {about['resamples']:,} resamples of {len(images):,} images, expected {MAX_DRAWS:,} "
                f"draws at the most"
            )
        for name, facts in about.get("facts", {}).items():
            if facts["low"] is not None and facts["high"] is not None and not facts["low"] < facts["high"]:
                raise ValueError(
                    f"run.json.facts.{name} has the bounds {facts['low']:g} and {facts['high']:g}, expected the lower "
                    "one first"
                )
    except ValueError as error:
        raise ResultsError(f"{path} is damaged, or is not a run's: {error}; restore it or run again") from error
    if "skipped_heads" not in about:
        reasons = about["skipped"]
        about["skipped"] = {label: text for label, text in reasons.items() if not label.startswith(_OLD_HEAD)}
        about["skipped_heads"] = {
            label.removeprefix(_OLD_HEAD): text for label, text in reasons.items() if label.startswith(_OLD_HEAD)
        }
    return about  # type: ignore[no-any-return]


def declared_facts(about: Mapping[str, Any], task: Any) -> dict[str, MetricFacts]:
    """The facts that the run's metrics declare, the task's and those added to them, where they are installed here."""
    return {**facts_of_metrics(_installed(task.metrics)), **_facts_of_added(about, task)}


def added_columns(about: Mapping[str, Any], task: Any) -> tuple[str, ...]:
    """The main scores of the metrics that were added to the task's own, in the order of the run."""
    if not about.get("metrics"):
        return ()
    own = facts_of_metrics(_installed(task.metrics))
    facts = {**recorded_facts(about), **_facts_of_added(about, task)}
    return tuple(name for name, score in facts.items() if score.main and name not in own)


def _facts_of_added(about: Mapping[str, Any], task: Any) -> dict[str, MetricFacts]:
    own = facts_of_metrics(_installed(task.metrics))
    added = facts_of_metrics(_installed(about.get("metrics", ())))
    return {name: facts for name, facts in added.items() if name not in own and name not in STREAM_FACTS}


def _installed(specs: Iterable[str]) -> Iterator[type[Metric]]:
    """The classes of the metrics that are installed here; a stranger's settings build none of them."""
    for text in specs:
        with suppress(HscError):
            yield METRICS.get(METRICS.parse(text).name)


def recorded_facts(about: Mapping[str, Any]) -> dict[str, MetricFacts]:
    """The facts that ``run.json`` holds, by score; those of the harness itself are never read from a file."""
    return {
        name: MetricFacts(
            low=-math.inf if facts["low"] is None else facts["low"],
            high=math.inf if facts["high"] is None else facts["high"],
            **{key: facts[key] for key in ("higher_is_better", "unit", "percent", "title", "digits", "main")},
        )
        for name, facts in about.get("facts", {}).items()
        if name not in STREAM_FACTS
    }


def facts_of_run(about: Mapping[str, Any], task: Any) -> dict[str, MetricFacts]:
    """The facts of a run's scores: as installed metrics declare them, and as recorded for metrics that are not."""
    return {**recorded_facts(about), **declared_facts(about, task)}
