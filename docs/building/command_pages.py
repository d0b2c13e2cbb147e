"""Pages of the command line, made from the parsers, so that a page never differs from ``--help``."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping

from benchmarks.cli.main import COMMANDS, usage

FURTHER = {
    "hsc": "hsc.__main__",
    "hsc-training": "hsc.training.__main__",
    "downstream-training": "downstream.training.__main__",
    "rivals": "benchmarks.rivals.__main__",
}
"""Pages of the parsers that are started as ``python -m ...``: page -> module with ``parser()``."""


def command_parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each page: the commands of ``hsc-bench`` first, in the order of its help."""
    modules = {name: f"benchmarks.cli.{command.module}" for name, command in COMMANDS.items()} | FURTHER
    return {name: importlib.import_module(module).parser() for name, module in modules.items()}


def command_pages() -> dict[str, str]:
    """Every page by its name without a suffix, the overview ``index`` among them; MyST Markdown."""
    parsers = command_parsers()
    return {"index": _overview(parsers)} | {name: page(parser) for name, parser in parsers.items()}


def page(parser: argparse.ArgumentParser) -> str:
    """A parser's page: description, usage, a table for each group of arguments, examples and exit codes."""
    lines = [
        f"# {parser.prog}",
        "",
        _prose(parser.description or ""),
        "",
        "```text",
        parser.format_usage().strip(),
        "```",
    ]
    lines += ["", *_groups(parser)]
    for name, child in subparsers(parser).items():
        lines += [f"## {name}", "", _prose(child.description or ""), ""]
        lines += ["```text", child.format_usage().strip(), "```", "", *_groups(child)]
    if parser.epilog:
        lines += ["## Examples and exit codes", "", "```{code-block} text", ":class: wrapped", ""]
        lines += [parser.epilog.strip(), "```", ""]
    return "\n".join(lines)


def subparsers(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parsers of a parser's own commands, by name; empty where it has none."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: child for action in actions for name, child in action.choices.items()}


def option_names(parser: argparse.ArgumentParser) -> set[str]:
    """Every option that a parser or one of its commands understands, such as ``--limit``."""
    own = {name for action in parser._actions for name in action.option_strings}
    return own.union(*(option_names(child) for child in subparsers(parser).values()))


def _overview(parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    lines = [
        "# Command line",
        "",
        "Every page here is made from the program's own parser when the documentation is built.",
        "",
        "```text",
        usage().strip(),
        "```",
        "",
        "```{toctree}",
        ":maxdepth: 1",
        "",
        *parsers,
        "```",
        "",
    ]
    return "\n".join(lines)


def _groups(parser: argparse.ArgumentParser) -> list[str]:
    """One table for each group of arguments that has any."""
    lines: list[str] = []
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if a.help != argparse.SUPPRESS and not _is_command(a)]
        if not actions:
            continue
        lines += [f"**{_prose((group.title or 'arguments').capitalize())}**", "", "| argument | meaning |", "|---|---|"]
        lines += [f"| {_signature(action)} | {_meaning(parser, action)} |" for action in actions]
        lines.append("")
    return lines


def _is_command(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


def _signature(action: argparse.Action) -> str:
    """The argument as one types it, in code marks."""
    value = _value(action)
    names = ", ".join(action.option_strings)
    return _code(" ".join(part for part in (names, value) if part))


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    name = action.metavar
    if isinstance(name, tuple):
        return " ".join(name)
    if name is None:
        name = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    return f"{name} ..." if action.nargs in ("+", "*") else name


def _meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    values = {**vars(action), "prog": parser.prog}
    return _prose((action.help or "") % values)


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _prose(text: str) -> str:
    """Text of a parser as Markdown that shows the same characters."""
    flat = " ".join(text.split())
    for sign in ("\\", "*", "_", "|", "<", ">", "[", "]", "{", "}", "$", "`"):
        flat = flat.replace(sign, "\\" + sign)
    return flat.replace("--", "\\--")
