"""``hsc-bench list``: how many there are, each kind, and one plug-in in full with an example that parses."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cli.listing import REGISTRIES, main
from benchmarks.cli.run_parser import parser
from hsc.registry import parse_spec


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


EVERY = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry.names()]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_plug_in_is_shown_with_all_its_options_and_a_line_that_uses_it(
    kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, kind, name)
    registry = REGISTRIES[kind]
    assert text.startswith(f"{name}, a {registry.noun}: ")
    assert text.count("\n\n\n") == 0
    options = text.partition("\noptions")[2].partition("\n\nexample:")[0]
    cls = registry.get(name)
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        assert (f"\n  {field.name} " in options) is field.init
    line = shlex.split(text.partition("example:\n")[2])
    assert line[:2] == ["hsc-bench", "run"]
    given = parser().parse_args(line[2:])
    value = {"codecs": given.codec, "heads": given.head, "metrics": given.metric, "rates": given.rate}.get(kind) or [
        given.dataset if kind == "datasets" else given.task
    ]
    assert parse_spec(value[0]).name == name


def test_onnx_tells_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "heads", "onnx")
    assert text.startswith("onnx, a head: to be given: path\n")
    lines = [line.split(maxsplit=2) for line in text.splitlines() if line.startswith("  ")]
    options = {words[0]: words[1:] for words in lines if len(words) == 3}
    assert options["path"] == ["(required)", "text"]
    assert options["score_threshold"] == ["0.001", "number"]
    assert options["multi_label"] == ["True", "True or False"]
    assert options["classes"] == ["coco80", "text"]
    assert "smooth or plain" in text
    assert "--head 'onnx(path=PATH" in text


def test_a_codec_tells_its_ladder_and_an_alias_shows_what_it_stands_for(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "codecs", "jpeg")
    assert text.startswith("jpeg, a codec: available\n")
    assert "quality=[5, 10, 20, 35, 50, 75]" in text
    assert text.endswith("  hsc-bench run --codec 'jpeg(quality=[5, 20, 50])'\n")
    text = shown(capsys, "head", "detector")
    assert text.startswith("small, a head: ")
    assert "aliases: detector" in text


def test_kinds_are_counted_and_may_be_written_in_the_singular(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys).splitlines()
    assert [line.split() for line in lines[: len(REGISTRIES)]] == [
        [kind, str(len(r.names()))] for kind, r in REGISTRIES.items()
    ]
    assert shown(capsys, "task") == shown(capsys, "tasks")


def test_a_name_that_is_not_there_has_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heads", "onx"]) == 2
    assert capsys.readouterr().err == "error: no head is named 'onx'; did you mean onnx?\n"


def test_lists_load_no_network_and_not_even_torch() -> None:
    code = (
        "import sys\nfrom benchmarks.cli.listing import REGISTRIES, main\nfor kind in REGISTRIES: main([kind])\n"
        "from hsc.networks.network_holder import HOLDER\n"
        "print(HOLDER.loads, *sorted({'torch', 'torchvision', 'pandas', 'onnxruntime'} & set(sys.modules)))"
    )
    lines = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[-1] == "0"
    available = {line.split()[0] for line in lines if " available " in line}
    assert {"detector", "segmenter", "hsc", "jpeg"} <= available


def test_a_head_whose_weights_are_missing_is_not_available(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("downstream.heads.small.packaged", lambda name: tmp_path / f"{name}.safetensors")
    text = shown(capsys, "heads", "small")
    assert text.startswith("small, a head: unavailable: the weights small_pyramid.safetensors are missing; train them")
