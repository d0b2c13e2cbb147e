"""The text of ``run.toml``: the settings of a run by the long names of their options, for ``hsc-bench rerun``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.text import one_line

Settings = Mapping[str, Any]
"""Values by the long name of their option, without dashes in front: texts, numbers, truths, and lists of them."""

_NOT_KEPT = frozenset({"out", "name", "dry-run", "overwrite-folder", "save-images"})
"""Options that are not written into a run's folder: where it and its images lie, and what is asked anew each time."""


def written(settings: Settings, task: str) -> str:
    """The text of the ``run.toml`` that a run keeps: its settings as given, and the task.

    Options that say where the run's folder lies, or that are asked anew each time, are left out.
    """
    kept = {"task": task, **{name: value for name, value in settings.items() if name not in _NOT_KEPT}}
    lines = [f"{name} = {toml(value)}" for name, value in kept.items()]
    head = "# The settings of this run as they were given; hsc-bench rerun FOLDER repeats it.\n"
    return head + "".join(f"{line}\n" for line in lines)


def without_settings(reason: str) -> str:
    """The text of the ``run.toml`` of a run that no command line can repeat: one sentence, and no settings."""
    return f"# hsc-bench rerun cannot repeat this run: {one_line(reason, 2000)}.\n"


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return repr(value)
