"""How one list of classes maps onto another: one TOML file a pair, ``SOURCE-to-TARGET.toml``.

    [map]
    person = "pedestrian"      # a head's class = a data set's class
    background = "elsewhere"

    [merge]
    sky = "elsewhere"          # a data set's class = the class it is scored as
    building = "elsewhere"

Classes that are not named are dropped: a head's unnamed class is never scored, and a data set's class that nothing maps
to is left out of the average, so a head is judged on what it could know. Where one class of a head stands for several
of a data set, ``merge`` scores those as one. Outside the tree, ``HSC_CLASS_MAPS`` names a folder of further files.

Where there is no file, classes of exactly the same name are the same class, if there is one beside the background; a
run says so.
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

_MOST_NAMES = 12
"""More classes than so many are counted in a message and not named."""


@dataclass(frozen=True)
class ClassMap:
    """How a head's answers are scored in a data set's classes.

    names: a head's class = the data set's class; empty where both are of one space. merge: a data set's class = the
    class it is scored as. by_name: no file says so; the names are equal.
    """

    names: Mapping[str, str]
    merge: Mapping[str, str]
    by_name: bool = False

    def scored(self, source: LabelSpace, target: LabelSpace) -> tuple[str, ...]:
        """The target's classes that the source could know, merged ones as one, in the target's order."""
        reachable = (
            {name for known, name in self.names.items() if known in source.classes}
            if self.names
            else set(source.classes)
        )
        return tuple(name for name in dict.fromkeys(self.merge.get(c, c) for c in target.classes) if name in reachable)


def map_between(source: LabelSpace, target: LabelSpace) -> ClassMap | None:
    """How ``source``'s classes are scored in ``target``'s: as a file says, else by equal names; None where nothing
    maps.

    Raises:
        DataError: the file is there but not readable.
    """
    if source == target:
        return ClassMap({}, {})
    names = find_map(source.name, target.name)
    if names:
        return ClassMap(names, find_merge(source.name, target.name))
    alike = {name: name for name in source.classes if name in target.classes}
    return ClassMap(alike, {}, by_name=True) if set(alike) - {BACKGROUND} else None


def why_unscored(source: LabelSpace, target: LabelSpace) -> str | None:
    """One sentence on why a head of ``source`` cannot be scored on labels of ``target``, or None if it can. Raises as
    ``map_between``.
    """
    found = map_between(source, target)
    if found is None:
        cure = (
            "correct the names of the head's classes, or of the labels'"
            if source.name == target.name
            else f"write {source.name}-to-{target.name}.toml into a folder that HSC_CLASS_MAPS names, with a table "
            f"[map] of a line for each class "
            f"that both know, such as {_line(source, target)}"
        )
        return (
            f"no class map from {source.name} to {target.name}, and no class of the same name: the head knows "
            f"{listed(source.classes)}; the "
            f"labels are of {listed(target.classes)}; {cure}"
        )
    if not found.scored(source, target):
        return (
            f"the class map {source.name}-to-{target.name}.toml names no class that both have: the head knows "
            f"{listed(source.classes)}; the "
            f"labels are of {listed(target.classes)}; each line of [map] is a head's class = a class of the labels, "
            f"such as "
            f"{_line(source, target)}"
        )
    return None


def listed(names: Sequence[str]) -> str:
    """Class names for a message, the first of many.

    >>> listed(("car", "bus")), listed([str(n) for n in range(14)])[-16:]
    ("'car', 'bus'", "'11' and 2 more")
    """
    shown = ", ".join(repr(name) for name in names[:_MOST_NAMES])
    return shown + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


def _line(source: LabelSpace, target: LabelSpace) -> str:
    """Lines of a class map as they may be meant: the names nearest to each other, the first of each where none are
    near.
    """
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
    """The map from the label space ``source`` to ``target``; an empty map stands for "the same space".

    Raises:
        DataError: the file is there but not readable.
    """
    if source == target:
        return {}
    tables = _tables(source, target)
    return tables["map"] if tables else None


def find_merge(source: str, target: str) -> Mapping[str, str]:
    """The classes of ``target`` that a head of ``source`` is scored in under another name, most often none. Raises as
    ``find_map`` does.
    """
    tables = _tables(source, target) if source != target else None
    return tables["merge"] if tables else {}


def _tables(source: str, target: str) -> Mapping[str, Mapping[str, str]] | None:
    """The tables of the first file of that name, ``merge`` empty where it has none."""
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
