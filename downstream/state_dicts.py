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


def fill(network: Any, state: Any, path: str, of: str, cure: str = "give weights of this very network") -> None:
    """Load a state dict that must be of this very network; tensors that are counted in training alone may be missing.

    of: what the network is of, for messages; cure: what to do where the file is of a network with other classes.

    Raises:
        DataError: it is of another.
    """
    if trouble := misfit(network, state):
        raise DataError(f"{Path(path).name} is not of {of}: {trouble}; {cure}")
    network.load_state_dict(state, strict=False)


def misfit(network: Any, state: Any) -> str:
    """Why a state dict is not of a network, in words, with the first numbers that differ; empty where it is of it."""
    if not isinstance(state, Mapping):
        return f"it holds a {type(state).__name__}, expected tensors by name"
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    came = {str(name): tuple(getattr(tensor, "shape", ())) for name, tensor in state.items()}
    lacking = [name for name in wanted if name not in came and not name.endswith("num_batches_tracked")]
    foreign = [name for name in came if name not in wanted]
    if lacking or foreign:
        some = ", ".join([*lacking, *foreign][:3])[:200]
        return f"it lacks {len(lacking)} tensors and brings {len(foreign)} others ({some})"
    return _other_shapes({name: (came[name], shape) for name, shape in wanted.items() if name in came and came[name] != shape})


def _other_shapes(differing: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> str:
    """What differs, shortest first: where only the first axis does, it is of another number of classes."""
    if not differing:
        return ""
    outputs = {name: pair for name, pair in differing.items() if pair[0] and pair[1] and pair[0][1:] == pair[1][1:]}
    shown = outputs if len(outputs) == len(differing) else differing
    name = min(shown, key=lambda name: (len(shown[name][1]), shown[name][1]))
    (came, wanted), others = shown[name], f"{len(differing)} tensor{'s' * (len(differing) != 1)} of other shapes"
    if shown is outputs:
        return f"it was trained for other classes, {name} gives {came[0]} numbers where {wanted[0]} are expected ({others})"
    return f"{name} is of shape {came}, expected {wanted} ({others})"
