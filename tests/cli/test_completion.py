"""Shell completion, as bash does it with the script that ``hsc-bench completion bash`` prints."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.cli.completion import main
from benchmarks.cli.main import COMMANDS

pytest.importorskip("shtab")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "hsc-bench.bash"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as file:
        patch.setattr("sys.stdout", file)
        assert main(["bash"]) == 0
    return path


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words, some of which may be empty."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    code = """source "$1"; shift
complete -p hsc-bench > /dev/null || exit 3
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_shtab_hsc_bench hsc-bench "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = subprocess.run(
        ["bash", "-c", code, "bash", script, "hsc-bench", *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()


def test_commands(script: Path) -> None:
    assert completed(script, "ru") == ["run"]
    assert completed(script, "r") == [name for name in COMMANDS if name.startswith("r")]
    assert {"run", "rerun"} <= set(completed(script, "r"))
    assert set(COMMANDS) <= set(completed(script, ""))


def test_options_and_their_values(script: Path) -> None:
    assert completed(script, "run", "--code") == ["--codec", "--codec-file"]
    assert completed(script, "run", "--codec", "jpeg") == ["jpeg", "jpeg2000", "jpegxl"]
    assert completed(script, "run", "--route", "") == ["image", "latent", "both"]
    assert "detection" in completed(script, "run", "--task", "")
    assert completed(script, "list", "he") == ["heads"]


def test_other_shells_have_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zsh"]) == 0
    assert capsys.readouterr().out.startswith("#compdef hsc-bench")
