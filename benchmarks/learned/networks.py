"""The network of a weights file: CompressAI's own class, filled, frozen, and known by a fingerprint.

weights file ──read_state──> tensors ──widths N, M──> compressai.models.NAME(N, M) ──fill──> Network
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.learned.checkpoints import SUFFIX, read_state, stated_architecture, widths
from benchmarks.learned.identity import TABLES, fingerprint_of
from benchmarks.learned.package import imported
from benchmarks.learned.zoo import ARCHITECTURES, Architecture
from hsc.errors import DataError, UsageError
from hsc.files.atomic_files import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

_DROPPED = ("QuantOffset",)  # of early variable-rate files; CompressAI drops it, too


@dataclass(frozen=True, eq=False)
class Network:
    """A network with its weights, on the CPU.

    model: an instance of CompressAI's class, in evaluation mode and without gradients. tables: the probability tables
    that came with the weights, by the state dict's names; empty where they must be computed from the parameters.
    """

    architecture: Architecture
    model: nn.Module
    tables: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def widths(self) -> tuple[int, int]:
        """N and M: channels of the transforms and of z, and channels of y."""
        model: Any = self.model
        return int(model.N), int(model.M)

    @property
    def fingerprint(self) -> bytes:
        """That of ``benchmarks.learned.identity``."""
        parameters = ((name, tensor.detach().float().cpu().numpy()) for name, tensor in self.model.named_parameters())
        return fingerprint_of(self.architecture.name, parameters)


def new_model(architecture: str, channels: tuple[int, int], *, variable_step: bool = True) -> nn.Module:
    """An untrained network of an architecture, in training mode.

    channels: N and M; Cheng's networks have N alone. variable_step: whether a variable-rate network also scales z's
    quantisation step, as the published ones do; mbt2018-vbr never does.

    Raises:
        UnavailableError: CompressAI is not installed.
    """
    known = ARCHITECTURES[architecture]
    build = getattr(imported("compressai.models"), known.network)
    if known.name.startswith("cheng2020"):
        model: nn.Module = build(channels[0])
    elif known.variable_rate and known.name != "mbt2018-vbr":
        model = build(*channels, vr_entbttlnck=variable_step)
    else:
        model = build(*channels)
    return model


def load(path: Path, architecture: str = "") -> Network:
    """The network of a weights file.

    architecture: the zoo's name; empty for what a safetensors file states.

    Raises:
        UnavailableError: CompressAI is not installed.
        DataError: the file is damaged, or of another architecture.
    """
    stated = stated_architecture(path)
    if stated and architecture and stated != architecture:
        raise DataError(f"{path.name} states the architecture {stated}, asked for was {architecture}; leave arch out")
    if not stated and not architecture:
        raise DataError(f"{path.name} does not state its architecture; name it, as in arch=mbt2018-mean")
    known = ARCHITECTURES[stated or architecture]
    state = {name: tensor for name, tensor in read_state(path).items() if name not in _DROPPED}
    variable_step = "gayn2zqstep.0.weight" in state
    model = new_model(known.name, widths(known, state, path), variable_step=variable_step)
    tables = {name: tensor for name, tensor in state.items() if name.endswith(TABLES) and tensor.numel()}
    _fill(model, {name: tensor for name, tensor in state.items() if not name.endswith(TABLES)}, path, known.name)
    return Network(known, model.eval().requires_grad_(False), tables)


def save(
    model: nn.Module, architecture: str, path: Path, about: Mapping[str, Any] | None = None, *, whole: bool = False
) -> None:
    """Write a network's parameters as a safetensors file that ``load`` reads; the file appears whole or not at all.

    Tables and other derived tensors are left out, unless ``whole``: then CompressAI's own classes read the file, too.
    about: plain values for people, such as data, steps and scores.

    Raises:
        UsageError: the path does not end in .safetensors.
    """
    from safetensors.torch import save_file

    if path.suffix != SUFFIX:
        raise UsageError(f"the weights' name came as {path.name}, expected one that ends in {SUFFIX}")
    sizes: Any = model
    stated = {"class": ARCHITECTURES[architecture].name, "N": int(sizes.N), "M": int(sizes.M)}
    stated["about"] = dict(about or {})  # in one entry: the order of two would be left to chance
    metadata = {"architecture": json.dumps(stated, sort_keys=True)}
    kept = model.state_dict() if whole else dict(model.named_parameters())
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in kept.items()}
    with replacing(path) as part:
        save_file(tensors, part, metadata=metadata)


def _fill(model: nn.Module, state: Mapping[str, Tensor], path: Path, architecture: str) -> None:
    """Load all parameters. Derived tensors (masks, bounds) may be missing; then the class's own stay.

    Raises:
        DataError: a parameter is missing or of another shape, or a tensor is foreign.
    """
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    missing = [name for name in parameters if name not in state]
    foreign = [name for name in state if name not in parameters and name not in buffers]
    differing = [
        f"{name} {tuple(tensor.shape)}"
        for name, tensor in state.items()
        if name in parameters and tensor.shape != parameters[name].shape
    ]
    if missing or foreign or differing:
        examples = ", ".join([*missing, *foreign, *differing][:3])[:200]
        raise DataError(
            f"{path.name} is no {architecture}: {len(missing)} tensors are missing, {len(foreign)} are foreign, "
            f"{len(differing)} have other shapes ({examples}); name its architecture with arch"
        )
    from torch.nn import Module

    # Module's own method: that of CompressAI also expects tables
    Module.load_state_dict(model, {name: state[name] for name in parameters}, strict=False)
