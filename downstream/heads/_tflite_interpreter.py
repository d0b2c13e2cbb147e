"""TensorFlow Lite models in LiteRT, each loaded once for each file."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from downstream.weights.file_hash import sha256_of
from hsc.errors import DataError, UnavailableError
from hsc.networks.network_holder import held

_INSTALL = "pip install 'hsc-bench[tflite]'"


def interpreter_of(path: str) -> Any:
    """The interpreter of a model that takes one image, with torch's number of threads.

    Raises:
        UnavailableError: the package or the file is missing.
        DataError: the file is damaged, or the model takes something other than an image.
    """
    import torch

    if importlib.util.find_spec("ai_edge_litert") is None:
        raise UnavailableError(f"ai-edge-litert is not installed; {_INSTALL}")
    return _load(path, sha256_of(path), torch.get_num_threads())


@held
def _load(path: str, sha256: str, threads: int) -> Any:
    """The model's interpreter. It is held here and not in the head, so that a head can be sent to workers."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(path, num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise DataError(
            f"{Path(path).name} cannot be loaded as a TensorFlow Lite model; it may be damaged, get it again: {error}"
        ) from error
    entry = interpreter.get_input_details()[0]
    shape, dtype = entry["shape"].tolist(), entry["dtype"]
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or dtype not in (np.uint8, np.int8, np.float32):
        raise DataError(
            f"{Path(path).name} takes {np.dtype(dtype)} of shape {shape}, expected uint8, int8 or float32 (1, H, W, 3)"
        )
    return interpreter
