"""A class map as text: one line for a message, or a file for a person to complete."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from downstream.api import LabelSpace
from downstream.class_maps.class_names import near_names, same_names


def toml_string(text: str) -> str:
    """A TOML basic string.

    >>> toml_string('19" rack')
    '"19\\\\" rack"'
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def inline_map(pairs: Mapping[str, str]) -> str:
    """A class map as one line of TOML.

    >>> inline_map({"vest": "safety vest"})
    'map = {"vest" = "safety vest"}'
    """
    return "map = {" + ", ".join(f"{toml_string(known)} = {toml_string(name)}" for known, name in pairs.items()) + "}"


def map_file(
    source: LabelSpace,
    target: LabelSpace,
    known: Mapping[str, str] | None = None,
    merge: Mapping[str, str] | None = None,
) -> str:
    """The text of a class map from ``source`` to ``target``, to be completed.

    Classes of the same name and near ones are filled in, the near ones with a remark. The other classes of the head
    are comments to complete, and the other classes of the labels are listed.

    known, merge: the tables of a map that exists already; ``known`` takes the place of pairs found by name.
    """
    same = dict(known) if known is not None else same_names(source.classes, target.classes)
    left = [name for name in source.classes if name not in same]
    free = [name for name in target.classes if name not in same.values()]
    near = near_names(left, free)
    lines = [
        "# A class map: on the left a class of the head, on the right the class of the labels that it counts as.",
        "# Classes of the head without a line are not scored.",
        f"source = {toml_string(source.name)}",
        f"target = {toml_string(target.name)}",
        "",
        "[map]",
        *(f"{toml_string(name)} = {toml_string(same[name])}" for name in source.classes if name in same),
        *(
            f"{toml_string(name)} = {toml_string(near[name])}  # a guess by its name: check it"
            for name in source.classes
            if name in near
        ),
        *(f'# {toml_string(name)} = ""' for name in left if name not in near),
        *(["", "[merge]", *(f"{toml_string(c)} = {toml_string(name)}" for c, name in merge.items())] if merge else []),
        *_unmatched([name for name in free if name not in (*near.values(), *(merge or ()))]),
    ]
    return "\n".join(lines) + "\n"


def _unmatched(names: Sequence[str]) -> list[str]:
    """Comments that list the labels' classes that no class of the head stands for."""
    if not names:
        return []
    return ["", "# Classes of the labels that nothing maps to:", *(f"#   {toml_string(name)}" for name in names)]
