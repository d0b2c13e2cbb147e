"""The conditions a time is taken under. Times of other conditions are other numbers: each is kept with its own, and
none are pooled.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.keys import key_of
from hsc.devices import current_device


@dataclass(frozen=True)
class Conditions:
    """How, and on what, a run takes its times.

    repeats: the median of so many is kept. processes: at work at once, 0 where it is not known. threads: of each.
    device: torch's name of it; accelerator: its make, empty for the CPU. host: the first digits of the hash of the
    machine's name, which tell machines apart and name none. processor, cores: what the processes share.
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
        """Hash of all fields, under which the store keeps times."""
        return key_of(asdict(self))[:16]

    def __str__(self) -> str:
        each = "once" if self.repeats == 1 else f"{self.repeats} times, the median kept"
        where = f"{self.accelerator} ({self.device})" if self.accelerator else self.device
        return (
            f"measured {each}; {self.processes or '?'} {_number('process', 'processes', self.processes)} of "
            f"{self.threads} "
            f"{_number('thread', 'threads', self.threads)}; {where}; {self.processor or 'processor not known'}, "
            f"{self.cores} "
            f"{_number('core', 'cores', self.cores)}; host {self.host}"
        )

    def plain(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def conditions_of(repeats: int, executor: Any) -> Conditions:
    """Those of a run that ``executor`` does: its ``workers``, each with one thread, on the device of HSC_DEVICE."""
    where = current_device()
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    processes = int(getattr(executor, "workers", 0))
    return Conditions(
        repeats, processes, 1, where, _accelerator(where), host, processor(), len(os.sched_getaffinity(0))
    )


def processor() -> str:
    """The make of this machine's processor, empty where the system does not say."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def _accelerator(where: str) -> str:
    if where == "cpu":
        return ""
    import torch

    return str(torch.cuda.get_device_name(where))


def _number(single: str, several: str, count: int) -> str:
    return single if count == 1 else several
