"""Converter of Detectron2's weights: ``python -m downstream.networks.rcnn model_final_280758.pkl r50.safetensors``.

model_final.pkl or .pth --read--> Detectron2's names --to_own--> ours, checked against the network --> .safetensors
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from downstream.networks.rcnn.array_pickle import read_array_pickle
from downstream.networks.rcnn.detectron2_keys import layout_of_tensors, to_own
from downstream.networks.rcnn.layout import Layout
from downstream.weights.state_dicts import fitted
from hsc.errors import DataError
from hsc.files.atomic_files import replacing
from hsc.files.file_digests import sha256_of_file
from hsc.files.tensor_files import require_sound, require_unpacked
from hsc.weights.conversion_names import check_names


def convert(source: Path, target: Path, *, allow_pickle: bool = False, overwrite: bool = False) -> Layout:
    """Convert weights of Detectron2; ``target`` appears whole or not at all. Returns what the network is.

    allow_pickle: also load files that run their own code.

    Raises:
        UsageError: the names do not fit, or ``target`` exists and ``overwrite`` is False.
        DataError: the file cannot be read, would run code that was not allowed, or is of another network.
    """
    from safetensors.torch import save_file

    from downstream.networks.rcnn.network import Rcnn

    check_names(source, target, overwrite)
    tensors = read_tensors(source, allow_pickle=allow_pickle)
    require_sound(tensors, source)
    layout = layout_of_tensors(tensors, source.name)
    own = to_own(tensors, source.name)
    fitted(lambda: Rcnn(layout), own, str(source), "this network of Detectron2")
    about = {"source": "detectron2", "source_file": source.name, "source_sha256": sha256_of_file(source)}
    with replacing(target) as part:
        save_file(own, part, {"about": json.dumps({**about, "rcnn": layout.plain()}, sort_keys=True)})
    return layout


def read_tensors(path: Path, *, allow_pickle: bool = False) -> dict[str, Tensor]:
    """The tensors of a checkpoint under its own names, from a pickle of arrays or a file of torch.

    Raises:
        DataError: it is damaged, holds no tensors, or would run code that was not allowed.
    """
    require_unpacked(path)
    with path.open("rb") as file:
        is_archive = file.read(2) == b"PK"
    if is_archive:
        try:
            content = torch.load(path, map_location="cpu", weights_only=not allow_pickle)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(
                f"{path} is not loaded: {reason}. Where it runs code of an author you trust, convert it with "
                f"--allow-pickle; else get it again"
            ) from None
    else:
        content = read_array_pickle(path, allow_pickle=allow_pickle)
    state = content.get("model", content) if isinstance(content, Mapping) else content
    tensors = {str(name): tensor for name, value in _items(state) if (tensor := _tensor(value)) is not None}
    if not tensors:
        raise DataError(f"{path} holds no tensors by name; name a model_final file of Detectron2's zoo")
    return tensors


def _items(state: Any) -> list[tuple[Any, Any]]:
    return list(state.items()) if isinstance(state, Mapping) else []


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return torch.from_numpy(np.array(value, np.float32))
    return value.detach().float() if isinstance(value, Tensor) and value.is_floating_point() else None
