"""The conditions that a time is taken under. Times of different conditions are kept apart and never pooled."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from benchmarks.harness.keys import key_of
from hsc.devices import current_device


@dataclass(frozen=True)
class Conditions:
    """The way that a run takes its times, and the machine it takes them on.

    repeats: the median of so many is kept. processes: at work at once, 0 where the number is not known. threads: of
    each process. device: torch's name of it. accelerator: its make, empty for the CPU. host: the first digits of the
    hash of the machine's name, which tell machines apart without naming them. processor: its make, empty where the
    system does not say. cores: those that the processes share.
    """

    repeats: int
    processes: int
    threads: int
    device: str
    accelerator: str
    host: str
    processor: str
    cores: int

    @functools.cached_property
    def id(self) -> str:
        """The hash of all fields that the store keeps times under."""
        return key_of(asdict(self))[:16]

    def __str__(self) -> str:
        each = "once" if self.repeats == 1 else f"{self.repeats} times, the median kept"
        where = f"{self.accelerator} ({self.device})" if self.accelerator else self.device
        processes = f"{self.processes or '?'} {_noun('process', 'processes', self.processes)}"
        threads = f"{self.threads} {_noun('thread', 'threads', self.threads)}"
        cores = f"{self.cores} {_noun('core', 'cores', self.cores)}"
        return (
            f"measured {each}; {processes} of {threads}; {where}; {self.processor or 'processor not known'}, {cores}; "
            f"host {self.host}"
        )

    def plain(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


@runtime_checkable
class HasWorkers(Protocol):
    """Capability of an executor: it knows how many processes are at work at once."""

    workers: int


def conditions_of(repeats: int, executor: object) -> Conditions:
    """The conditions of a run on the current device, by an executor of processes of one thread each."""
    device = current_device()
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    processes = executor.workers if isinstance(executor, HasWorkers) else 0
    cores = len(os.sched_getaffinity(0))
    return Conditions(repeats, processes, 1, device, _accelerator(device), host, processor(), cores)


def processor() -> str:
    """The make of this machine's processor, empty where the system does not say."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def _accelerator(device: str) -> str:
    if device == "cpu":
        return ""
    import torch

    return str(torch.cuda.get_device_name(device))


def _noun(single: str, several: str, count: int) -> str:
    return single if count == 1 else several
