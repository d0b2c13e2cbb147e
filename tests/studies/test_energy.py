"""Energy: read from counters, over their end too; a reason in the place of every number that cannot be read."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.studies.energy import Energy, Rapl, energy_of, meter_of


def powercap(folder: Path, **counters: int) -> Path:
    """A folder as the system shows it: packages by number, and a core domain inside the first."""
    for name, energy_uj in counters.items():
        package = folder / f"intel-rapl:{name.removeprefix('package')}"
        package.mkdir(parents=True)
        (package / "name").write_text(f"package-{name.removeprefix('package')}\n")
        (package / "energy_uj").write_text(f"{energy_uj}\n")
        (package / "max_energy_range_uj").write_text("1000000\n")
    core = folder / "intel-rapl:0:0"
    core.mkdir(parents=True)
    (core / "energy_uj").write_text("999\n")
    (core / "name").write_text("core\n")
    return folder


def test_packages_are_summed_and_counters_may_start_again(tmp_path: Path) -> None:
    folder = powercap(tmp_path, package0=900_000, package1=100_000)
    meter = meter_of("cpu", folder)
    assert isinstance(meter, Rapl)
    assert meter.source == "measured: RAPL package-0, package-1"
    passes = []

    def work() -> None:
        passes.append(1)
        (folder / "intel-rapl:0" / "energy_uj").write_text("200000")  # past its end of 1 J: 0.3 J
        (folder / "intel-rapl:1" / "energy_uj").write_text("600000")  # 0.5 J

    joules, source = energy_of(work, "cpu", 0.0, meter)
    assert joules == pytest.approx(0.8)
    assert source == meter.source
    assert len(passes) == 1


def test_a_system_without_counters_has_no_number(tmp_path: Path) -> None:
    assert energy_of(lambda: pytest.fail("nothing is to be run"), "cpu", meter=meter_of("cpu", tmp_path)) == Energy(
        None, f"n/a: this system shows no RAPL counters in {tmp_path}"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_counter_that_may_not_be_read(tmp_path: Path) -> None:
    folder = powercap(tmp_path, package0=1)
    (folder / "intel-rapl:0" / "energy_uj").chmod(0)
    assert "root" in str(meter_of("cpu", folder))


def test_a_damaged_counter(tmp_path: Path) -> None:
    folder = powercap(tmp_path, package0=1)
    (folder / "intel-rapl:0" / "energy_uj").write_text("much")
    assert str(meter_of("cpu", folder)).startswith("n/a: ")
    meter = Rapl((folder / "intel-rapl:0",))
    (folder / "intel-rapl:0" / "energy_uj").write_text("5")

    def work() -> None:
        (folder / "intel-rapl:0" / "energy_uj").unlink()

    joules, reason = energy_of(work, "cpu", 0.0, meter)
    assert joules is None
    assert reason.startswith("n/a: ")


@dataclass
class Constant:
    """A counter that grows by the clock: two watts."""

    source: str = "measured: a test"
    started: float = field(default_factory=time.perf_counter)

    def read(self) -> tuple[float, ...]:
        return (2 * (time.perf_counter() - self.started),)

    def between(self, before: tuple[float, ...], after: tuple[float, ...]) -> float:
        return after[0] - before[0]


def test_short_work_is_repeated_until_the_counter_has_moved() -> None:
    joules, _ = energy_of(lambda: time.sleep(0.002), "cpu", 0.1, Constant())
    assert joules is not None
    assert 0.004 <= joules < 0.4
