"""Maps from one list of classes onto another: one TOML file for each pair, ``SOURCE-to-TARGET.toml``.

    [map]
    person = "pedestrian"      # a head's class = a data set's class
    background = "elsewhere"

    [merge]
    sky = "elsewhere"          # a data set's class = the class it is scored as
    building = "elsewhere"

Classes that are not named are dropped. A head's class without an entry is never scored. A data set's class that nothing
maps to is left out of the average, so a head is scored only on classes that it can know. If one class of a head stands
for several of a data set, ``merge`` scores these as one. The environment variable ``HSC_CLASS_MAPS`` names a folder of
further files outside the tree.

If there is no file, classes of exactly the same name are taken as the same class, provided that there is one besides
the background. The run reports that it did so.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from downstream.api import LabelSpace
from downstream.label_spaces import BACKGROUND
from hsc.errors import DataError

_MAX_NAMES = 12
"""A message names at most this many classes and counts the others."""


@dataclass(frozen=True)
class ClassMap:
    """How a head's answers are scored in a data set's classes.

    names: from a head's class to the data set's class; empty if both have the same label space. merge: from a data
    set's class to the class that it is scored as. by_name: there is no file, and classes of equal names were matched.
    """

    names: Mapping[str, str]
    merge: Mapping[str, str]
    by_name: bool = False

    def scored(self, source: LabelSpace, target: LabelSpace) -> tuple[str, ...]:
        """The target's classes that the source can know, in the target's order; merged classes count as one."""
        reachable = (
            {name for known, name in self.names.items() if known in source.classes}
            if self.names
            else set(source.classes)
        )
        return tuple(name for name in dict.fromkeys(self.merge.get(c, c) for c in target.classes) if name in reachable)


def map_between(source: LabelSpace, target: LabelSpace) -> ClassMap | None:
    """The map from the classes of ``source`` to those of ``target``: from its file, else by equal names.

    None if no class maps onto any other.

    Raises:
        DataError: the file exists but is not readable.
    """
    if source == target:
        return ClassMap({}, {})
    names = find_map(source.name, target.name)
    if names:
        return ClassMap(names, find_merge(source.name, target.name))
    shared = {name: name for name in source.classes if name in target.classes}
    return ClassMap(shared, {}, by_name=True) if set(shared) - {BACKGROUND} else None


def why_unscored(source: LabelSpace, target: LabelSpace) -> str | None:
    """One sentence on why a head with classes ``source`` cannot be scored on labels of ``target``, or None if it can.

    Raises as ``map_between`` does.
    """
    class_map = map_between(source, target)
    both = f"the head knows {listed(source.classes)}; the labels are of {listed(target.classes)}"
    if class_map is None:
        cure = (
            "correct the names of the head's classes, or of the labels' classes"
            if source.name == target.name
            else f"write {source.name}-to-{target.name}.toml into a folder that HSC_CLASS_MAPS names, with a table "
            f"[map] that has a line for each class that both know, such as {_example(source, target)}"
        )
        return f"no class map from {source.name} to {target.name}, and no class of the same name: {both}; {cure}"
    if not class_map.scored(source, target):
        return (
            f"the class map {source.name}-to-{target.name}.toml names no class that both have: {both}; each line of "
            f"[map] is a head's class = a class of the labels, such as {_example(source, target)}"
        )
    return None


def listed(names: Sequence[str]) -> str:
    """Class names for a message, at most the first twelve.

    >>> listed(("car", "bus")), listed([str(n) for n in range(14)])[-16:]
    ("'car', 'bus'", "'11' and 2 more")
    """
    shown = ", ".join(repr(name) for name in names[:_MAX_NAMES])
    return shown + (f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")


def _example(source: LabelSpace, target: LabelSpace) -> str:
    """Up to three plausible lines of a class map: pairs of similar names, or the first class of each without any."""
    folded: dict[str, str] = {}
    for name in source.classes:
        folded.setdefault(name.casefold(), name)
    pairs = []
    for name in target.classes:
        near = difflib.get_close_matches(name.casefold(), folded, 1, 0.75)
        pairs += [(folded[near[0]], name)] if near else []
    pairs = pairs[:3] or [*zip(source.classes[:1], target.classes[:1], strict=True)]
    return ", ".join(f'"{known}" = "{name}"' for known, name in pairs)


def find_map(source: str, target: str) -> Mapping[str, str] | None:
    """The [map] of the file from label space ``source`` to ``target``: empty for the same space, None without a file.

    Raises:
        DataError: the file exists but is not readable.
    """
    if source == target:
        return {}
    tables = _tables(source, target)
    return tables["map"] if tables else None


def find_merge(source: str, target: str) -> Mapping[str, str]:
    """The [merge] of the file: classes of ``target`` that are scored as another class. It is usually empty.

    Raises as ``find_map`` does.
    """
    tables = _tables(source, target) if source != target else None
    return tables["merge"] if tables else {}


def _tables(source: str, target: str) -> Mapping[str, Mapping[str, str]] | None:
    """The tables of the first file of that name; ``merge`` is empty if the file has none."""
    for folder in (os.environ.get("HSC_CLASS_MAPS"), Path(__file__).parent):
        path = Path(folder) / f"{source}-to-{target}.toml" if folder else None
        if path and path.is_file():
            try:
                tables = {"merge": {}, **tomllib.loads(path.read_text("utf-8"))}
                return {name: {str(k): str(v) for k, v in tables[name].items()} for name in ("map", "merge")}
            except (ValueError, RecursionError, KeyError, AttributeError) as error:
                raise DataError(
                    f"{path.name} is not a class map: {error}; expected a [map] table of source = target"
                ) from error
    return None
