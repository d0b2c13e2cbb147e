"""A plug-in in full, for ``hsc-bench list KIND NAME``: what it is, its options, and one line that uses it."""

from __future__ import annotations

import dataclasses
import inspect
import shlex
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.api import TASKS, HasBoxes, HasClassLabels, HasLabelMaps, ScoresOriginals, Task
from downstream.api import Classification, Detections, SegmentationMap
from hsc.registry import Registry, Spec, format_value

_REQUIRED = "(required)"
_TYPES = {str: "text", int: "whole number", float: "number", bool: "True or False", type(None): "None"}


def plugin_text(kind: str, registry: Registry[Any], name: str, state: str) -> str:
    """A plug-in in full. kind: "codecs", "heads", ...; state: whether it is available here.

    Raises:
        UnknownNameError: there is no such plug-in; the message lists near names.
    """
    cls: Any = registry.get(name)
    name = registry.registered_name(name)
    aliases = registry.aliases(name)
    facts = [*([f"aliases: {', '.join(aliases)}"] if aliases else []), *_facts(kind, cls)]
    parts = (
        [f"{name}, a {registry.noun}: {state}"],
        [inspect.cleandoc(cls.__doc__ or "It has no description.")],
        facts,
        list(_option_lines(cls)),
        ["example:", f"  hsc-bench run {_example(kind, cls, name)}"],
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _fields(cls: Any) -> list[tuple[str, str, str]]:
    """Name, type and default of each option."""
    if not dataclasses.is_dataclass(cls):
        return []
    hints = typing.get_type_hints(cls)
    return [(f.name, type_text(hints[f.name]), _default(f)) for f in dataclasses.fields(cls) if f.init]


def required(cls: Any) -> list[str]:
    """The options of a plug-in that have no default."""
    return [name for name, _, default in _fields(cls) if default == _REQUIRED]


def _option_lines(cls: Any) -> Iterator[str]:
    rows = _fields(cls)
    if not rows:
        yield "options: none"
        return
    yield "options, with what they take and their defaults:"
    widths = [max(len(row[column]) for row in rows) for column in (0, 2)]
    for name, taken, default in rows:
        yield f"  {name:{widths[0]}}  {default:{widths[1]}}  {taken}"


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return format_value(field.default) if field.default != "" else '""'
    if field.default_factory is not dataclasses.MISSING:
        return format_value(field.default_factory())
    return _REQUIRED


def type_text(hint: Any) -> str:
    """The values that a type stands for, in words of a spec.

    >>> type_text(typing.Literal["fast", "4:2:0"]), type_text(tuple[int, ...]), type_text(float | None)
    ('fast or "4:2:0"', 'a tuple of whole numbers', 'number or None')
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " or ".join(format_value(value) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_text(option) for option in arguments))
    if origin is tuple and arguments and arguments[-1] is ...:
        return f"a tuple of {type_text(arguments[0])}s"
    if origin is tuple and arguments:
        return f"({', '.join(type_text(option) for option in arguments)})"
    return _TYPES.get(hint, "any value" if hint is Any else getattr(hint, "__name__", str(hint)))


def _facts(kind: str, cls: Any) -> Iterator[str]:
    """What a plug-in of its kind declares, a line each."""
    if kind == "codecs" and cls.rate_field:
        yield f"operating points: {cls.rate_field}={format_value(list(cls.ladder))} where a spec does not name it"
    if kind in ("heads", "metrics") and isinstance(cls.output, type):  # else the options decide
        noun = "predicts" if kind == "heads" else "scores"
        yield f"{noun}: {cls.output.__name__}"
    if kind == "metrics":
        for name, facts in cls.facts.items():
            better = "higher" if facts.higher_is_better else "lower"
            yield f"score: {name} ({facts.title or name}), {facts.low:g} to {facts.high:g}, {better} is better"
    if kind == "tasks":
        listed: dict[str, Sequence[str]] = {
            "data set": (cls.dataset,),
            "heads": cls.heads,
            "codecs": cls.codecs,
            "anchors": cls.anchors,
            "metrics": cls.metrics,
        }
        for noun, names in listed.items():
            yield f"{noun}: {', '.join(names)}"


def _example(kind: str, cls: Any, name: str) -> str:
    """The arguments of ``hsc-bench run`` that use a plug-in, with every option that must be given in capitals."""
    if kind == "tasks":
        return f"--task {name}"
    arguments: dict[str, Any] = {option: option.upper() for option in required(cls)}
    if kind == "codecs" and cls.rate_field and len(cls.ladder) > 1:
        arguments[cls.rate_field] = list(cls.ladder[:: max(1, len(cls.ladder) // 3)][:3])
    elif option := _choice(cls, arguments):
        arguments |= option
    task = _task(kind, cls, name)
    return f"{f'--task {task} ' if task else ''}--{kind.removesuffix('s')} {shlex.quote(str(Spec(name, arguments)))}"


def _choice(cls: Any, given: dict[str, Any]) -> dict[str, Any]:
    """An option of few values at one that is not its default, to show how options are written; empty without one."""
    hints = typing.get_type_hints(cls) if dataclasses.is_dataclass(cls) else {}
    for field in dataclasses.fields(cls) if hints else ():
        if field.init and field.name not in given and typing.get_origin(hints[field.name]) is typing.Literal:
            others = [value for value in typing.get_args(hints[field.name]) if value != field.default]
            if others:
                return {field.name: others[0]}
    return {}


def _task(kind: str, cls: Any, name: str) -> str:
    """A task that the plug-in can be used in; empty where any will do."""
    if kind in ("codecs", "rates"):
        return ""
    if kind == "datasets":
        wanted = [(HasBoxes, Detections), (HasLabelMaps, SegmentationMap), (HasClassLabels, Classification)]
        outputs: list[type] = [output for has, output in wanted if issubclass(cls, has)]
    else:
        outputs = [cls.output] if isinstance(cls.output, type) else []
    names = [task for task in TASKS.names() if not outputs or _scored(TASKS.build(task)).intersection(outputs)]
    names.sort(key=lambda task: bool(outputs) and TASKS.get(task).output not in outputs)
    preferred = [task for task in names if name in (TASKS.get(task).dataset, *TASKS.get(task).metrics)]
    return next(iter([*preferred, *names]), "")


def _scored(task: Task) -> set[type]:
    """The kinds of predictions that a task scores."""
    return set(task.outputs) if isinstance(task, ScoresOriginals) else {task.output}
