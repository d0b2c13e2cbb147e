"""Reader of pickles that hold numpy arrays in plain containers, and of nothing else, without running what they name.

A pickle is a program that calls whatever it names. Detectron2's zoo is pickles of arrays by name, which need four
functions of numpy to be made; this reader knows these and refuses every other name before it is called.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from hsc.errors import DataError

_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")


class _Arrays(pickle.Unpickler):
    """An unpickler that makes numpy's arrays, dtypes and scalars alone."""

    def find_class(self, module: str, name: str) -> Any:
        """The function of a name. Raises DataError for any but numpy's own four."""
        if module in _CORE and name in ("_reconstruct", "scalar"):
            here = _CORE[1] if importlib.util.find_spec(_CORE[1]) else _CORE[0]
            return getattr(importlib.import_module(here), name)
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return _encode
        raise DataError(f"it imports {module}.{name}")


def _encode(text: str, encoding: str) -> bytes:
    """What Python 2 and 3 share for bytes in old pickles: text of one byte a letter."""
    if encoding != "latin1":
        raise DataError(f"it encodes text as {encoding}")
    return text.encode("latin1")


def read_array_pickle(path: Path, *, allow_pickle: bool = False) -> Any:
    """The content of a pickle.

    allow_pickle: run whatever it names, for files from people you trust.

    Raises:
        DataError: it names something other than numpy's arrays and that was not allowed, or it is damaged.
    """
    data = path.read_bytes()
    try:
        return (
            pickle.loads(data, encoding="latin1")
            if allow_pickle
            else _Arrays(io.BytesIO(data), encoding="latin1").load()
        )
    except DataError as error:
        raise DataError(
            f"{path} is a pickle that runs code when it is loaded: {error}. Nothing was run. If you trust its author, "
            f"convert it with --allow-pickle"
        ) from None
    except Exception as error:  # the unpickler fails in many ways on a damaged file; all mean the same here
        raise DataError(f"{path} cannot be read as a pickle of arrays: {error}; get it again") from error
