"""Provenance of a run, for ``run.json``: commit, packages, machine, settings; codec, head and data set by cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.api import METRICS, RATES
from benchmarks.harness.keys import identity, regions_sha256, registered_name
from benchmarks.harness.plan import Plan, cell_id
from benchmarks.harness.requirements import PSEUDO_SCORE
from benchmarks.harness.truth import labels_of
from benchmarks.runs.environment import environment
from benchmarks.runs.notices import NAME as NOTICES
from benchmarks.runs.run_json import NAMES
from benchmarks.stats.bootstrap import MIN_IMAGES, MIN_OBJECTS, MIN_RESAMPLES
from benchmarks.stats.metric_facts import plain_facts
from benchmarks.stats.noise_floor import SECOND
from downstream.api import Classification
from hsc.devices import current_device, use_device
from hsc.files.atomic_files import write_text


def describe(plan: Plan, workers: int, device: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Everything needed to repeat the run, as JSON-ready values. device: the one that the run's networks ran on."""
    with use_device(device):
        return _described(plan, workers, arguments)


def _described(plan: Plan, workers: int, arguments: Mapping[str, Any]) -> dict[str, Any]:
    config = plan.config
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "arguments": dict(arguments),
        "task": {"name": registered_name(config.task), "version": config.task.version},
        "dataset": {
            **identity(config.dataset),
            "revision": config.dataset.revision,
            "images": [image.image_id for image in plan.images],
            "pixels_sha256": [image.pixels.sha256 for image in plan.images],
            **_regions(plan),
        },
        "pseudo_label_score": PSEUDO_SCORE if labels_of(config, config.task.output) is None else None,
        "anchors": config.anchors,
        "seed": config.seed,
        "repeats": config.repeats,
        "resamples": config.resamples,
        "least_for_intervals": {"images": MIN_IMAGES, "objects": MIN_OBJECTS, "resamples": MIN_RESAMPLES},
        "match_bpp": config.match_bpp,
        "metrics": [str(METRICS.spec(metric)) for metric in config.metrics],
        "rates": [str(RATES.spec(definition)) for definition in config.rates],
        "facts": plain_facts(config.design.facts),
        "skipped": plan.skipped,
        "skipped_heads": plan.skipped_heads,
        NOTICES: plan.notices,
        NAMES: dict(config.names),
        "heads": _heads(plan),
        "cells": _cells(plan),
        "times": {} if plan.conditions is None else plan.conditions.plain(),
        "environment": {**environment(), "workers": workers, "threads_per_worker": 1, "device": current_device()},
    }


def _regions(plan: Plan) -> dict[str, list[str]]:
    """The hashes of the regions that are cut out of each image; none where images are taken whole."""
    hashes = [regions_sha256(image.regions) for image in plan.images]
    return {"regions_sha256": hashes} if any(hashes) else {}


def _heads(plan: Plan) -> list[dict[str, Any]]:
    """The heads that could run, as tables name them; a head of two routes stands twice."""
    return [
        {"label": reader.label, "route": reader.route, **identity(reader.head)}
        for reader in plan.config.readers
        if reader.label not in plan.skipped_heads
    ]


def _cells(plan: Plan) -> dict[str, Any]:
    readers = [reader for reader in plan.config.readers if plan.cells_of(reader)]
    heads = {reader.label: identity(reader.head) for reader in readers}
    ladders = {curve.label: (curve.second_of, SECOND) for curve in plan.config.curves if curve.second_of}
    cells: dict[str, Any] = {}
    for cell in plan.cells:
        label, ladder = ladders.get(cell.curve, (cell.curve, ""))
        coded = {"codec": identity(cell.codec), "curve": label, "ladder": ladder, "point": cell.point}
        cells[cell.id] = coded
        for reader in readers:
            if reader.name in cell.predictions:
                read: dict[str, Any] = {"regime": reader.head.regime, "route": reader.route}
                read |= {"regions": True} if _regions(plan) and reader.head.output is Classification else {}
                cells[cell_id(cell, reader.name)] = {**coded, "head": heads[reader.label], **read}
    return cells


def write(path: Path, description: Mapping[str, Any]) -> None:
    """Write ``run.json``, whole or not at all."""
    write_text(path, json.dumps(description, indent=1, default=str) + "\n")
