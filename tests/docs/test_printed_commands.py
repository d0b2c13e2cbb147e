"""Command lines in model cards, in training configs and in help texts: today's commands understand each of them."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from building.command_pages import command_parsers, subparsers
from code_blocks import ROOT

from benchmarks.api import CODECS, DATASETS, METRICS, RATES
from benchmarks.cli.main import COMMANDS
from benchmarks.cli.run_parser import parser as run_parser
from benchmarks.stats.anchors import FRONT
from downstream.api import HEADS

CARDS = sorted(
    card
    for folder in ("hsc/pretrained", "downstream/weights", "benchmarks/learned/weights")
    for card in (ROOT / folder).glob("*.md")
)
CONFIGS = sorted([*ROOT.glob("hsc/training/configs/**/*.toml"), *ROOT.glob("benchmarks/rivals/configs/*.toml")])
MODULES = (
    "hsc",
    "hsc.training",
    "hsc.training.teacher",
    "hsc.training.light",
    "hsc.training.small_generator",
    "hsc.training.studies",
    "hsc.weights.convert_stylegan2",
    "downstream.training",
    "benchmarks.rivals",
    "benchmarks.datasets.roadscenes",
)
"""What is started as ``python -m``, beside ``benchmarks.run``."""
REGISTRIES: dict[str, Any] = {
    **{f"--{name}": CODECS for name in ("codec", "anchor", "require", "against")},
    **{"--head": HEADS, "--dataset": DATASETS, "--metric": METRICS, "--rate": RATES},
}
_LINE = re.compile(r"\s*(?:for [^;]*; do |\w+=\S* |)(?:hsc-bench|python|torchrun)\s")
_START = re.compile(r"(?:hsc-bench|-m) [a-z][\w.-]*")
_END = re.compile(r"[;|<>&]|#|\s{3,}\(|$")
_FORMER = re.compile(r"python -m benchmarks\.(?!run\b|datasets\b|rivals\b|studies\b)[a-z_]+")


class RefusedError(Exception):
    """What argparse says of a command line."""


def lines_of(path: Path) -> list[str]:
    """The indented lines of a card, or the indented lines in the comments of a config."""
    begin = "#   " if path.suffix == ".toml" else "    "
    return [line.removeprefix(begin) for line in path.read_text("utf-8").splitlines() if line.startswith(begin)]


def commands_in(lines: list[str]) -> Iterator[str]:
    """The command lines in a text, each from its program to its end, on one line."""
    for line in filter(_LINE.match, re.sub(r"\\\s*\n\s*", " ", "\n".join(lines)).splitlines()):
        for match in _START.finditer(line):
            rest = re.sub(r"'[^']*'|\"[^\"]*\"", lambda quoted: "x" * len(quoted[0]), line[match.start() :])
            end = _END.search(rest)
            assert end is not None
            yield line[match.start() : match.start() + end.start()]


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every parser by what starts it, as in "hsc-bench run" or "-m hsc.training"."""
    of_module = {}
    for name in MODULES:
        module = importlib.import_module(name)
        module = importlib.import_module(f"{name}.__main__") if hasattr(module, "__path__") else module
        of_module[f"-m {name}"] = module.parser()
    commands = {f"hsc-bench {name}": parser for name, parser in command_parsers().items() if name in COMMANDS}
    return {**commands, **of_module, "-m benchmarks.run": run_parser()}


PARSERS = parsers()
HELP = [(name, parser.epilog) for name, parser in PARSERS.items() if parser.epilog]


def actions_of(parser: argparse.ArgumentParser, words: list[str]) -> dict[str, argparse.Action]:
    """The options that a parser, or that of its command which is named first, takes."""
    chosen = subparsers(parser).get(words[0], parser) if words else parser
    return {name: action for action in chosen._actions for name in action.option_strings}


