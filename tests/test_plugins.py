"""A codec of one's own in its three forms, and the package as a wheel: each shows up in ``--list`` and in a table."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "tests" / "plugin"
RUN = ["-m", "benchmarks.run", "--dataset", "squares", "--head", "squares", "--workers", "1", "--quiet"]

CODEC = textwrap.dedent('''
    """A codec of one new file."""
    import io, struct, zlib
    from dataclasses import dataclass
    from typing import ClassVar
    import numpy as np
    from benchmarks.api import CODECS

    @CODECS.register("deflate")
    @dataclass(frozen=True)
    class Deflate:
        """Pixels with their low bits dropped, deflated."""
        bits: int = 4
        rate_field: ClassVar[str] = "bits"
        ladder: ClassVar[tuple[int, ...]] = (2, 4, 6)
        def encode(self, image):
            kept = image >> (8 - self.bits) << (8 - self.bits)
            return struct.pack("<HH", *image.shape[:2]) + zlib.compress(kept.tobytes())
        def decode(self, data):
            h, w = struct.unpack_from("<HH", data)
            return np.frombuffer(zlib.decompress(data[4:]), np.uint8).reshape(h, w, 3).copy()
        def available(self):
            return None
        def provenance(self):
            return {"code": "1"}
''')

PROGRAM = textwrap.dedent("""
    import sys, PIL.Image
    what, quality, source, target = sys.argv[1:]
    if what == "enc":
        PIL.Image.open(source).save(target, format="JPEG", quality=int(quality))
    else:
        PIL.Image.open(source).save(target, format="PNG")
""")


def run(words: list[str], folder: Path, path: list[Path]) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def codecs_of(folder: Path) -> set[str]:
    return set(pd.read_csv(folder / "results" / "runs" / "detection-squares" / "table.csv")["codec"])


def copy_of_the_tree(folder: Path) -> Path:
    for part in ("hsc", "downstream", "benchmarks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_one_new_file(tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path)
    (tree / "benchmarks" / "codecs" / "deflate.py").write_text(CODEC)
    assert "deflate  " in run(["-m", "benchmarks.run", "--list", "codecs"], tree, [tree])
    run([*RUN, "--codec", "deflate"], tree, [tree, PLUGIN])
    assert codecs_of(tree) == {"original", "deflate"}


def test_an_entry_point_of_another_distribution(tmp_path: Path) -> None:
    assert "blocks  " in run(["-m", "benchmarks.run", "--list", "codecs"], tmp_path, [ROOT, PLUGIN])
    run([*RUN, "--codec", "blocks"], tmp_path, [ROOT, PLUGIN])
    assert codecs_of(tmp_path) == {"original", "blocks"}


def own_codec(folder: Path) -> None:
    """Write ``own.toml`` and the program it describes."""
    (folder / "program.py").write_text(PROGRAM)
    (folder / "own.toml").write_text(f"""
name = "own"
encode = ["{sys.executable}", "{{folder}}/program.py", "enc", "{{quality}}", "{{input}}", "{{output}}"]
decode = ["{sys.executable}", "{{folder}}/program.py", "dec", "0", "{{input}}", "{{output}}"]
[rate]
field = "quality"
ladder = [10, 90]
""")


def test_a_few_lines_of_toml(tmp_path: Path) -> None:
    own_codec(tmp_path)
    assert "own  " in run(["-m", "benchmarks.run", "--list", "codecs", "--codec-file", "own.toml"], tmp_path, [ROOT])
    run(
        [*RUN, "--codec-file", "own.toml", "--codec", "blocks", "--require", "own", "--limit", "2"],
        tmp_path,
        [ROOT, PLUGIN],
    )
    assert codecs_of(tmp_path) == {"original", "blocks", "own"}


@pytest.mark.slow
def test_a_program_in_toml_is_held_to_the_contract(tmp_path: Path) -> None:
    """It writes plain JPEG files, so another codec's stream is one of its own; it keeps all the rest."""
    own_codec(tmp_path)
    line = [sys.executable, "-m", "benchmarks.check_codec", "own", "--codec-file", "own.toml", "--quick"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "- [x] A fresh process, at another point, decodes the same pixels from the bytes alone" in done.stdout
    assert [text for text in done.stdout.splitlines() if "[ ]" in text] == [
        "- [ ] It refuses the streams of other codecs: it took a stream of jpeg for its own"
    ]


@pytest.mark.slow
def test_an_installed_wheel_runs_with_its_weights(tmp_path: Path) -> None:
    """Built and installed not editable, away from the tree: the embedded data set and our own head come with it."""
    tree = copy_of_the_tree(tmp_path / "source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, tree],
        check=True,
        capture_output=True,
    )
    wheel = next(tmp_path.glob("*.whl"))
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", tmp_path / "site", wheel], check=True, capture_output=True
    )
    away = tmp_path / "away"
    away.mkdir()
    said = run(["-c", "import benchmarks; print(benchmarks.__file__)"], away, [tmp_path / "site"])
    assert str(tmp_path / "site") in said
    run(
        ["-m", "benchmarks.run", "--codec", "jpeg(quality=[10, 90])", "--limit", "4", "--quiet"],
        away,
        [tmp_path / "site"],
    )
    table = pd.read_csv(away / "results" / "runs" / "detection-squares" / "table.csv")
    assert set(table["codec"]) == {"original", "jpeg"}
    assert (table["status"] == "ok").all()
