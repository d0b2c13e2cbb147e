"""What the doctor finds: things that work, things that cannot, things that only claim to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares

from benchmarks.api import CODECS
from benchmarks.doctor import examine, main, packages
from downstream.api import HEADS


@pytest.fixture
def strangers() -> Iterator[None]:
    """Plug-ins that claim to be available and are not what they claim, and one that is honest; gone again afterwards."""

    @dataclass(frozen=True)
    class Shrinking(Blocks):
        def decode(self, data: bytes) -> np.ndarray:
            return super().decode(data)[1:]

    @dataclass(frozen=True)
    class Raising(FindSquares):
        def predict(self, images: Any) -> list[Any]:
            raise RuntimeError("its weights are of another size")

    @dataclass(frozen=True)
    class Absent(Blocks):
        def available(self) -> str | None:
            return "no such program; apt install it"

    @dataclass(frozen=True)
    class Asking(Blocks):
        needed: str = ""

        def __post_init__(self) -> None:
            if not self.needed:
                raise ValueError("it needs a file")

    made = {"shrinking": Shrinking, "no_program": Absent, "asking": Asking}
    for registry, names in ((CODECS, made), (HEADS, {"raising": Raising})):
        registry.names()
        for name, cls in names.items():
            registry.register(name)(cls)
    yield
    for registry, names in ((CODECS, made), (HEADS, {"raising": Raising})):
        for name in names:
            del registry._classes[name]


def test_each_is_tried_and_said_to_be_what_it_is(strangers: None) -> None:
    codecs = {f.name: f for f in examine("codec", trial=True)}
    assert codecs["jpeg"].state == "works"
    assert "64x64 in " in codecs["jpeg"].text
    assert codecs["jpeg"].facts
    assert "without loss" in codecs["original"].text
    assert (codecs["shrinking"].state, codecs["shrinking"].text) == ("broken", "64x64 came back as uint8 (63, 64, 3)")
    assert (codecs["no_program"].state, codecs["no_program"].text) == ("unavailable", "no such program; apt install it")
    assert codecs["asking"].state == "needs arguments"


def test_heads_look_at_a_picture(strangers: None) -> None:
    heads = {f.name: f for f in examine("head", trial=True)}
    assert heads["squares"].state == "works"
    assert " boxes in " in heads["squares"].text
    assert heads["raising"].state == "broken"
    assert heads["raising"].text.startswith("RuntimeError: its weights are of another size")


def test_without_trial_nothing_is_coded(strangers: None) -> None:
    states = {f.name: f.state for f in examine("codec", trial=False)}
    assert states["shrinking"] == states["jpeg"] == "available"


def test_packages_have_versions_and_licences() -> None:
    found = {name: (number, licence) for name, number, licence in packages()}
    assert found["numpy"][0].startswith(str(np.__version__))
    assert "BSD" in found["numpy"][1]
    assert found["hsc-bench"][1] == "Apache-2.0"


def test_what_only_claims_to_work_ends_with_1_and_is_named_at_the_end(strangers: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "codec"]) == 1
    assert "\nbroken: codec shrinking: 64x64 came back as uint8 (63, 64, 3)\n" in capsys.readouterr().out


def test_everything_in_one_go() -> None:
    """In a process of its own: other tests leave codecs of theirs behind."""
    line = [sys.executable, "-m", "benchmarks.doctor", "--no-trial"]
    done = subprocess.run(line, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("Python 3.")
    for kind in ("packages", "codecs", "heads", "datasets", "tasks", "metrics"):
        assert f"\n{kind}\n" in done.stdout


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "examples:" in capsys.readouterr().out
