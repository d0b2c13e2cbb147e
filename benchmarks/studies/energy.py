"""Energy of a computation, read from the machine's own counters: RAPL of the processor, NVML of an NVIDIA device.

A reading is that of the whole package or device while the work ran, idle power and other work on it included. Where no
counter can be read there is no number and a reason: energy is never estimated from time or from operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks.harness.timing import drain_device

POWERCAP = Path("/sys/class/powercap")
LEAST_S = 1.0
"""The work is repeated for so long, since counters step forward every few milliseconds."""
_MICRO, _MILLI = 1e-6, 1e-3


class Energy(NamedTuple):
    """The energy of one pass. joules: None where it could not be read. source: the counter, or why there is none."""

    joules: float | None
    source: str


class Meter(Protocol):
    """A counter of energy."""

    @property
    def source(self) -> str:
        """Its name, behind "measured: "."""

    def read(self) -> tuple[float, ...]:
        """The counters now, in joules, one a package or device. Raises OSError where one cannot be read."""

    def between(self, before: tuple[float, ...], after: tuple[float, ...]) -> float:
        """The joules between two readings, summed."""


@dataclass(frozen=True)
class Rapl:
    """Running average power limit counters of all processor packages. packages: their folders in powercap."""

    packages: tuple[Path, ...]

    @property
    def source(self) -> str:
        names = [(package / "name").read_text().strip() for package in self.packages]
        return f"measured: RAPL {', '.join(names)}"

    def read(self) -> tuple[float, ...]:
        return tuple(_MICRO * int((package / "energy_uj").read_text()) for package in self.packages)

    def between(self, before: tuple[float, ...], after: tuple[float, ...]) -> float:
        """A counter that has passed its range, which takes minutes, starts again at 0."""
        total = 0.0
        for package, start, end in zip(self.packages, before, after, strict=True):
            span = _MICRO * int((package / "max_energy_range_uj").read_text()) if end < start else 0.0
            total += end - start + span
        return total


@dataclass(frozen=True)
class Nvml:
    """The energy counter of one NVIDIA device, Volta or newer. library: the module pynvml, initialised."""

    library: Any
    handle: Any
    number: int

    @property
    def source(self) -> str:
        return f"measured: NVML, device {self.number}, the processor not included"

    def read(self) -> tuple[float, ...]:
        try:
            return (_MILLI * self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle),)
        except self.library.NVMLError as error:
            raise OSError(str(error)) from error

    def between(self, before: tuple[float, ...], after: tuple[float, ...]) -> float:
        return after[0] - before[0]


def meter_of(device: str, powercap: Path = POWERCAP) -> Meter | str:
    """The meter of a device, or a phrase on why there is none. device: torch's name. powercap: the system's folder."""
    return _nvml(device) if device.startswith("cuda") else _rapl(powercap)


def _rapl(powercap: Path) -> Meter | str:
    packages = tuple(
        folder
        for folder in sorted(powercap.glob("intel-rapl:*"))
        if folder.name.count(":") == 1 and (folder / "energy_uj").exists()
    )
    if not packages:
        return f"n/a: this system shows no RAPL counters in {powercap}"
    meter = Rapl(packages)
    try:
        meter.read()
    except PermissionError:
        return f"n/a: {packages[0] / 'energy_uj'} may not be read; give your user the right to, or run as root"
    except (OSError, ValueError) as error:
        return f"n/a: the RAPL counters cannot be read: {error}"
    return meter


def _nvml(device: str) -> Meter | str:
    try:
        import pynvml
    except ImportError:
        return "n/a: NVML needs the package nvidia-ml-py; pip install nvidia-ml-py"
    import torch

    number = int(device.partition(":")[2] or 0)
    try:
        pynvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(number).uuid)
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
        meter = Nvml(pynvml, handle, number)
        meter.read()
    except (pynvml.NVMLError, OSError, RuntimeError, AttributeError) as error:
        return f"n/a: NVML cannot read the energy of {device}: {error}"
    return meter


def energy_of(
    work: Callable[[], Any], device: str, least_s: float = LEAST_S, meter: Meter | str | None = None
) -> Energy:
    """The energy of one pass of ``work``, which runs again and again for ``least_s`` seconds, at least once.

    meter: by default that of the device.
    """
    meter = meter_of(device) if meter is None else meter
    if isinstance(meter, str):
        return Energy(None, meter)
    try:
        drain_device()
        start, before, passes = time.perf_counter(), meter.read(), 0
        while not passes or time.perf_counter() - start < least_s:
            work()
            passes += 1
        drain_device()
        joules = meter.between(before, meter.read()) / passes
    except (OSError, ValueError) as error:
        return Energy(None, f"n/a: the counter could be read before and not after: {error}")
    return Energy(joules, meter.source)
