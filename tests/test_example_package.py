"""``examples/my_codec``, installed as a user installs it: its own tests, the codec's contract, and a run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "my_codec"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed package; it is built from a copy, so that the tree stays clean."""
    folder = tmp_path_factory.mktemp("example")
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    copy = shutil.copytree(EXAMPLE, folder / "my_codec", ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", folder / "site", copy], check=True, capture_output=True, timeout=300
    )
    return folder / "site"


def run(site: Path, folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "test_my_codec.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = run(site, tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_codec.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


def test_the_codec_keeps_the_contract(site: Path, tmp_path: Path) -> None:
    done = run(site, tmp_path, "-m", "benchmarks", "check-codec", "my_codec", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "- [ ]" not in done.stdout
    assert re.match(r"`my_codec` passes (\d+) of \1 rules", done.stdout)


@pytest.mark.slow
def test_the_codec_keeps_the_whole_contract(site: Path, tmp_path: Path) -> None:
    done = run(site, tmp_path, "-m", "benchmarks", "check-codec", "my_codec")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_of_its_readme(site: Path, tmp_path: Path) -> None:
    """A run with all four plug-ins, on fewer images."""
    readme = (EXAMPLE / "README.md").read_text()
    (line,) = re.findall(r"^\$ hsc-bench (run .*)$", readme, re.MULTILINE)
    line = line.replace("my_shapes", "my_shapes(images=12)")
    done = run(site, tmp_path, "-m", "benchmarks", *line.split(), "--workers", "1", "--quiet", "--gallery", "0")
    assert done.returncode == 0, done.stderr
    folder = next((tmp_path / "results" / "runs").iterdir())
    scores = benchmarks.load(folder).scores
    assert set(scores["status"]) == {"ok"}
    whole = scores[(scores["part"] == "") & (scores["ladder"] == "")]
    recall = whole[(whole["metric"] == "my_recall")].set_index(["codec", "point"])["value"]
    assert recall["original", ""] == 1.0
    assert recall["my_codec", "quality=6"] > 0.9
    assert recall["my_codec", "quality=1"] < recall["my_codec", "quality=6"]
    rates = whole[(whole["metric"] == "bpp") & (whole["codec"] == "my_codec")]["value"].tolist()
    assert len(rates) == 6
    assert rates == sorted(rates)


def test_the_python_of_its_readme(site: Path, tmp_path: Path) -> None:
    readme = (EXAMPLE / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    code = code.replace('"my_shapes"', '"my_shapes(images=12)"').replace("anchors=", "workers=1, anchors=")
    done = run(site, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert "my_codec" in done.stdout
    assert "jpeg" in done.stdout


def test_its_readme_is_short() -> None:
    assert len((EXAMPLE / "README.md").read_text().splitlines()) <= 45
