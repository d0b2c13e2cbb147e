"""Reader of a generator's weights in other projects' files: safetensors, torch checkpoints, pickles.

    file ─┬─ safetensors ──────────────────────────> tensors
          ├─ torch, tensors and plain values ──────> dicts ──find──> tensors
          └─ anything that must be executed ──allowed?──> objects ──find──> tensors
                                              └─ no: DataError, naming what it would call

A pickle is a program: loading one runs whatever its author put in. Pickles are therefore read by torch's restricted
loader, which builds tensors and plain containers only; the names of other things that a file imports are listed without
running it. Meant for the child process of ``hsc.weights.convert_stylegan2``.
"""

from __future__ import annotations

import argparse
import io
import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from hsc.errors import DataError
from hsc.files.tensor_files import read_tensors, require_sound, require_unpacked

_MAX_LISTED_BYTES = 1 << 20
_NAMES = ("g_ema", "G_ema", "params_ema", "state_dict", "generator", "g", "G", "params")
_HARMLESS = re.compile(
    r"torch\._utils\..*|torch\.\w+Storage|collections\.OrderedDict|argparse\.Namespace|_codecs\.encode"
)


@runtime_checkable
class HasStateDict(Protocol):
    """An unpickled module or optimiser: anything with torch's ``state_dict`` method."""

    def state_dict(self) -> Mapping[str, Any]: ...


def read_checkpoint(path: Path, *, allow_pickle: bool = False) -> dict[str, Tensor]:
    """The generator's tensors in a checkpoint file, under the file's own keys, on the CPU.

    allow_pickle: also load files that run their own code. If a file holds several networks, the moving average of the
    generator is taken ("g_ema", "G_ema"), else another entry that is named as a generator.

    Raises:
        DataError: the file is missing or damaged, holds no tensors or values that are not finite, unpacks to far more
            than its size, or would run code that was not allowed.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if _is_safetensors(path):
        return read_tensors(path)
    require_unpacked(path)
    loaded = _load_anything(path) if allow_pickle else _load_restricted(path)
    state = find_state(loaded, path)
    require_sound(state, path)
    return state


def find_state(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The generator's tensors in a checkpoint's content: a module, a state dict, or a dict of these.

    Raises:
        DataError: the content holds no generator.
    """
    outer: Mapping[str, Any] = loaded if isinstance(loaded, Mapping) else {}
    while isinstance(loaded, Mapping) and (inner := next((loaded[n] for n in _NAMES if n in loaded), None)) is not None:
        loaded = inner
    if isinstance(loaded, HasStateDict):
        loaded = loaded.state_dict()
    tensors = (
        {str(k): v.detach().cpu() for k, v in loaded.items() if isinstance(v, Tensor)}
        if isinstance(loaded, Mapping)
        else {}
    )
    if not tensors:
        keys = ", ".join(map(str, list(outer)[:6])) or f"one {type(loaded).__name__}"
        raise DataError(
            f"{path} holds no generator: came {keys}; expected a state dict, by itself or under one of "
            f"{', '.join(_NAMES)}"
        )
    if isinstance(outer.get("latent_avg"), Tensor):
        tensors.setdefault("latent_avg", outer["latent_avg"].detach().cpu())
    return tensors


def _is_safetensors(path: Path) -> bool:
    """Whether the file starts with eight bytes of length and a JSON object."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _load_restricted(path: Path) -> Any:
    try:
        # rosinality's training script keeps its arguments in the checkpoint, in a class that only holds values
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the loader fails in many ways on a damaged file; all mean the same here
        imported = foreign_names(path)
        if imported:
            raise DataError(
                f"{path} is a pickle that runs code when it is loaded: it imports {', '.join(imported[:4])}. Nothing "
                f"was run. If you trust its author, convert it with --allow-pickle; better, ask for a state dict or a "
                f"safetensors file"
            ) from None
        raise DataError(
            f"{path} cannot be read as safetensors or as a torch state dict ({type(error).__name__}): it is damaged "
            f"or of another kind; get it again, or save its state_dict() with torch.save"
        ) from None


def _load_anything(path: Path) -> Any:
    try:
        if zipfile.is_zipfile(path):
            return torch.load(path, map_location="cpu", weights_only=False)
        with path.open("rb") as file:
            return pickle.load(file)
    except Exception as error:
        raise DataError(
            f"{path} could not be unpickled: {type(error).__name__}: {error}; the code it was made with must be "
            f"importable, as with PYTHONPATH=stylegan2-ada-pytorch"
        ) from error


def foreign_names(path: Path) -> list[str]:
    """The names that a pickle, or a torch file's pickle, would import beyond torch's own; none of it is run.

    The names are for a message; the restricted loader, not this list, decides whether they are harmless.
    """
    names: list[str] = []
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
                data = b"".join(_beginning(archive, name) for name in pickles[:4])
        else:
            with path.open("rb") as file:
                data = file.read(_MAX_LISTED_BYTES)
        stream = io.BytesIO(data)
        while stream.tell() < len(data):  # old torch files are several pickles in a row
            names += _imports(stream)
    except (ValueError, OSError, zipfile.BadZipFile):
        pass  # the rest is no pickle; the names before it still count
    return [name for name in dict.fromkeys(names) if not _HARMLESS.fullmatch(name)]


def _beginning(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        return member.read(_MAX_LISTED_BYTES)


def _imports(stream: io.BytesIO) -> Iterator[str]:
    """The names that one pickle would import. A name taken from the stack is assumed to be its last two strings."""
    strings: list[str] = []
    memo: list[str] = []
    last = ""  # the value pushed last, if it was a string
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif operation.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif operation.name == "MEMOIZE":
            memo.append(last)
            continue
        last = argument if isinstance(argument, str) else ""
        if operation.name in ("BINGET", "LONG_BINGET") and isinstance(argument, int) and argument < len(memo):
            last = memo[argument]
        if last:
            strings.append(last)
