"""Weights of torchvision's model zoo: its own, by its own address and checksum, or a local file
(``downstream/weights/state_dicts.py``).

Code and weights: torchvision, BSD-3-Clause; papers are named in its model documentation.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from hsc.errors import DataError, DownloadError, UnavailableError
from hsc.weights.download import offline
from hsc.weights.fetching import would_download


def own_weights(model: str, zoo: ModuleType, noun: str) -> Any:
    """Torchvision's default weights of a model of one part of the zoo. noun: what that part holds.

    Raises:
        DataError: there is no such model in that part.
    """
    from torchvision.models import get_model_weights, list_models

    known = list_models(module=zoo)
    if model not in known:
        raise DataError(f"torchvision has no {noun} {model!r}; it has {', '.join(known)}")
    return get_model_weights(model)["DEFAULT"]


def path_of(own: Any) -> Path:
    """Where torchvision keeps those weights once they are fetched."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(own.url).name


def unfetched(weights: str, own: Any) -> str:
    """What use of a model would download; empty where its weights are here, or ``weights`` names a file."""
    if weights or path_of(own).is_file():
        return ""
    return would_download(1e6 * float(own.meta.get("_file_size", 0)), own.url)


def why_not(head: Any) -> str | None:
    """None if a head of the zoo can be used here, else one sentence with the reason and the cure; nothing is fetched to
    find out.
    """
    try:
        if not offline() and (reason := head.unfetched()):
            return str(reason)
        head.fetch()
    except (UnavailableError, DataError) as error:
        return str(error)
    return None


def fetched(model: str, weights: str, own: Any) -> Path:
    """The weights' file: ``weights`` where it is given, else torchvision's own, downloaded once unless HSC_OFFLINE is
    set.

    Raises:
        UnavailableError: it is missing and cannot be fetched.
    """
    path = Path(weights) if weights else path_of(own)
    if path.is_file():
        return path
    if weights:
        raise UnavailableError(
            f"the weights {weights} are not here; give the path of a state dict, or none for torchvision's own"
        )
    if offline():
        raise UnavailableError(
            f"torchvision's weights for {model} are not here and HSC_OFFLINE is set; unset it once, or give "
            f"weights=PATH"
        )
    try:
        own.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise DownloadError(
            f"torchvision's weights for {model} could not be fetched: {error}; give weights=PATH"
        ) from error
    return path
