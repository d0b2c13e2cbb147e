"""A stand-in for the package ray: its machines are functions in this process, and may be lost."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    """As Ray's: no answer came."""


class RayTaskError(RayError):
    """As Ray's: the function raised."""


class Ray:
    """What ``RayExecutor`` calls of Ray. work: what a machine does with (order, setting, names, *values).

    lost: is told each job, and how often it came before, and says whether its machine is lost with it. held: what each
    job was given, as (job, CPUs, GPUs).
    """

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, work: Callable[..., Any], lost: Callable[[Any, int], bool] = lambda job, times: False) -> None:
        self.work, self.lost = work, lost
        self.cancelled: list[int] = []
        self.jobs: list[Any] = []
        self.held: list[tuple[Any, int, float]] = []
        self.most = 0
        self._waiting: dict[int, tuple[Any, ...]] = {}

    def is_initialized(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        node = {"Alive": True, "NodeManagerHostname": "one", "Resources": {"CPU": 2.0}}
        return [{**node, "NodeID": "a"}, {**node, "NodeID": "b"}, {**node, "NodeID": "c", "Alive": False}]

    def put(self, value: Any) -> Any:
        return value

    def remote(self, function: Any) -> Any:
        def send(options: Any, *arguments: Any) -> int:
            number = len(self.jobs)
            self.jobs.append(pickle.loads(arguments[0]).job)
            self.held.append((self.jobs[-1], options["num_cpus"], options["num_gpus"]))
            self._waiting[number] = arguments
            self.most = max(self.most, len(self._waiting))
            return number

        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=partial(send, options)))

    def wait(self, references: list[int], **options: Any) -> tuple[list[int], list[int]]:
        return references[:1], references[1:]

    def get(self, reference: int) -> Any:
        arguments, job = self._waiting.pop(reference), self.jobs[reference]
        if self.lost(job, self.jobs[:reference].count(job)):
            raise RayError("the node died\nand so on")
        return self.work(*arguments)

    def cancel(self, reference: int) -> None:
        self.cancelled.append(reference)
