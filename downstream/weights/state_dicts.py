"""State dicts that others trained: read without running what a pickle may hold, and loaded into the very network they
are of.

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
    """What a .safetensors file holds, or a pickle of plain tensors and values. May raise anything on a damaged or
    foreign file.
    """
    import torch

    from hsc.files.tensor_files import read_tensors, require_unpacked

    if path.endswith(".safetensors"):
        return read_tensors(path)
    require_unpacked(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def fill(network: Any, state: Any, path: str, of: str, cure: str = "give weights of this very network") -> None:
    """Load a state dict that must be of this very network; tensors that are counted in training alone may be missing.

    of: what the network is of, for messages; cure: what to do where the file is of a network with other classes.

    Raises:
        DataError: it is of another, or holds what are no finite numbers.
    """
    from hsc.files.tensor_files import require_sound

    _require_fit(
        {name: tuple(getattr(tensor, "shape", ())) for name, tensor in network.state_dict().items()},
        state,
        path,
        of,
        cure,
    )
    require_sound(state, path)
    try:
        network.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError) as error:  # what shapes do not tell, such as tensors of another kind
        raise DataError(f"{Path(path).name} is not of {of}: {' '.join(str(error).split())[:200]}; {cure}") from error


def fitted(
    build: Callable[[], N],
    state: Mapping[str, Any],
    path: str,
    of: str,
    cure: str = "give weights of this very network",
) -> N:
    """The network that ``build`` makes, filled; it takes memory only once the state dict is known to be of its shapes.

    Raises:
        DataError: as ``fill``.
    """
    from hsc.files.tensor_files import outline

    _require_fit(outline(build, path), state, path, of, cure)
    network = build()
    fill(network, state, path, of, cure)
    return network


def _require_fit(wanted: Mapping[str, tuple[int, ...]], state: Any, path: str, of: str, cure: str) -> None:
    """See that names and shapes agree. wanted: the network's."""
    if trouble := _misfit(wanted, state):
        raise DataError(f"{Path(path).name} is not of {of}: {trouble}; {cure}")


def misfit(network: Any, state: Any) -> str:
    """Why a state dict is not of a network, in words, with the first numbers that differ; empty where it is of it."""
    return _misfit({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}, state)


def _misfit(wanted: Mapping[str, tuple[int, ...]], state: Any) -> str:
    if not isinstance(state, Mapping):
        return f"it holds a {type(state).__name__}, expected tensors by name"
    came = {str(name): tuple(getattr(tensor, "shape", ())) for name, tensor in state.items()}
    lacking = [name for name in wanted if name not in came and not name.endswith(_COUNTED)]
    foreign = [name for name in came if name not in wanted]
    if lacking or foreign:
        some = ", ".join([*lacking, *foreign][:3])[:200]
        return f"it lacks {len(lacking)} tensors and brings {len(foreign)} others ({some})"
    return _other_shapes(
        {name: (came[name], shape) for name, shape in wanted.items() if name in came and came[name] != shape}
    )


def _other_shapes(differing: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> str:
    """What differs, shortest first: where only the first axis does, it is of another number of classes."""
    if not differing:
        return ""
    outputs = {name: pair for name, pair in differing.items() if pair[0] and pair[1] and pair[0][1:] == pair[1][1:]}
    shown = outputs if len(outputs) == len(differing) else differing
    name = min(shown, key=lambda name: (len(shown[name][1]), shown[name][1]))
    (came, wanted), others = shown[name], f"{len(differing)} tensor{'s' * (len(differing) != 1)} of other shapes"
    if shown is outputs:
        return (
            f"it was trained for other classes, {name} gives {came[0]} numbers where {wanted[0]} are expected "
            f"({others})"
        )
    return f"{name} is of shape {came}, expected {wanted} ({others})"
