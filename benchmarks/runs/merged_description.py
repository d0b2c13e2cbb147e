"""``run.json`` of merged runs: the cells of all, and under ``merged`` where and when each of the runs was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.runs.notices import NAME as NOTICES
from benchmarks.runs.run_folder import Run
from benchmarks.runs.run_json import NAMES

NAME = "merged"
"""The field that only merged runs have."""


def merged_about(runs: Sequence[Run], chosen: Mapping[str, int], date: str) -> dict[str, Any]:
    """The description of merged runs. chosen: the number of the run that each cell is taken from, in their order."""
    first = runs[0].about
    cells = {cell: runs[number].about["cells"][cell] for cell, number in chosen.items()}
    curves = {cell["curve"] for cell in cells.values()}
    skipped = {label: reason for run in runs for label, reason in run.about["skipped"].items() if label not in curves}
    heads = {head["label"] for head in first.get("heads", ())}
    skipped_heads = {
        label: reason for run in runs for label, reason in run.about["skipped_heads"].items() if label not in heads
    }
    about = {
        **first,
        "date": date,
        "arguments": {"command": "hsc-bench merge " + " ".join(run.name for run in runs)},
        "anchors": list(dict.fromkeys(anchor for run in runs for anchor in run.about["anchors"])),
        "skipped": skipped,
        "skipped_heads": skipped_heads,
        NOTICES: list(dict.fromkeys(text for run in runs for text in run.about.get(NOTICES, ()))),
        NAMES: {label: name for run in reversed(runs) for label, name in run.about.get(NAMES, {}).items()},
        "cells": cells,
        "times": first.get("times", {}) if all(run.about.get("times") == first.get("times") for run in runs) else {},
        "environment": _environment([run.about["environment"] for run in runs]),
    }
    about[NAME] = {
        "runs": [
            {
                "name": run.name,
                "date": run.about.get("date", ""),
                "command": run.about.get("arguments", {}).get("command", ""),
                "cells": [cell for cell, source in chosen.items() if source == number],
                "times": run.about.get("times", {}),
                "environment": run.about["environment"],
            }
            for number, run in enumerate(runs)
        ],
        "no_interval": [],
    }
    return about


def _environment(environments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The environments as one: texts that differ side by side; of numbers that differ, those of the first."""
    first = environments[0]
    merged: dict[str, Any] = {}
    for name, value in first.items():
        values = [environment.get(name) for environment in environments]
        if isinstance(value, Mapping):
            merged[name] = _environment([other if isinstance(other, Mapping) else {} for other in values])
        elif isinstance(value, str) or value is None:
            texts = dict.fromkeys(str(other) for other in values if other)
            merged[name] = " and ".join(texts)[:180] if texts else None
        else:
            merged[name] = value
    return merged
