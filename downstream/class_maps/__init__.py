"""How one list of classes maps onto another: one TOML file a pair, ``SOURCE-to-TARGET.toml``.

    [map]
    person = "pedestrian"      # a head's class = a data set's class
    background = "elsewhere"

    [merge]
    sky = "elsewhere"          # a data set's class = the class it is scored as
    building = "elsewhere"

Classes that are not named are dropped: a head's unnamed class is never scored, and a data set's class that nothing maps to
is left out of the average, so a head is judged on what it could know. Where one class of a head stands for several of a data
set, ``merge`` scores those as one. Outside the tree, ``HSC_CLASS_MAPS`` names a folder of further files.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from hsc.errors import DataError


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
    """The classes of ``target`` that a head of ``source`` is scored in under another name, most often none. Raises as ``find_map`` does."""
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
                raise DataError(f"{path.name} is not a class map: {error}; expected a [map] table of source = target") from error
    return None
