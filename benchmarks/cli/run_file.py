"""The options of ``hsc-bench run`` as a TOML file: each by its long name, lists as arrays.

    run.toml --read--> settings --+
                                  +--options_of--> argparse.Namespace --> the run
    line     --given-> settings --+                settings --written--> run.toml in the run's folder

    task = "detection"
    codec = ["jpeg", "vvc(qp=[47, 42, 37, 32], preset=fast)"]
    limit = 8
    no-noise-floor = true

Settings are what was given, by long name; defaults are not among them.
"""

from __future__ import annotations

import argparse
import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cli.run_parser import parser
from benchmarks.runs import RUN_FILE as NAME
from benchmarks.runs.folder_files import read_text
from benchmarks.runs.run_toml import Settings, toml, written
from hsc.errors import ResultsError, UsageError

_LINE_ONLY = frozenset({"help", "version", "config", "list"})
"""Options that a file cannot hold."""
_MAX_BYTES = 1 << 20


def options() -> dict[str, argparse.Action]:
    """The options that a file may hold, by long name."""
    named = {}
    for action in parser()._actions:
        long = [text.removeprefix("--") for text in action.option_strings if text.startswith("--")]
        if long and long[0] not in _LINE_ONLY and action.help != argparse.SUPPRESS:
            named[long[0]] = action
    return named


def given(arguments: Sequence[str], line: argparse.ArgumentParser | None = None) -> dict[str, Any]:
    """The settings of a command line. line: a parser that accepts it, by default that of ``hsc-bench run``."""
    line = line or parser()
    for action in line._actions:
        action.default = argparse.SUPPRESS
    values = vars(line.parse_args(arguments))
    return {name: _plain(values[action.dest]) for name, action in options().items() if action.dest in values}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, list | tuple) else value


def options_of(settings: Settings) -> argparse.Namespace:
    """The options of a run with these settings, and the defaults of all others."""
    return parser().parse_args(arguments_of(settings))


def arguments_of(settings: Settings) -> list[str]:
    """The command line of settings."""
    return [argument for name, value in settings.items() for argument in _arguments(name, value)]


def _arguments(name: str, value: Any) -> Iterator[str]:
    action = options()[name]
    if action.nargs == 0:
        if value:
            yield f"--{name}"
    elif action.nargs == "+":
        yield f"--{name}"
        yield from map(_word, value)
    else:
        for item in value if isinstance(value, list) else [value]:
            word = _word(item)
            yield from [f"--{name}={word}"] if word.startswith("-") else [f"--{name}", word]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def read(path: Path) -> dict[str, Any]:
    """The settings of a file.

    Raises:
        UsageError: it is missing, is no TOML, or holds an unknown name or a value of the wrong type.
    """
    if not path.exists():
        raise UsageError(f"there is no file {path}; name one with settings, such as run.toml of a run's folder")
    try:
        values = tomllib.loads(read_text(path, _MAX_BYTES))
    except ResultsError as error:
        raise UsageError(f"the settings {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        example = 'codec = ["jpeg", "vvc(preset=medium)"]'
        raise UsageError(
            f"the settings {path} are no TOML: {error}; texts stand in quotes and lists in brackets, as in {example}"
        ) from error
    return checked(values, f"{path}")


def checked(values: Settings, where: str) -> dict[str, Any]:
    """The values of a file of TOML as settings. where: names the file in messages.

    Raises:
        UsageError: a name is unknown, or a value of the wrong type.
    """
    known = options()
    settings: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("_", "-")
        if name not in known:
            raise UsageError(f"{where}: {_unknown(key, name, known, table=isinstance(value, dict))}")
        if name in settings:
            raise UsageError(f"{where}: {name} stands there twice, with '-' and with '_'; leave one out")
        settings[name] = _checked(f"{where}: {key}", known[name], value)
    return settings


def _unknown(key: str, name: str, known: Mapping[str, argparse.Action], *, table: bool) -> str:
    if table:
        return f"settings stand at the top of the file and not in a table; leave the line [{key}] out"
    if name in _LINE_ONLY:
        return f"{key!r} can only be given on the command line, as --{name}; leave it out"
    near = difflib.get_close_matches(name, known, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
    return f"no option is named {key!r}; {hint}"


def _checked(where: str, action: argparse.Action, value: Any) -> Any:
    """A value of TOML, if it is of the type that the option takes. Raises UsageError."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"{where} came as {_shown(value)}, expected true or false")
        return value
    if isinstance(action, argparse._AppendAction) or action.nargs == "+":
        if not isinstance(value, list):
            raise UsageError(f"{where} came as {_shown(value)}, expected an array, as in [{toml(value)}]")
        return [_item(where, action, item) for item in value]
    return _item(where, action, value)


def _item(where: str, action: argparse.Action, value: Any) -> Any:
    """One value of an option. Raises UsageError."""
    if action.choices is not None and value not in action.choices:
        near = difflib.get_close_matches(str(value), [str(choice) for choice in action.choices], n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected {' or '.join(map(str, action.choices))}"
        raise UsageError(f"{where} came as {_shown(value)}; {hint}")
    types, noun = _TYPES.get(action.type, ((str,), "a string"))
    if isinstance(value, bool) or not isinstance(value, types):
        raise UsageError(f"{where} came as {_shown(value)}, expected {noun}")
    return value


_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
}
"""What TOML may hold for the types of options; all others are strings."""


def _shown(value: Any) -> str:
    """A value of TOML for messages, with its kind."""
    kinds = ((bool, "truth"), (str, "string"), (int, "whole number"), (float, "number"), (list, "array"))
    kind = next((noun for of, noun in kinds if isinstance(value, of)), "table" if isinstance(value, dict) else "date")
    return f"the {kind} {toml(value) if isinstance(value, bool | str | int | float) else ''}".strip()


__all__ = ["NAME", "Settings", "arguments_of", "given", "options", "options_of", "read", "written"]
