"""Reading a generator's weights from the files people have: safetensors, torch checkpoints, pickles.

    file ─┬─ safetensors ──────────────────────────> tensors
          ├─ torch, tensors and plain values ──────> dicts ──find──> tensors
          └─ anything that must be executed ──allowed?──> objects ──find──> tensors
                                              └─ no: DataError, naming what it would call

A pickle is a program: loading one runs whatever its author put in. So pickles are read by torch's restricted loader,
which builds tensors and plain containers only, and the names of what else a file asks for are listed without running
it.
Meant for the child process of ``hsc.weights.convert_stylegan2``.
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
from typing import Any

import torch
from torch import Tensor

from hsc.errors import DataError
from hsc.files.tensor_files import read_tensors, require_sound, require_unpacked

_MAX_LISTED_BYTES = 1 << 20
_NAMES = ("g_ema", "G_ema", "params_ema", "state_dict", "generator", "g", "G", "params")
_HARMLESS = re.compile(
    r"torch\._utils\..*|torch\.\w+Storage|collections\.OrderedDict|argparse\.Namespace|_codecs\.encode"
)


def read_checkpoint(path: Path, *, allow_pickle: bool = False) -> dict[str, Tensor]:
    """The generator's tensors in a checkpoint file, by their own keys, on the CPU.

    allow_pickle: also load files that run code of their own. Where a file holds several networks the moving average of
    the generator is taken ("g_ema", "G_ema"), then what else is named as a generator.

    Raises:
        DataError: the file is missing, damaged, holds no tensors or such as are no finite numbers, unpacks to far more
        than it is, or would
            run code that was not allowed.
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
    """The generator's tensors in what a checkpoint held: a module, a state dict, or a dict of such.

    Raises:
        DataError: there are none.
    """
    outer: Mapping[str, Any] = loaded if isinstance(loaded, Mapping) else {}
    while isinstance(loaded, Mapping) and (inner := next((loaded[n] for n in _NAMES if n in loaded), None)) is not None:
        loaded = inner
    if hasattr(loaded, "state_dict"):
        loaded = loaded.state_dict()
    tensors = (
        {str(k): v.detach().cpu() for k, v in loaded.items() if isinstance(v, Tensor)}
        if isinstance(loaded, Mapping)
        else {}
    )
    if not tensors:
        keys = ", ".join(map(str, list(outer)[:6])) or f"one {type(loaded).__name__}"
        raise DataError(
            f"{path} holds no generator: came {keys}; expected a state dict, alone or under one of {', '.join(_NAMES)}"
        )
    if isinstance(outer.get("latent_avg"), Tensor):
        tensors.setdefault("latent_avg", outer["latent_avg"].detach().cpu())
    return tensors


def _is_safetensors(path: Path) -> bool:
    """Eight bytes of length, then a JSON object."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _load_restricted(path: Path) -> Any:
    try:
        # rosinality's training script keeps its arguments in the checkpoint, in a class that only holds values
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the loader fail in many ways; all mean the same here
        calls = foreign_names(path)
        if calls:
            raise DataError(
                f"{path} is a pickle that runs code when it is loaded: it asks for {', '.join(calls[:4])}. Nothing "
                f"was run. If you trust "
                "whoever made it, convert it with --allow-pickle; better, ask for a state dict or a safetensors file"
            ) from None
        raise DataError(
            f"{path} cannot be read as safetensors or as a torch state dict ({type(error).__name__}): it is damaged "
            f"or of another kind; "
            "fetch it again, or save its state_dict() with torch.save"
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
            f"importable, "
            "as with PYTHONPATH=stylegan2-ada-pytorch"
        ) from error


def foreign_names(path: Path) -> list[str]:
    """What a pickle, or a torch file's pickle, would import beyond torch's own, without running any of it.

    The names are for a message; that they are harmless is decided by the restricted loader, not by this list.
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
        while stream.tell() < len(data):  # torch's old files are several pickles in a row
            names += _imports(stream)
    except (ValueError, OSError, zipfile.BadZipFile):
        pass  # not a pickle from here on; what was found before still counts
    return [name for name in dict.fromkeys(names) if not _HARMLESS.fullmatch(name)]


def _beginning(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        return member.read(_MAX_LISTED_BYTES)


def _imports(stream: io.BytesIO) -> Iterator[str]:
    """The names one pickle would import. Those spelled on its stack are taken to be the last two strings there."""
    strings: list[str] = []
    memo: list[str] = []
    last = ""  # the string just pushed, if it was one
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
