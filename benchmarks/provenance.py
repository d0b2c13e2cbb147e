"""Where a run's numbers come from: commit, packages, machine, settings, and each cell's codec, head and data set."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.bootstrap import MIN_IMAGES, MIN_OBJECTS, MIN_RESAMPLES
from benchmarks.conditions import processor
from benchmarks.harness import Plan
from benchmarks.keys import identity
from benchmarks.labels import PSEUDO_SCORE, labels_of
from benchmarks.notices import NAME as NOTICES
from benchmarks.scoring import cell_id
from benchmarks.whole_files import write_text

PACKAGES: tuple[str, ...] = (
    *("hsc-bench", "numpy", "scipy", "torch", "torchvision", "compressai", "pillow", "pillow-heif", "imagecodecs", "imageio-ffmpeg", "av"),
    *("onnxruntime", "hotcoco", "pycocotools", "numba", "ultralytics", "mmsegmentation", "torchmetrics", "torch-fidelity"),
)


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
    return [{"label": label, "route": route, **identity(head)} for (label, head), route in named if f"head {label}" not in plan.skipped]


def _cells(plan: Plan) -> dict[str, Any]:
    heads = [identity(head) if f"head {label}" not in plan.skipped else {} for label, head in plan.config.heads]
    cells: dict[str, Any] = {}
    for cell in plan.cells:
        coded = {"codec": identity(cell.codec), "curve": cell.curve, "point": cell.point}
        cells[cell.id] = coded
        for number in cell.predictions:
            read = {"regime": plan.config.heads[number][1].regime, "route": plan.config.routes[number]}
            cells[cell_id(cell, number)] = {**coded, "head": heads[number], **read}
    return cells


def environment() -> dict[str, Any]:
    """The machine and the software, beside the keys and not in them."""
    return {
        "commit": _commit(),
        "python": sys.version.split()[0],
        "packages": {name: v for name in PACKAGES if (v := version(name))},
        "machine": {"system": platform.system(), "arch": platform.machine(), "processor": processor(), "cores": len(os.sched_getaffinity(0))},
    }


def version(package: str) -> str | None:
    """A package's installed version, None where it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the source tree this runs from, with "+" where it has uncommitted changes; None when installed."""
    try:
        here = Path(__file__).resolve().parent
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if dirty else "")


def write(path: Path, description: Mapping[str, Any]) -> None:
    """Write ``run.json``, whole or not at all."""
    write_text(path, json.dumps(description, indent=1, default=str) + "\n")
