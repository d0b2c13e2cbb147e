"""Reads packed arrays (.npz) from bytes that may be damaged or hostile: nothing is unpickled, and nothing larger than a
stated size is unpacked.
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

MOST = 1 << 29
"""Bytes that all arrays of one prediction may have together: a map of 2**29 pixels."""
_ARRAYS = 64
_NPY: Any = np.lib.format


def unpack(data: bytes, most: int = MOST) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz file by name. most: bytes that they may have together.

    Raises:
        DataError: it is damaged, holds something else than plain arrays, or more than ``most``.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > most or len(members) > _ARRAYS:
                raise DataError(
                    f"packed arrays unpack to {size} bytes in {len(members)} arrays, expected at most {most} in "
                    f"{_ARRAYS}"
                )
            return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    except (
        ValueError,
        KeyError,
        EOFError,
        OSError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
    ) as error:
        raise DataError(f"packed arrays are damaged: {error or type(error).__name__}") from error
    except (
        SyntaxError,
        TypeError,
        MemoryError,
        tokenize.TokenError,
    ) as error:  # what numpy's reader of headers raises beside
        raise DataError(f"packed arrays are damaged: {type(error).__name__} in an array's header") from error


def _array(data: bytes) -> npt.NDArray[Any]:
    """One .npy file, whose header does not announce more than is there."""
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
        raise ValueError(f"an array of {dtype} {shape} is announced, {len(data) - file.tell()} bytes of it are there")
    file.seek(0)
    array: npt.NDArray[Any] = _NPY.read_array(file, allow_pickle=False)
    return array
