"""Weights of torchvision's model zoo: its own, from its address and checked by its checksum, or a local file.

Local files are read by ``downstream/weights/state_dicts.py``. Code and weights: torchvision, BSD-3-Clause; its model
documentation names the papers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from hsc.errors import DataError, DownloadError, UnavailableError
from hsc.networks.network_holder import HOLDER
from hsc.weights.download import offline
from hsc.weights.fetching import would_download

_ADDRESS = "https://download.pytorch.org/models"


class OwnFile(NamedTuple):
    """The file of torchvision's own weights of a model."""

    url: str
    size_mb: float


DEFAULTS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": OwnFile(
        f"{_ADDRESS}/fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth", 74.239
    ),
    "deeplabv3_mobilenet_v3_large": OwnFile(f"{_ADDRESS}/deeplabv3_mobilenet_v3_large-fc3c493d.pth", 42.301),
    "resnet50": OwnFile(f"{_ADDRESS}/resnet50-11ad3fa6.pth", 97.79),
    "alexnet": OwnFile(f"{_ADDRESS}/alexnet-owt-7be5be79.pth", 233.087),
    "vgg16": OwnFile(f"{_ADDRESS}/vgg16-397923af.pth", 527.796),
}
"""The models that heads have by default, so that lists, which say what is missing, need not wait for torchvision."""


def own_weights(model: str, zoo: ModuleType, noun: str, version: str = "") -> Any:
    """Torchvision's own weights of a model. zoo: the part of the zoo to look in. noun: for its models, in messages.
    version: torchvision's name of the weights, such as "IMAGENET1K_V1"; empty for its default.

    Raises:
        DataError: that part has no such model, or the model no such weights.
    """
    HOLDER.about_to_build(model)
    from torchvision.models import get_model_weights, list_models

    known = list_models(module=zoo)
    if model not in known:
        raise DataError(f"torchvision has no {noun} {model!r}; it has {', '.join(known)}")
    versions = get_model_weights(model)
    if version and version not in versions.__members__:
        raise DataError(f"torchvision has no weights {version!r} of {model}; it has {', '.join(versions.__members__)}")
    return versions[version or "DEFAULT"]


def require_own_classes(weights: str, classes: str, own: str) -> None:
    """Check that torchvision's own weights are asked for their own classes. own: the name of these.

    Raises:
        ValueError: ``weights`` names no file, and ``classes`` are others.
    """
    if not weights and classes != own:
        raise ValueError(
            f"classes came as {classes}, torchvision's own weights know {own}; give weights=PATH of a network with "
            f"these classes"
        )


def own_file(model: str, own: Callable[[], Any]) -> OwnFile:
    """The file of a model's own weights. own: gives torchvision's description of them, as ``own_weights`` does."""
    if model in DEFAULTS:
        return DEFAULTS[model]
    weights = own()
    return OwnFile(weights.url, float(weights.meta.get("_file_size", 0)))


class HasAddress(Protocol):
    """Weights with an address."""

    @property
    def url(self) -> str:
        """Their address."""


def path_of(own: HasAddress) -> Path:
    """The file in which torchvision keeps its own weights after a download."""
    return checkpoints() / Path(own.url).name


def checkpoints() -> Path:
    """The folder in which torch keeps downloaded weights; torch is asked where it is imported already."""
    if "torch" in sys.modules:
        import torch

        return Path(torch.hub.get_dir()) / "checkpoints"
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def unfetched(weights: str, model: str, own: Callable[[], Any]) -> str:
    """What use of a model would download; empty if its weights are present, or ``weights`` names a file.

    own: as of ``own_file``.
    """
    if weights:
        return ""
    file = own_file(model, own)
    return "" if path_of(file).is_file() else would_download(1e6 * file.size_mb, file.url)


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


@contextmanager
def loading(path: str, model: str, field: str) -> Iterator[None]:
    """Turns whatever a damaged or foreign file raises inside the block into a DataError.

    model: the network in words. field: the head's field that names it, for the cure.

    Raises:
        DataError: the block raised one, or anything else.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # a damaged or foreign file may raise anything
        raise DataError(
            f"{Path(path).name} cannot be loaded as weights of {model}: {error}; get it again, or name its {field}"
        ) from error
