"""How one list of classes maps onto another: one TOML file a pair, ``SOURCE-to-TARGET.toml``.

    [map]
    person = "pedestrian"      # a head's class = a data set's class

Classes that are not named are dropped: a head's unnamed class is never scored, and a data set's class that nothing maps to
is left out of the average, so a head is judged on what it could know. Outside the tree, ``HSC_CLASS_MAPS`` names a folder
of further files.
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
    for folder in (os.environ.get("HSC_CLASS_MAPS"), Path(__file__).parent):
        path = Path(folder) / f"{source}-to-{target}.toml" if folder else None
        if path and path.is_file():
            try:
                return {str(k): str(v) for k, v in tomllib.loads(path.read_text("utf-8"))["map"].items()}
            except (tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
                raise DataError(f"{path.name} is not a class map: {error}; expected a [map] table of source = target") from error
    return None
