"""``scripts/bench``: a preview, then the whole run; with programs that only write down how they were called."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "scripts" / "bench"
SETUP = "#!/bin/sh\necho set-up >> calls\n"
PYTHON = '#!/bin/sh\necho "$@" >> calls\ncase "$*" in *--preview*) exit $PREVIEW_ENDS ;; esac\nexit 1\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script, and stand-ins for what it starts."""
    for name, text in (("scripts/setup", SETUP), (".venv/bin/python", PYTHON)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    shutil.copy(BENCH, tmp_path / "scripts" / "bench")
    return tmp_path


def called(checkout: Path, *arguments: str, preview_ends: int = 0) -> tuple[int, list[str]]:
    """The script's exit code, and what it started."""
    line = ["bash", str(checkout / "scripts" / "bench"), *arguments]
    done = subprocess.run(line, env={"PATH": "/usr/bin:/bin", "PREVIEW_ENDS": str(preview_ends)}, check=False)
    return done.returncode, (checkout / "calls").read_text().splitlines()


def test_the_default_is_a_preview_and_then_the_whole_run(checkout: Path) -> None:
    run = "-m benchmarks run --task detection"
    assert called(checkout) == (1, ["set-up", f"{run} --preview", run])  # the exit code is the whole run's


def test_arguments_go_to_both(checkout: Path) -> None:
    run = "-m benchmarks run --codec jpeg --limit 20"
    assert called(checkout, "--codec", "jpeg", "--limit", "20")[1] == ["set-up", f"{run} --preview", run]


@pytest.mark.parametrize("code", [2, 130, 143])
def test_what_stops_the_preview_stops_the_run(checkout: Path, code: int) -> None:
    ended, calls = called(checkout, preview_ends=code)
    assert ended == code
    assert len(calls) == 2


def test_failed_cells_of_the_preview_do_not_stop_the_run(checkout: Path) -> None:
    assert len(called(checkout, preview_ends=1)[1]) == 3


@pytest.mark.parametrize("argument", ["--dry-run", "--help", "--list=codecs", "--preview"])
def test_what_is_no_run_has_no_preview(checkout: Path, argument: str) -> None:
    assert called(checkout, argument)[1] == ["set-up", f"-m benchmarks run {argument}"]
