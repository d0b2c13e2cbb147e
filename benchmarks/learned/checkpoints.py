"""Weights files of learned codecs: CompressAI's checkpoints, and safetensors files that state their architecture.

    .safetensors ──────────> tensors, metadata "architecture": {"class": "mbt2018-mean-vbr", "N": 96, "M": 128}
    torch file ──restricted──> state dict, by itself or under "state_dict" ──names of today──> tensors

Nothing in a file is executed: torch's restricted loader builds tensors and plain containers alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.learned.zoo import ARCHITECTURES, Architecture
from hsc.errors import DataError
from hsc.files.tensor_files import read_about, read_tensors, require_sound, require_unpacked

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
SUFFIX = ".safetensors"
_PARTS = ("state_dict", "network", "model_state_dict")
_OLD_NAMES = (
    (re.compile(r"^module\."), ""),  # of DataParallel
    (re.compile(r"\.downsample\."), ".skip."),
)
_BOTTLENECK = re.compile(r"^entropy_bottleneck\._?(matri|bias|factor)(?:x|ces|es|s)?\.?(\d)$")
_LISTED = {"matri": "matrices.", "bias": "biases.", "factor": "factors."}
_SINGLE = {"matri": "_matrix", "bias": "_bias", "factor": "_factor"}
_MOST_CHANNELS = 1024


def stated_architecture(path: Path) -> str:
    """The zoo's name of the architecture that a safetensors file states; empty for other files.

    Raises:
        DataError: the file is damaged, or states an architecture that the zoo does not have.
    """
    if path.suffix != SUFFIX:
        return ""
    about = read_about(path, "architecture")
    name = (about or {}).get("class", "")
    if about is not None and name not in ARCHITECTURES:
        raise DataError(f"{path.name} states the architecture {name!r}, expected one of {', '.join(ARCHITECTURES)}")
    return str(name)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by the names that CompressAI 1.2.8 gives them; floating ones as float32.

    Raises:
        DataError: the file is damaged, holds no state dict or numbers that are not finite, or would run code.
    """
    if path.suffix == SUFFIX:
        return renamed(read_tensors(path, single=True))
    content = _restricted(path)
    for part in _PARTS:
        if isinstance(content, Mapping) and isinstance(content.get(part), Mapping):
            content = content[part]
            break
    import torch

    if not isinstance(content, Mapping) or not any(isinstance(value, torch.Tensor) for value in content.values()):
        raise DataError(
            f"{path.name} holds no state dict, by itself or under one of {', '.join(_PARTS)}; save the network's "
            f"state_dict() with torch.save"
        )
    require_sound(content, path)
    tensors = {str(name): value.detach() for name, value in content.items() if isinstance(value, torch.Tensor)}
    return renamed({name: value.float() if value.is_floating_point() else value for name, value in tensors.items()})


def widths(architecture: Architecture, state: Mapping[str, Any], path: Path) -> tuple[int, int]:
    """The widths N and M of the network that a state dict is of.

    Raises:
        DataError: the state dict is of another architecture, or of absurd widths.
    """
    sizes = []
    for name in (architecture.first_layer, architecture.last_layer):
        if name not in state or state[name].ndim != 4:
            raise DataError(
                f"{path.name} is no {architecture.name}: it has no convolution {name}; name its architecture, as in "
                f"arch={_likely(state)}"
            )
        sizes.append(int(state[name].shape[0]))
    if max(sizes) > _MOST_CHANNELS:
        raise DataError(f"{path.name} states {max(sizes)} channels, expected at most {_MOST_CHANNELS}; get it again")
    return sizes[0], sizes[1]


def _likely(state: Mapping[str, Any]) -> str:
    """The architecture that a state dict looks like."""
    gain = "-vbr" if "Gain" in state else ""
    if "g_a.0.conv1.weight" in state:
        return "cheng2020-attn" if "g_a.3.conv_b.3.weight" in state else "cheng2020-anchor"
    if "context_prediction.weight" in state:
        return f"mbt2018{gain}"
    if "h_s.0.weight" not in state:
        return "bmshj2018-factorized"
    y_channels = state["h_a.0.weight"].shape[1]
    return f"mbt2018-mean{gain}" if state["h_s.4.weight"].shape[0] == 2 * y_channels else f"bmshj2018-hyperprior{gain}"


def renamed(state: Mapping[str, T]) -> dict[str, T]:
    """Tensors of any library by today's names; a bottleneck with a variable step spells its parameters otherwise."""
    bottleneck_names = _SINGLE if any("gayn2zqstep." in name for name in state) else _LISTED
    by_new_name = {}
    for old_name, tensor in state.items():
        name = old_name
        for pattern, replacement in _OLD_NAMES:
            name = pattern.sub(replacement, name)
        if match := _BOTTLENECK.match(name):
            name = f"entropy_bottleneck.{bottleneck_names[match[1]]}{match[2]}"
        by_new_name[name] = tensor
    return by_new_name


def _restricted(path: Path) -> Any:
    import torch

    from hsc.weights.checkpoint_reader import foreign_names

    require_unpacked(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the loader fails in many ways on a damaged file; all mean the same here
        imports = foreign_names(path)
        if imports:
            raise DataError(
                f"{path.name} is a pickle that runs code when it is loaded: it imports {', '.join(imports[:4])}; "
                f"nothing was run: save the network's state_dict() alone"
            ) from None
        raise DataError(
            f"{path.name} cannot be read as a torch file of tensors ({type(error).__name__}); it is damaged or of "
            f"another kind: get it again"
        ) from None
