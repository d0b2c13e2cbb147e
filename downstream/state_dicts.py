"""State dicts that others trained: read without running what a pickle may hold, and loaded into the very network they are of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hsc.errors import DataError


def read_state(path: str) -> Any:
    """What a .safetensors file holds, or a pickle of plain tensors and values. May raise anything on a damaged or foreign file."""
    import torch
    from safetensors.torch import load_file

    return load_file(path) if path.endswith(".safetensors") else torch.load(path, map_location="cpu", weights_only=True)


def fill(network: Any, state: Mapping[str, Any], path: str, of: str) -> None:
    """Load a state dict that must be of this very network; tensors that are counted in training alone may be missing.

    of: what the network is of, for messages.

    Raises:
        DataError: it is of another.
    """
    try:
        lacking, foreign = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # tensors of other shapes
        raise DataError(f"{Path(path).name} is not of {of}: {error}; give weights of this very network") from error
    lacking = [name for name in lacking if not name.endswith("num_batches_tracked")]
    if lacking or foreign:
        some = ", ".join([*lacking, *foreign][:3])
        raise DataError(f"{Path(path).name} is not of {of}: it lacks {len(lacking)} tensors and brings {len(foreign)} others ({some})")
