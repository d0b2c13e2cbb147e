"""State dicts that others trained: read without running code from a pickle, and loaded only into the network they fit.

file ──read_state──> state dict ──check names and shapes──> check values ──> network
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hsc.errors import DataError

N = TypeVar("N")
_COUNTER = "num_batches_tracked"
"""End of the names of tensors that only training uses, so that old files lack them."""
_CURE = "give weights of this very network"


def read_state(path: str) -> Any:
    """The content of a .safetensors file, or of a pickle of plain tensors and values.

    It may raise any exception on a damaged or foreign file.
    """
    import torch

    from hsc.files.tensor_files import read_tensors, require_unpacked

    if path.endswith(".safetensors"):
        return read_tensors(path)
    require_unpacked(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def fill(network: Any, state: Any, path: str, model: str, cure: str = _CURE) -> None:
    """Load a state dict that must be of exactly this network; only the counters of training may be missing.

    model: the network's name in messages. cure: what to do if the file is of another network.

    Raises:
        DataError: the state dict is of another network, or holds numbers that are not finite.
    """
    from hsc.files.tensor_files import require_sound

    _require_fit(_shapes(network.state_dict()), state, path, model, cure)
    require_sound(state, path)
    try:
        network.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError) as error:  # what shapes do not show, such as tensors of another kind
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{Path(path).name} is not of {model}: {reason}; {cure}") from error


def fitted(build: Callable[[], N], state: Mapping[str, Any], path: str, model: str, cure: str = _CURE) -> N:
    """The network that ``build`` makes, with its weights. It is built only after names and shapes are known to fit.

    Raises:
        DataError: as ``fill`` does.
    """
    from hsc.files.tensor_files import outline

    _require_fit(outline(build, path), state, path, model, cure)
    network = build()
    fill(network, state, path, model, cure)
    return network


def _shapes(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of each entry by name; that of an entry that is no tensor is empty."""
    return {str(name): tuple(getattr(tensor, "shape", ())) for name, tensor in state.items()}


def _require_fit(expected: Mapping[str, tuple[int, ...]], state: Any, path: str, model: str, cure: str) -> None:
    """Check that names and shapes agree. expected: the network's shapes."""
    if reason := _misfit(expected, state):
        raise DataError(f"{Path(path).name} is not of {model}: {reason}; {cure}")


def misfit(network: Any, state: Any) -> str:
    """How a state dict differs from that of a network, as a clause with the first differences; empty if it fits."""
    return _misfit(_shapes(network.state_dict()), state)


def _misfit(expected: Mapping[str, tuple[int, ...]], state: Any) -> str:
    if not isinstance(state, Mapping):
        return f"it holds a {type(state).__name__}, expected tensors by name"
    shapes = _shapes(state)
    missing = [name for name in expected if name not in shapes and not name.endswith(_COUNTER)]
    foreign = [name for name in shapes if name not in expected]
    if missing or foreign:
        examples = ", ".join([*missing, *foreign][:3])[:200]
        return f"it lacks {len(missing)} tensors and has {len(foreign)} others ({examples})"
    return _other_shapes(
        {name: (shapes[name], shape) for name, shape in expected.items() if name in shapes and shapes[name] != shape}
    )


def _other_shapes(differing: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> str:
    """The smallest difference as a clause. If only first axes differ, the weights are for another number of classes.

    differing: the shape in the file and the expected shape, by name.
    """
    if not differing:
        return ""
    outputs = {name: pair for name, pair in differing.items() if pair[0] and pair[1] and pair[0][1:] == pair[1][1:]}
    shown = outputs if len(outputs) == len(differing) else differing
    name = min(shown, key=lambda name: (len(shown[name][1]), shown[name][1]))
    (shape, expected), others = shown[name], f"{len(differing)} tensor{'s' * (len(differing) != 1)} of other shapes"
    if shown is outputs:
        return (
            f"it was trained for other classes, {name} gives {shape[0]} numbers where {expected[0]} are expected "
            f"({others})"
        )
    return f"{name} has the shape {shape}, expected {expected} ({others})"
