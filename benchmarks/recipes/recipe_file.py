"""Recipes as TOML files: those of this folder by name, a user's by path.

    title = "Boxes on COCO val2017"
    about = "..."
    images = 5000

    [run]                                    # options of hsc-bench run
    dataset = "coco"
    head = ['detectron2(weights="{cache}/detectron2/r50.safetensors")']

    [[needs]]                                # see ``Need``
    what = "COCO val2017"
    path = "{cache}/coco/val2017/instances_val2017.json"
    downloads = [{url = "http://...", size_bytes = 815585330, sha256 = "..."}]

    [[published]]                            # see ``Published``
    reference = "coco-jpeg"
    here = {JPEG = "jpeg"}

In texts, {cache} is the folder of downloads, {torch} torch's folder of weights, {data} the folder that HSC_DATA names,
or ./data.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from benchmarks.recipes.recipe import Download, Means, Need, Published, Recipe
from benchmarks.runs.folder_files import read_text
from hsc.errors import ResultsError, UsageError
from hsc.weights.download import cache_folder

T = TypeVar("T")
FOLDER = Path(__file__).parent
_SUFFIX = ".toml"
_MAX_BYTES = 1 << 20


def names() -> list[str]:
    """The names of the recipes of this folder, sorted."""
    return sorted(path.stem for path in FOLDER.glob(f"*{_SUFFIX}"))


def find_recipe(name: str) -> Recipe:
    """A recipe by its name, or by the path of a file that ends in ``.toml``.

    Raises:
        UsageError: there is none, or the file is damaged.
    """
    if name.endswith(_SUFFIX):
        return read(Path(name).expanduser())
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"no recipe is named {name!r}; {hint}, or give the path of a .toml file")
    return read(FOLDER / f"{name}{_SUFFIX}")


def read(path: Path) -> Recipe:
    """The recipe in a file, its places filled in with the folders of this machine.

    Raises:
        UsageError: the file is missing, is no TOML, or holds an unknown name or a value of the wrong type.
    """
    if not path.is_file():
        raise UsageError(f"there is no recipe {path}; hsc-bench recipes lists those that there are")
    try:
        values = tomllib.loads(read_text(path, _MAX_BYTES))
    except (ResultsError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the recipe {path} cannot be read: {error}") from error
    values = _filled(values, _places())
    needs = tuple(_need(table, f"{path}, needs {number}") for number, table in _tables(values, "needs", path))
    published = tuple(
        _record(Published, table, f"{path}, published {number}") for number, table in _tables(values, "published", path)
    )
    return _record(Recipe, {**values, "name": path.stem, "needs": needs, "published": published}, str(path))


def _places() -> dict[str, str]:
    from downstream.weights.torchvision_zoo import checkpoints

    data = os.environ.get("HSC_DATA") or "data"
    return {"{cache}": str(cache_folder()), "{torch}": str(checkpoints()), "{data}": data}


def _filled(value: Any, places: Mapping[str, str]) -> Any:
    """A value of TOML with the places in its texts filled in."""
    if isinstance(value, str):
        for place, folder in places.items():
            value = value.replace(place, folder)
        return value
    if isinstance(value, list):
        return [_filled(item, places) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, places) for key, item in value.items()}
    return value


def _tables(values: Mapping[str, Any], name: str, path: Path) -> list[tuple[int, dict[str, Any]]]:
    tables = values.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: {name} is no array of tables; write it as [[{name}]]")
    return list(enumerate(tables, 1))


def _need(table: Mapping[str, Any], where: str) -> Need:
    downloads = table.get("downloads", [])
    if not isinstance(downloads, list) or not all(isinstance(item, dict) for item in downloads):
        raise UsageError(f'{where}: downloads is no array of tables; write it as [{{url = "https://..."}}]')
    made = tuple(_record(Download, item, f"{where}, download {number}") for number, item in enumerate(downloads, 1))
    if (means := table.get("means", "hand")) not in get_args(Means):
        raise UsageError(f"{where}: means came as {means!r}, expected {' or '.join(get_args(Means))}")
    return _record(Need, {**table, "path": Path(str(table.get("path", ""))).expanduser(), "downloads": made}, where)


_KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "Means": (str,),
    "Path": (Path,),
    "Mapping[str, Any]": (dict,),
    "Mapping[str, str]": (dict,),
    "Mapping[str, float]": (dict,),
}
"""What TOML holds for the types of fields; all others are tuples."""
_NOUNS = {str: "a text", int: "a whole number", bool: "true or false", dict: "a table", list: "an array"}
_NOUNS |= {tuple: "an array", Path: "a path"}


def _record(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from a table of its fields. Raises UsageError for unknown or missing fields, or another type."""
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(fields)}"
            raise UsageError(f"{where}: there is no field {name!r}; {hint}")
        kinds = _KINDS.get(str(fields[name].type), (list, tuple))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            nouns = " or ".join(dict.fromkeys(_NOUNS[kind] for kind in kinds))
            raise UsageError(f"{where}: {name} came as {value!r}, expected {nouns}")
    missing = [
        name
        for name, f in fields.items()
        if name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UsageError(f"{where}: {', '.join(missing)} is missing; give it")
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
