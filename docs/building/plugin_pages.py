"""Pages of the plug-ins: name, description, options with types and defaults, made from the registered classes."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Mapping
from typing import Any

from benchmarks.cli.listing import REGISTRIES
from building.docstrings import to_markdown
from hsc.registry import Registry
from hsc.specs import format_value

TITLES = {
    "codecs": "Codecs",
    "heads": "Heads",
    "datasets": "Data sets",
    "tasks": "Tasks",
    "metrics": "Metrics",
    "rates": "Rate definitions",
}
_INTRODUCTIONS = {
    "codecs": "A codec is named by a spec, such as `jpeg(quality=[5, 20, 75])`. A list over its rate field is a sweep "
    "of operating points.",
    "heads": "A head is a network that does a machine's task. `--head` names it, and may be repeated.",
    "datasets": "`--dataset` names one of these. `roadscenes` needs no download.",
    "tasks": "`--task` names one of these; it also sets the default data set, heads and codecs.",
    "metrics": "The task chooses its metrics; `--metric` adds others.",
    "rates": "The rate `bpp` is over the pixels of the original. `--rate` adds one by another definition, for "
    "figures of others.",
}


def plugin_pages() -> dict[str, str]:
    """The page of each kind of plug-in by its name without a suffix, and the overview ``index``; MyST Markdown."""
    lines = ["# Plug-ins", "", "Every option of every plug-in, read from the code when the documentation is built.", ""]
    lines += ["```{toctree}", ":maxdepth: 2", "", *REGISTRIES, "```", ""]
    return {"index": "\n".join(lines)} | {kind: page(kind, registry) for kind, registry in REGISTRIES.items()}


def page(kind: str, registry: Registry[Any]) -> str:
    """The page of one kind; plug-ins of installed packages outside this one are left out."""
    lines = [f"# {TITLES[kind]}", "", _INTRODUCTIONS[kind], ""]
    explained: set[str] = set()
    for name in sorted(registry.names(), key=registry.display_name):
        cls = registry.get(name)
        if not cls.__module__.startswith(("benchmarks.", "downstream.", "hsc.")):
            continue
        lines += entry(registry.display_name(name), cls)
        if cls.__module__ not in explained:
            explained.add(cls.__module__)
            lines += ["**Background**", "", to_markdown(sys.modules[cls.__module__].__doc__ or "")[0], ""]
    return "\n".join(lines)


def entry(name: str, cls: type[Any]) -> list[str]:
    """The section of one plug-in: docstring, then a table of its options; what a base class says of them counts."""
    options = _options(cls)
    said: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        text, own = to_markdown(vars(base).get("__doc__") or "", list(options))
        said |= own
    lines = [f"## {name.replace('_', chr(92) + '_')}", "", text, ""]
    lines += [f"Defined in `{cls.__module__}`." + _rate_axis(cls), ""]
    if options:
        lines += ["| option | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{option}` | {_cell(kind)} | {_cell(default)} | {said.get(option, '')} |"
            for option, (kind, default) in options.items()
        ]
        lines.append("")
    return lines


def _rate_axis(cls: type[Any]) -> str:
    """One sentence on a codec's rate field and ladder; empty for other plug-ins."""
    field, ladder = getattr(cls, "rate_field", ""), getattr(cls, "ladder", ())
    if not field or not ladder:
        return ""
    return f" Rate field: `{field}`; default ladder: `{format_value(list(ladder))}`."


def _options(cls: type[Any]) -> Mapping[str, tuple[str, str]]:
    """Field -> its type and its default as a spec writes it, empty for a field that must be given."""
    if not dataclasses.is_dataclass(cls):
        return {}
    hints = typing.get_type_hints(cls)
    options = {}
    for field in dataclasses.fields(cls):
        given = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = "" if given else _written(field)
        options[field.name] = (_type_name(hints.get(field.name, field.type)), default)
    return options


def _written(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    return '""' if value == "" else format_value(value)


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(str(choice) for choice in typing.get_args(hint))
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")


def _cell(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`" if text else "required"
