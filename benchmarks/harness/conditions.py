"""The conditions that a time is taken under. Times of different conditions are kept apart and never pooled."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from benchmarks.harness.keys import key_of
from hsc.devices import current_device

PROCESSES = "HSC_PROCESSES"
"""The variable that tells a worker on a cluster how many processes its machine runs at once."""
ANYWHERE = ""
"""The host of conditions that any machine of a cluster meets."""


@dataclass(frozen=True)
class Machine:
    """The machine that a process runs on, in the terms of ``Conditions``."""

    host: str
    processor: str
    cores: int
    accelerator: str
    processes: int
    device: str


@dataclass(frozen=True)
class Conditions:
    """The way that a run takes its times, and the machine it takes them on.

    repeats: the median of so many is kept. processes: at work at once, 0 where the number is not known. threads: of
    each process. device: torch's name of it. accelerator: its make, empty for the CPU. host: the first digits of the
    hash of the machine's name, which tell machines apart without naming them; ``ANYWHERE`` where a run has many
    machines, and each time is kept under the conditions of its own. processor: its make, empty where the system does
    not say. cores: those that the processes share.
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

    @property
    def anywhere(self) -> bool:
        """Whether these are the conditions of a run on many machines, before its machines are known."""
        return self.host == ANYWHERE and not self.processor

    @property
    def kind(self) -> Conditions:
        """The same without the host: equal for machines of one kind."""
        return replace(self, host=ANYWHERE)

    def on(self, machine: Machine) -> Conditions:
        """The conditions of a time that was taken on this machine; of a run on one machine they are the run's."""
        return replace(self, **asdict(machine)) if self.anywhere else self

    def __str__(self) -> str:
        each = "once" if self.repeats == 1 else f"{self.repeats} times, the median kept"
        where = f"{self.accelerator} ({self.device})" if self.accelerator else self.device
        processes = f"{self.processes or '?'} {_noun('process', 'processes', self.processes)}"
        threads = f"{self.threads} {_noun('thread', 'threads', self.threads)}"
        cores = f"{self.cores} {_noun('core', 'cores', self.cores)}"
        if self.anywhere:
            return f"measured {each}; {threads} a process; {where}; on the machines of a cluster"
        return (
            f"measured {each}; {processes} of {threads}; {where}; {self.processor or 'processor not known'}, {cores}; "
            f"host {self.host or 'any of this kind'}"
        )

    def plain(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


@runtime_checkable
class HasWorkers(Protocol):
    """Capability of an executor: it knows how many processes are at work at once."""

    workers: int


@runtime_checkable
class ManyMachines(Protocol):
    """Capability of an executor: its jobs run on many machines, or the number of them is not known."""

    many_machines: bool


@runtime_checkable
class ReadsApart(Protocol):
    """Capability of an executor: it says whether heads read in other processes than those that code. Its jobs then say
    by an attribute ``on_device`` that they need the run's device; one without it does.
    """

    reads_apart: bool


def reads_apart(executor: object) -> bool:
    """Whether heads read in other processes than those that code."""
    return isinstance(executor, ReadsApart) and executor.reads_apart


def conditions_of(repeats: int, executor: object) -> Conditions:
    """The conditions of a run on the current device, by an executor of processes of one thread each."""
    device = current_device()
    if isinstance(executor, ManyMachines):
        return Conditions(repeats, 0, 1, device, "", ANYWHERE, "", 0)
    processes = executor.workers if isinstance(executor, HasWorkers) else 0
    here = machine()
    return Conditions(repeats, processes, 1, device, here.accelerator, here.host, here.processor, here.cores)


def machine() -> Machine:
    """The machine that this process runs on, with the accelerator of the current device."""
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    processes = int(os.environ.get(PROCESSES, "0"))
    device = current_device()
    return Machine(host, processor(), len(os.sched_getaffinity(0)), _accelerator(device), processes, device)


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
