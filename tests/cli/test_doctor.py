"""What the doctor finds: things that work, things that cannot, things that only claim to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import CODECS, Sample
from benchmarks.cli.doctor import _dataset, _head, _task, examine, main, packages
from downstream.api import HEADS
from hsc.api import LatentSpec
from hsc.errors import ImageError, UnknownNameError


@pytest.fixture
def strangers() -> Iterator[None]:
    """Plug-ins that wrongly claim to be available, and one that is honest; gone again afterwards."""

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
    assert "lossless" in codecs["original"].text
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


def test_what_only_claims_to_work_ends_with_1_and_is_named_at_the_end(
    strangers: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--only", "codec"]) == 1
    assert "\nbroken: codec shrinking: 64x64 came back as uint8 (63, 64, 3)\n" in capsys.readouterr().out


HOOKED = """
import sys
calls = []
def hook(event, arguments):
    connects = event == "socket.connect" and isinstance(arguments[1], tuple)
    if connects or event in ("socket.getaddrinfo", "urllib.Request"):
        calls.append((event, str(arguments)[:200]))
        raise OSError("no network in this test")
sys.addaudithook(hook)
"""
"""Everything that would use the network is written down, and fails."""


def hooked(program: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a process without a cache and without a network, HSC_OFFLINE not set; its last line is what it
    asked of the network.
    """
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in ("HSC_OFFLINE", "HSC_CACHE", "TORCH_HOME", "HSC_DATA", "XDG_CACHE_HOME")
    }
    environment = kept | {
        "HOME": str(home),
        "HSC_CACHE": str(home / "hsc"),
        "TORCH_HOME": str(home / "torch"),
        "http_proxy": "http://127.0.0.1:9",
    }
    line = [sys.executable, "-c", HOOKED + program + "\nprint(calls)\nsys.exit(code)"]
    return subprocess.run(
        line, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_all_of_it_on_a_healthy_installation_without_a_network(tmp_path: Path) -> None:
    done = hooked("from benchmarks.doctor import main\ncode = main([])", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Python 3.")
    assert lines[-1] == "[]"
    assert {"packages", "codecs", "heads", "datasets", "tasks", "metrics", "all available plug-ins work"} <= set(lines)
    state = {words[0]: " ".join(words[1:]) for line in lines if line.startswith("  ") and (words := line.split())}
    for name in ("latent_detector", "latent_segmenter"):
        assert state[name].startswith("works: latents of 64x64: ")
    for name in ("small", "small_adapted", "segmenter", "segmenter_adapted", "hsc", "jpeg", "vvc"):
        assert state[name].startswith("works: 64x64")
    assert state["psnr"].startswith("works: 64x64 compared with itself")
    assert state["roadscenes"] == "works: 64 images, the first of them 384x256"
    assert state["segmentation"].startswith("works: 1 metrics")
    assert state["coco"] == "unavailable: not fetched yet; would download 1.1 GB from http://images.cocodataset.org"
    for name in ("torchvision", "torchvision_segmentation"):
        assert re.fullmatch(
            r"unavailable: not fetched yet; would download \d+ MB from https://download.pytorch.org/models/\S+",
            state[name],
        )


def test_no_list_fetches_anything(tmp_path: Path) -> None:
    program = (
        "from benchmarks.run import main\ncode = max(main(['--list', kind]) for kind in ('codecs', 'heads', "
        "'datasets', 'tasks', 'metrics'))"
    )
    done = hooked(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.count("unavailable: not fetched yet; would download ") == 5


def test_latent_heads_that_no_codec_here_serves_are_available_and_not_tried() -> None:
    @dataclass(frozen=True)
    class Elsewhere(FindSquares):
        needs: ClassVar[tuple[Any, ...]] = (LatentSpec("y_hat", (1,), 8, "of nobody"),)

        def predict_latents(self, latents: Any) -> list[Any]:
            raise AssertionError("there are no such latents")

        predict: ClassVar[Any] = None

    assert _head(Elsewhere()) == ""


def test_data_sets_and_tasks_that_only_claim_to_work_are_found() -> None:
    @dataclass(frozen=True)
    class NoPixels(Squares):
        def load(self, index: int) -> Any:
            return Sample("a", np.zeros((3, 3), np.float32))

    with pytest.raises(ImageError, match="float32"):
        _dataset(NoPixels())
    with pytest.raises(UnknownNameError, match="no metric"):
        _task(_Misspelt())


class _Misspelt:
    metrics = ("coco_app",)
    dataset = "roadscenes"
    heads = ()


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "examples:" in capsys.readouterr().out
