"""Names that a user gives to codecs and heads for people to read: ``name=`` in a spec, which is no setting of it.

"vvc(preset=medium, name='VVC, medium')" --taken_names--> "vvc(preset=medium)", {"vvc(preset=medium)": "VVC, medium"}

Labels, keys and files of a run keep the spec without its name, so that a name changes no recorded number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hsc.errors import SpecError
from hsc.registry import Registry, Spec, parse_spec

FIELD = "name"
MAX_LETTERS = 60


class Named(NamedTuple):
    """Specs without names, and the name of each label that was given one."""

    specs: list[Any]
    names: dict[str, str]


def taken_names(registry: Registry[Any], specs: Sequence[Any], labels_of: Callable[[str], Sequence[str]]) -> Named:
    """Take the names out of specs. labels_of: the labels of a spec in the tables of a run; objects have no names.

    A plug-in with a field of its own called "name" keeps it.

    Raises:
        SpecError: a name is empty, too long, not printable, stands for several curves, or is given twice.
    """
    kept: list[Any] = []
    names: dict[str, str] = {}
    for text in specs:
        spec = parse_spec(text) if isinstance(text, str) else None
        if spec is None or FIELD not in spec.arguments or _has_field(registry, spec.name):
            kept.append(text)
            continue
        bare = str(Spec(spec.name, {key: value for key, value in spec.arguments.items() if key != FIELD}))
        kept.append(bare)
        labels, name = labels_of(bare), _checked(spec.arguments[FIELD], text)
        if len(labels) != 1:
            raise SpecError(
                f"the name {name!r} in {text} would stand for {len(labels)} curves ({', '.join(labels)}); give each a "
                f"spec and a name of its own"
            )
        if names.get(labels[0], name) != name:
            raise SpecError(f"{labels[0]} is named both {names[labels[0]]!r} and {name!r}; give it one name")
        names[labels[0]] = name
    return Named(kept, names)


def _has_field(registry: Registry[Any], plugin: str) -> bool:
    cls: Any = registry.get(plugin)
    return FIELD in {field.name for field in dataclasses.fields(cls) if field.init}


def _checked(name: Any, text: str) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_LETTERS or not name.isprintable():
        raise SpecError(
            f"name came as {name!r} in {text}, expected 1 to {MAX_LETTERS} printable letters, as in "
            f'jpeg(name="JPEG, turbo")'
        )
    return name
