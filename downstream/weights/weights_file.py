"""Weights of our own networks: a safetensors file with a description of itself.

The file's metadata has one entry, ``about``, a JSON object: architecture, classes, recipe, source of the images.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from hsc.errors import DataError
from hsc.files.tensor_files import read_about, read_tensors

if TYPE_CHECKING:
    from torch import Tensor

AdaptedTo = Literal["hsc", "coarse", "compressai"]
"""The codecs that packaged weights of adapted heads follow.

hsc: the codec of that name, with the default weights or those of ``trained``. coarse: ``hsc(model=roadscenes-coarse)``.
compressai: ``compressai(trained=roadscenes)``.
"""

MAX_CLASSES = 1 << 12
"""The most classes that a weights file may state."""


class Weights(NamedTuple):
    """The content of a weights file.

    tensors: by name, those of floating point as float32. about: the file's description of itself, empty without one.
    """

    tensors: dict[str, Tensor]
    about: dict[str, Any]


def packaged(name: str, codec: AdaptedTo = "hsc") -> Path:
    """The path of packaged weights of this name, adapted to this codec; the file may be missing."""
    of_codec = name if codec == "hsc" else f"{name}_{codec}"
    return Path(str(importlib.resources.files("downstream"))) / "weights" / f"{of_codec}.safetensors"


def require_codec(codec: str) -> None:
    """Check the codec that a head's field states. Raises ValueError."""
    if codec not in get_args(AdaptedTo):
        raise ValueError(f"codec is {codec!r}, expected one of {', '.join(get_args(AdaptedTo))}")


def require_regime(path: str | Path, about: Mapping[str, Any], regime: str) -> None:
    """Check that weights have the regime of their head, "frozen" or "adapted".

    Raises:
        DataError: a head of one regime was given weights of the other.
    """
    stated = about.get("regime", "frozen")
    if stated != regime:
        heads = "small_adapted or segmenter_adapted" if stated == "adapted" else "small or segmenter"
        raise DataError(f"{Path(path).name} holds {stated} weights, the head is {regime}; give them to {heads}")


def read_weights(path: str | Path) -> Weights:
    """Read a weights file.

    Raises:
        DataError: the file is damaged or of another format, or holds numbers that are not finite.
    """
    return Weights(read_tensors(path, single=True), about_of(path))


def about_of(path: str | Path) -> dict[str, Any]:
    """A weights file's description of itself, empty without one; tensors are not read, nor is torch imported.

    Raises:
        DataError: the file is damaged or of another format.
    """
    return read_about(path, "about") or {}


def latent_space_of(path: str | Path) -> str:
    """The latent space of the codec that adapted weights were trained with, from the file's description alone; empty
    where it states none.

    Raises:
        DataError: the file is damaged or of another format.
    """
    return str(about_of(path).get("latent_space", ""))


def classes_of(path: str | Path, about: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes that a weights file states; empty if it states none.

    Raises:
        DataError: they are not a list of names, or more than ``MAX_CLASSES``.
    """
    classes = about.get("classes", [])
    if (
        not isinstance(classes, list)
        or len(classes) > MAX_CLASSES
        or not all(isinstance(name, str) for name in classes)
    ):
        raise DataError(
            f"{Path(path).name} states the classes {str(classes)[:80]}, expected up to {MAX_CLASSES} names; train "
            f"it again"
        )
    return tuple(classes)
