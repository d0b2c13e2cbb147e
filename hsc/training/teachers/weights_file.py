"""Other people's weights, read as plain tensors and loaded whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hsc.errors import DataError
from hsc.files.tensor_files import require_sound, require_unpacked


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict that torch saved, by name, on the CPU; nothing else in the file is run or kept.

    Raises:
        DataError: the file is missing or damaged, or holds no state dict.
    """
    try:
        require_unpacked(path)
        weights = dict(torch.load(path, weights_only=True, map_location="cpu"))
    except DataError:
        raise
    except Exception as error:  # torch.load raises many kinds of errors for a damaged file
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path} is no state dict that torch saved ({reason}); get it again") from error
    require_sound(weights, path)
    return {name: tensor for name, tensor in weights.items() if isinstance(tensor, Tensor)}


def load_strictly(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights into a network. path: of their file, for messages.

    Raises:
        DataError: names or shapes differ.
    """
    try:
        network.load_state_dict(weights)
    except (RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path} does not fit {type(network).__name__} ({reason}); get it again") from error
