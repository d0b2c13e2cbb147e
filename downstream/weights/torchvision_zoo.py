"""Weights of torchvision's model zoo: its own, from its address and checked by its checksum, or a local file.

Local files are read by ``downstream/weights/state_dicts.py``. Code and weights: torchvision, BSD-3-Clause; its model
documentation names the papers.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from hsc.errors import DataError, DownloadError, UnavailableError
from hsc.weights.download import offline
from hsc.weights.fetching import would_download


def own_weights(model: str, zoo: ModuleType, noun: str) -> Any:
    """Torchvision's default weights of a model. zoo: the part of the zoo to look in. noun: for its models, in messages.

    Raises:
        DataError: that part has no such model.
    """
    from torchvision.models import get_model_weights, list_models

    known = list_models(module=zoo)
    if model not in known:
        raise DataError(f"torchvision has no {noun} {model!r}; it has {', '.join(known)}")
    return get_model_weights(model)["DEFAULT"]


def path_of(own: Any) -> Path:
    """The file in which torchvision keeps its own weights after a download."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(own.url).name


def unfetched(weights: str, own: Any) -> str:
    """What use of a model would download; empty if its weights are present, or ``weights`` names a file."""
    if weights or path_of(own).is_file():
        return ""
    return would_download(1e6 * float(own.meta.get("_file_size", 0)), own.url)


class DownloadsWeights(Protocol):
    """A head whose weights can be downloaded."""

    def unfetched(self) -> str:
        """What a prediction would download; empty if the weights are present."""

    def fetch(self) -> None:
        """Download the weights if they are missing, and load them."""


def why_not(head: DownloadsWeights) -> str | None:
    """None if a head of the zoo can be used here, else one sentence with the reason and the cure.

    Nothing is downloaded for the check.
    """
    try:
        if not offline() and (reason := head.unfetched()):
            return str(reason)
        head.fetch()
    except (UnavailableError, DataError) as error:
        return str(error)
    return None


def fetched(model: str, weights: str, own: Any) -> Path:
    """The weights file: ``weights`` if it is given, else torchvision's own, downloaded once unless HSC_OFFLINE is set.

    Raises:
        UnavailableError: the file is missing and cannot be downloaded.
    """
    path = Path(weights) if weights else path_of(own)
    if path.is_file():
        return path
    if weights:
        raise UnavailableError(
            f"the weights {weights} are missing; give the path of a state dict, or none for torchvision's own"
        )
    if offline():
        raise UnavailableError(
            f"torchvision's weights for {model} are missing and HSC_OFFLINE is set; unset it once, or give weights=PATH"
        )
    try:
        own.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise DownloadError(
            f"torchvision's weights for {model} could not be downloaded: {error}; give weights=PATH"
        ) from error
    return path
