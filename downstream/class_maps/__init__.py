"""Maps from one list of classes onto another: one TOML file for each pair, ``SOURCE-to-TARGET.toml``.

    [map]
    person = "pedestrian"      # a head's class = a data set's class
    background = "elsewhere"

    [merge]
    sky = "elsewhere"          # a data set's class = the class it is scored as
    building = "elsewhere"

Classes that are not named are dropped. A head's class without an entry is never scored. A data set's class that nothing
maps to is left out of the average, so a head is scored only on classes that it can know. If one class of a head stands
for several of a data set, ``merge`` scores these as one.

The environment variable ``HSC_CLASS_MAPS`` names a folder of further files outside the tree, or one file of any name
that ends in .toml and states its label spaces: ``source = "..."`` and ``target = "..."`` before the tables.
``hsc-bench class-map`` writes such a file.

If there is no file, classes of the same name (``class_names.py``: case, blanks, underscores and hyphens set aside) are
taken as the same class, provided that there is one besides the background. The run reports that it did so.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from downstream.api import LabelSpace
from downstream.class_maps.class_names import folded, near_names, same_names
from downstream.class_maps.map_text import inline_map
from downstream.label_spaces import BACKGROUND
from hsc.errors import DataError

_MAX_NAMES = 12
"""A message names at most this many classes and counts the others."""


@dataclass(frozen=True)
class ClassMap:
    """How a head's answers are scored in a data set's classes.

    names: from a head's class to the data set's class; empty if both have the same label space. merge: from a data
    set's class to the class that it is scored as. by_name: there is no file, and classes of the same name were matched.
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
    shared = same_names(source.classes, target.classes)
    return ClassMap(shared, {}, by_name=True) if {folded(name) for name in shared} - {BACKGROUND} else None


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
            else f"write {source.name}-to-{target.name}.toml into a folder that HSC_CLASS_MAPS names, with a line such "
            f"as {_example(source, target)}"
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
    """A class map in one line: pairs of similar names, at most twelve, or the first class of each without any."""
    pairs = [*near_names(source.classes, target.classes).items()][:_MAX_NAMES]
    return inline_map(dict(pairs or zip(source.classes[:1], target.classes[:1], strict=True)))


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
    """The tables of the first file of these label spaces; ``merge`` is empty if the file has none."""
    own = os.environ.get("HSC_CLASS_MAPS")
    if own and own.endswith(".toml") and not Path(own).is_dir():
        if not Path(own).is_file():
            raise DataError(f"HSC_CLASS_MAPS names {own}, which is missing; hsc-bench class-map writes such a file")
        if (content := _read(Path(own))) and _spaces(content, Path(own)) == (source, target):
            return _checked(content, Path(own))
        own = None
    for folder in (own, Path(__file__).parent):
        path = Path(folder) / f"{source}-to-{target}.toml" if folder else None
        if path and path.is_file():
            return _checked(_read(path), path)
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _no_map(path, error) from error


def _spaces(content: Mapping[str, Any], path: Path) -> tuple[str, str]:
    """The names of the label spaces that a file states."""
    names = content.get("source"), content.get("target")
    if not all(isinstance(name, str) for name in names):
        raise DataError(
            f'{path.name} does not state its label spaces; write source = "..." and target = "..." before [map], or '
            f"name the file SOURCE-to-TARGET.toml and let HSC_CLASS_MAPS name its folder"
        )
    return str(names[0]), str(names[1])


def _checked(content: Mapping[str, Any], path: Path) -> dict[str, dict[str, str]]:
    tables = {"merge": {}, **content}
    try:
        return {name: {str(k): str(v) for k, v in tables[name].items()} for name in ("map", "merge")}
    except (KeyError, AttributeError) as error:
        raise _no_map(path, error) from error


def _no_map(path: Path, error: Exception) -> DataError:
    return DataError(f"{path.name} is not a class map: {error}; expected a [map] table of source = target")
