"""Recipes of trainings, read from TOML files and compared with those of checkpoints; for every kind of recipe."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hsc.errors import DataError, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    R = TypeVar("R", bound=DataclassInstance)


def read_recipe(kind: type[R], name: str, folder: Path, noun: str = "training config") -> R:
    """Read a recipe by the name of one in a folder, or by the path of a TOML file.

    kind: the recipe's dataclass, which has a field ``name``. noun: what people call such a recipe.

    Raises:
        UsageError: there is no such recipe, it cannot be read, or it has unknown fields.
    """
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(config.stem for config in folder.glob("*.toml")))
        raise UsageError(f"there is no {noun} {name!r}; give a .toml file or one of: {known}")
    try:
        fields = tomllib.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of endless digits or brackets
        raise UsageError(f"{path} is not a TOML file: {error}") from error
    return recipe_of(kind, {"name": path.stem} | fields, str(path))


def recipe_of(kind: type[R], fields: dict[str, Any], source: str) -> R:
    """A recipe from plain values. source: for messages. Errors are those of ``read_recipe``."""
    known = {field.name for field in dataclasses.fields(kind)}
    for name in set(fields) - known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{source} has an unknown field {name!r}{hint}")
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})
    except TypeError as error:
        raise UsageError(f"{source} is not a recipe: {error}") from error


def as_json(recipe: DataclassInstance) -> str:
    """A recipe as a checkpoint keeps it."""
    return json.dumps(dataclasses.asdict(recipe))


def require_same(recipe: DataclassInstance, kept: dict[str, Any], path: Path) -> None:
    """Check that a checkpoint is of a recipe. kept: the checkpoint's, as parsed JSON.

    A field that the checkpoint lacks was added since; it counts as its default, which changes nothing.

    Raises:
        DataError: it is of another one; the message names what differs.
    """
    requested = json.loads(as_json(recipe))
    fields = [field for field in dataclasses.fields(recipe) if field.default is not dataclasses.MISSING]
    kept = json.loads(json.dumps({field.name: field.default for field in fields})) | kept
    if kept != requested:
        changes = ", ".join(
            f"{name} {kept.get(name)} -> {requested.get(name)}"
            for name in sorted(requested | kept)
            if kept.get(name) != requested.get(name)
        )
        raise DataError(f"{path} is of another recipe ({changes}); give another --out or remove it")