def check(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a command line, and the settings of the plug-ins that it names; options that help hides are refused."""
    words = shlex.split(re.sub(r"\$\w+", "1", command))
    name, arguments = " ".join(words[:2]), words[2:]
    assert name in PARSERS, f"{command}: there is no {name}"

    def refuse(parser: argparse.ArgumentParser, message: str) -> None:
        raise RefusedError(f"{command}: {message}")

    monkeypatch.setattr(argparse.ArgumentParser, "error", refuse)
    monkeypatch.setattr(type(PARSERS[name]), "error", refuse)
    if "--help" not in arguments and "--version" not in arguments:
        PARSERS[name].parse_args(arguments)
    known = actions_of(PARSERS[name], arguments)
    for option, value in itertools.zip_longest(arguments, arguments[1:], fillvalue=""):
        if option in known:
            assert known[option].help != argparse.SUPPRESS, f"{command}: {option} is hidden from --help"
        if option in REGISTRIES and value != "...":
            check_spec(REGISTRIES[option], value)


def check_spec(registry: Any, text: str) -> None:
    """The plug-in of a spec exists, or is one that the text makes up, and takes the spec's settings."""
    spec = registry.parse(text)
    if spec.name in registry.names():
        fields = {field.name for field in dataclasses.fields(registry.get(spec.name)) if field.init}
        assert spec.arguments.keys() - fields <= {"name"}, f"{text}: unknown settings"
    else:
        assert spec.name in (FRONT, "mine", "mycodec"), f"{text}: there is no such plug-in"


@pytest.mark.parametrize("path", [*CARDS, *CONFIGS], ids=lambda path: path.name)
def test_commands_of_a_card_or_config_are_understood(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = list(commands_in(lines_of(path)))
    assert commands or path in CONFIGS
    for command in commands:
        check(command, monkeypatch)


@pytest.mark.parametrize(("name", "text"), HELP, ids=[name for name, _ in HELP])
def test_examples_of_a_help_text_are_understood(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [command for command in commands_in(text.splitlines()) if "COMMAND" not in command]
    assert commands
    for command in commands:
        check(command, monkeypatch)


def test_every_form_of_a_printed_command_is_found() -> None:
    text = [
        "for seed in 1 2; do python -m hsc.training.teacher --data a --seed $seed \\",
        "    --out b; done",
        "hsc-bench run --codec 'vvc(qp=[47; 37])' > log    # a comment",
        "python -m benchmarks.datasets.roadscenes --check       (all frames)",
        "torchrun -m hsc.training --config x",
    ]
    assert [command.split() for command in commands_in(text)] == [
        ["-m", "hsc.training.teacher", "--data", "a", "--seed", "$seed", "--out", "b"],
        ["hsc-bench", "run", "--codec", "'vvc(qp=[47;", "37])'"],
        ["-m", "benchmarks.datasets.roadscenes", "--check"],
        ["-m", "hsc.training", "--config", "x"],
    ]


def test_an_option_that_is_gone_is_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match="--null"):
        check("hsc-bench export-shards roadscenes --out shards --null 3", monkeypatch)
    with pytest.raises(AssertionError, match="hidden from --help"):
        check("hsc-bench run --no-null-floor", monkeypatch)
    with pytest.raises(AssertionError, match=r"there is no -m benchmarks\.export"):
        check("-m benchmarks.export roadscenes --out shards", monkeypatch)


def test_no_text_names_a_command_by_its_former_module() -> None:
    former = ROOT / "benchmarks" / "cli" / "former"
    texts = [
        path
        for folder in ("hsc", "downstream", "benchmarks", "docs", "examples", "scripts")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in ("", ".md", ".py", ".toml", ".ipynb") and path.is_file() and former not in path.parents
    ]
    assert len(texts) > 200
    named = [
        f"{path.relative_to(ROOT)}: {match}" for path in texts for match in _FORMER.findall(path.read_text("utf-8"))
    ]
    assert named == ["benchmarks/verify/__main__.py: python -m benchmarks.verify"]
