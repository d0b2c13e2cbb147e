"""Packed arrays (.npz) from bytes that may be damaged or hostile.

Nothing is unpickled, and nothing larger than a stated size is unpacked.
"""

from __future__ import annotations

import io
import struct
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from hsc.errors import DataError

MAX_BYTES = 1 << 29
"""The most bytes that all arrays of one prediction may have together: a map of 2**29 pixels."""
MAX_ARRAYS = 64
"""The most arrays of one prediction."""
_NPY: Any = np.lib.format
_DAMAGED_ARCHIVE = (
    ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip
_DAMAGED_HEADER = (SyntaxError, TypeError, MemoryError, tokenize.TokenError)
"""What numpy's reader of array headers raises besides."""


def unpack(data: bytes, max_bytes: int = MAX_BYTES) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz file by name. max_bytes: the most that they may have together.

    Raises:
        DataError: the data are damaged, hold something other than plain arrays, or more than ``max_bytes``.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > max_bytes or len(members) > MAX_ARRAYS:
                raise DataError(
                    f"packed arrays unpack to {size} bytes in {len(members)} arrays, expected at most {max_bytes} in "
                    f"{MAX_ARRAYS}"
                )
            return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    except _DAMAGED_ARCHIVE as error:
        raise DataError(f"packed arrays are damaged: {error or type(error).__name__}") from error
    except _DAMAGED_HEADER as error:
        raise DataError(f"packed arrays are damaged: {type(error).__name__} in an array's header") from error


def _array(data: bytes) -> npt.NDArray[Any]:
    """The array of one .npy file, after a check that its header announces exactly the bytes that follow."""
    file = io.BytesIO(data)
    version = _NPY.read_magic(file)
    read = {(1, 0): _NPY.read_array_header_1_0, (2, 0): _NPY.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"an array is of format {version}, expected (1, 0) or (2, 0)")
    shape, _, dtype = read(file)
    count = 1
    for side in shape:
        count *= side
    if dtype.hasobject or any(side < 0 for side in shape) or count * dtype.itemsize != len(data) - file.tell():
        raise ValueError(f"the header announces {dtype} {shape}, and {len(data) - file.tell()} bytes follow")
    file.seek(0)
    array: npt.NDArray[Any] = _NPY.read_array(file, allow_pickle=False)
    return array
