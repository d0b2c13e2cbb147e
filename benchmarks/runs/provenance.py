"""Where a run's numbers come from: commit, packages, machine, settings, and each cell's codec, head and data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.keys import identity
from benchmarks.harness.plan import Plan, cell_id
from benchmarks.harness.requirements import PSEUDO_SCORE
from benchmarks.harness.truth import labels_of
from benchmarks.runs.environment import environment
from benchmarks.runs.notices import NAME as NOTICES
from benchmarks.stats.bootstrap import MIN_IMAGES, MIN_OBJECTS, MIN_RESAMPLES
from benchmarks.stats.metric_facts import plain_facts
from benchmarks.stats.noise_floor import SECOND
from hsc.files.atomic_files import write_text


def describe(plan: Plan, workers: int, device: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Everything needed to make the run again, as JSON-ready values."""
    config = plan.config
    return {
        "arguments": dict(arguments),
        "task": {"name": getattr(config.task, "spec_name", ""), "version": config.task.version},
        "dataset": {
            **identity(config.dataset),
            "revision": config.dataset.revision,
            "images": [i for _, i, _ in plan.images],
            "pixels_sha256": [pixels.sha256 for _, _, pixels in plan.images],
        },
        "pseudo_label_score": PSEUDO_SCORE if labels_of(config, config.task.output) is None else None,
        "anchors": config.anchors,
        "seed": config.seed,
        "repeats": config.repeats,
        "resamples": config.resamples,
        "least_for_intervals": {"images": MIN_IMAGES, "objects": MIN_OBJECTS, "resamples": MIN_RESAMPLES},
        "match_bpp": config.match_bpp,
        "facts": plain_facts(config.design.facts),
        "skipped": plan.skipped,
        NOTICES: plan.notices,
        "heads": _heads(plan),
        "cells": _cells(plan),
        "times": {} if plan.conditions is None else plan.conditions.plain(),
        "environment": {**environment(), "workers": workers, "threads_per_worker": 1, "device": device},
    }


def _heads(plan: Plan) -> list[dict[str, Any]]:
    """The heads that could run, as tables name them; a head of two routes stands twice."""
    named = zip(plan.config.heads, plan.config.routes, strict=True)
    return [
        {"label": label, "route": route, **identity(head)}
        for (label, head), route in named
        if f"head {label}" not in plan.skipped
    ]


def _cells(plan: Plan) -> dict[str, Any]:
    heads = [identity(head) if f"head {label}" not in plan.skipped else {} for label, head in plan.config.heads]
    ladders = {curve.label: (curve.null_of, SECOND) for curve in plan.config.curves if curve.null_of}
    cells: dict[str, Any] = {}
    for cell in plan.cells:
        label, ladder = ladders.get(cell.curve, (cell.curve, ""))
        coded = {"codec": identity(cell.codec), "curve": label, "ladder": ladder, "point": cell.point}
        cells[cell.id] = coded
        for number in cell.predictions:
            read = {"regime": plan.config.heads[number][1].regime, "route": plan.config.routes[number]}
            cells[cell_id(cell, number)] = {**coded, "head": heads[number], **read}
    return cells


def write(path: Path, description: Mapping[str, Any]) -> None:
    """Write ``run.json``, whole or not at all."""
    write_text(path, json.dumps(description, indent=1, default=str) + "\n")
