"""State dicts that others trained: read without running what a pickle may hold, and loaded into the very network they are of.

file ──read_state──> state dict ──fit? shapes first──> sound? ──> network
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hsc.errors import DataError

N = TypeVar("N")
_COUNTED = "num_batches_tracked"
"""Counted in training alone, so that old files lack it."""


def read_state(path: str) -> Any:
    """What a .safetensors file holds, or a pickle of plain tensors and values. May raise anything on a damaged or foreign file."""
    import torch

    from hsc.tensor_files import read_tensors, require_unpacked

    if path.endswith(".safetensors"):
        return read_tensors(path)
    require_unpacked(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def fill(network: Any, state: Mapping[str, Any], path: str, of: str) -> None:
    """Load a state dict that must be of this very network; tensors that are counted in training alone may be missing.

    of: what the network is of, for messages.

    Raises:
        DataError: it is of another, or holds what are no finite numbers.
    """
    from hsc.tensor_files import require_sound

    _require_fit({name: tuple(getattr(tensor, "shape", ())) for name, tensor in network.state_dict().items()}, state, path, of)
    require_sound(state, path)
    try:
        network.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError) as error:  # what shapes do not tell, such as tensors of another kind
        raise DataError(f"{Path(path).name} is not of {of}: {' '.join(str(error).split())[:200]}; give weights of this very network") from error


def fitted(build: Callable[[], N], state: Mapping[str, Any], path: str, of: str) -> N:
    """The network that ``build`` makes, filled; it takes memory only once the state dict is known to be of its shapes.

    Raises:
        DataError: as ``fill``.
    """
    from hsc.tensor_files import outline

    _require_fit(outline(build, path), state, path, of)
    network = build()
    fill(network, state, path, of)
    return network


def _require_fit(asked: Mapping[str, tuple[int, ...]], state: Mapping[str, Any], path: str, of: str) -> None:
    """See that names and shapes agree. asked: the network's."""
    if not isinstance(state, Mapping):
        raise DataError(f"{Path(path).name} holds a {type(state).__name__}, expected the state dict of {of}; give weights of this very network")
    came = {str(name): tuple(getattr(tensor, "shape", ())) for name, tensor in state.items()}
    lacking = [name for name in asked if name not in came and not name.endswith(_COUNTED)]
    foreign = [name for name in came if name not in asked]
    if lacking or foreign:
        some = ", ".join([*lacking, *foreign][:3])
        raise DataError(f"{Path(path).name} is not of {of}: it lacks {len(lacking)} tensors and brings {len(foreign)} others ({some[:200]})")
    reshaped = [name for name, shape in came.items() if asked[name] != shape]
    if reshaped:
        first = reshaped[0]
        raise DataError(
            f"{Path(path).name} is not of {of}: {len(reshaped)} of its {len(came)} tensors have other shapes, {first!r} {came[first]} where "
            f"{asked[first]} is expected; it may be trained on other classes: give weights of this very network"
        )
