"""What a job takes along from the process that sends it, so that it runs alike on whatever machine it reaches.

That is the device of networks, and the project's settings in the environment: ``HSC_DATA``, ``HSC_CLASS_MAPS``, ...
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.programs.watcher import ROOM
from hsc.devices import current_device, use_device

WORKER = "HSC_WORKER"
"""The variable that marks a worker process; its value is the worker's own."""
_PREFIX = "HSC_"
_OWN = frozenset({ROOM, WORKER})
"""Variables that belong to a process and never travel."""


@dataclass(frozen=True)
class Surroundings:
    """device: as ``hsc.devices`` names it. variables: the environment variables of this project, by name."""

    device: str
    variables: tuple[tuple[str, str], ...]

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process, now."""
        return cls(current_device(), tuple(sorted(_settings().items())))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have them in this process for the length of a ``with`` block; what was there before comes back."""
        before = _settings()
        _set(dict(self.variables))
        try:
            with use_device(self.device):
                yield
        finally:
            _set(before)


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_PREFIX) and name not in _OWN}


def _set(variables: dict[str, str]) -> None:
    for name in _settings().keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
