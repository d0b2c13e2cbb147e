"""Weights of our own networks: a safetensors file that says of itself what it is.

The file's metadata has one entry, ``about``, a JSON object: architecture, classes, recipe, source of the images.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hsc.errors import DataError
from hsc.files.tensor_files import read_about, read_tensors

if TYPE_CHECKING:
    from torch import Tensor


MOST_CLASSES = 1 << 12


class Weights(NamedTuple):
    """tensors: by name, floating ones as float32. about: what the file says of itself, empty where it says nothing."""

    tensors: dict[str, Tensor]
    about: dict[str, Any]


def packaged(name: str) -> Path:
    """Where the weights of that name lie in the package, or would."""
    return Path(str(importlib.resources.files("downstream"))) / "weights" / f"{name}.safetensors"


def require_regime(path: str | Path, about: Mapping[str, Any], regime: str) -> None:
    """See that weights are used under the name of what they were trained on.

    Raises:
        DataError: a head of one regime was given weights of the other.
    """
    came = about.get("regime", "frozen")
    if came != regime:
        heads = "small_adapted or segmenter_adapted" if came == "adapted" else "small or segmenter"
        raise DataError(f"{Path(path).name} holds {came} weights, the head is {regime}; give them to {heads}")


def read_weights(path: str | Path) -> Weights:
    """Read a weights file.

    Raises:
        DataError: it is damaged or of another format, or holds what are no finite numbers.
    """
    return Weights(read_tensors(path, single=True), read_about(path, "about") or {})


def classes_of(path: str | Path, about: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes that weights say they answer in, empty where they say none.

    Raises:
        DataError: they are no list of names, or more than any head has.
    """
    classes = about.get("classes", [])
    if (
        not isinstance(classes, list)
        or len(classes) > MOST_CLASSES
        or not all(isinstance(name, str) for name in classes)
    ):
        raise DataError(
            f"{Path(path).name} says its classes are {str(classes)[:80]}, expected up to {MOST_CLASSES} names; train "
            f"it again"
        )
    return tuple(classes)
