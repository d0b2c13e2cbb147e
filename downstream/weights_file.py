"""Weights of our own networks: a safetensors file that says of itself what it is.

The file's metadata has one entry, ``about``, a JSON object: architecture, classes, recipe, source of the images.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hsc.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor


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
        DataError: it is damaged or of another format.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{Path(path).name} is not a readable safetensors file: {error}; get it again") from error
    return Weights({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}, about)
