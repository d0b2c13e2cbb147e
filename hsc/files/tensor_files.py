"""Reader of safetensors files from untrusted sources: metadata first, then tensors, each checked before use.

    8 bytes of length, header (JSON) ──shapes_of──> names, shapes: compared before memory is allocated
                                     └─read_about──> metadata
    tensors ──read_tensors──> by name: numbers that are really stored, all finite
            └─read_arrays───> the same as NumPy's arrays; torch is not imported for it

A few bytes can claim tensors of any size, and a weight that is not finite would silently spoil every stream and score.
"""

from __future__ import annotations

import functools
import math
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsc.errors import DataError
from hsc.files.file_digests import FileState, state_of
from hsc.files.plain_json import read_object

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

MAX_HEADER_BYTES = 1 << 23
"""Largest accepted header; ten thousand tensors take one million bytes."""

_SPARE = 1 << 20
_NUMPY_TYPES = frozenset({"BOOL", "U8", "I8", "U16", "I16", "F16", "U32", "I32", "F32", "U64", "I64", "F64"})
"""Types of tensors that NumPy has, by their names in a header."""

Shapes = Mapping[str, tuple[int, ...]]


def shapes_of(path: Path | str) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor, by name; nothing else is read.

    Raises:
        DataError: the file is no complete safetensors file.
    """
    with _opened(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - it is no mapping


def read_about(path: Path | str, entry: str) -> dict[str, Any] | None:
    """The JSON object of one entry of the file's metadata, None if there is no such entry.

    Raises:
        DataError: the file is no complete safetensors file, or the entry is no object, or a number is not finite.
    """
    text = _metadata(path).get(entry)
    try:
        return None if text is None else read_object(text)
    except ValueError as error:
        raise DataError(f"{path} has metadata {entry!r} that cannot be read: {error}; get it again") from error


def _metadata(path: Path | str) -> Mapping[str, str]:
    """The file's metadata, read again only where the file may have changed."""
    try:
        state = state_of(path)
    except OSError:
        state = None
    if state and state.settled(time.time_ns()):
        return _metadata_of(Path(path).absolute(), state)
    return _read_metadata(path)


@functools.lru_cache(maxsize=64)
def _metadata_of(path: Path, state: FileState) -> Mapping[str, str]:
    return _read_metadata(path)


def _read_metadata(path: Path | str) -> Mapping[str, str]:
    with _opened(path) as file:
        return file.metadata() or {}


def read_tensors(path: Path | str, *, single: bool = False) -> dict[str, Tensor]:
    """All tensors as they are stored, on the CPU. single: convert floating ones to float32.

    Raises:
        DataError: the file is no complete safetensors file, or a tensor holds values that are not finite.
    """
    with _opened(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    if single:
        tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    require_sound(tensors, path)
    return tensors


def read_arrays(path: Path | str) -> dict[str, npt.NDArray[Any]]:
    """All tensors as they are stored, as arrays by name.

    Raises:
        DataError: the file is no complete safetensors file, or a tensor is of a type that NumPy does not have, such as
            bfloat16, or holds values that are not finite.
    """
    arrays = {}
    with _opened(path) as file:
        for name in file.keys():  # noqa: SIM118 - it is no mapping
            stored_type = str(file.get_slice(name).get_dtype())
            if stored_type not in _NUMPY_TYPES:
                raise DataError(f"{path} holds {name!r} of the type {stored_type}, which NumPy lacks; get it again")
            arrays[name] = file.get_tensor(name)
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            _require_finite(name, array.size, int(np.count_nonzero(np.isfinite(array))), path)
    return arrays


def require_sound(tensors: Mapping[str, Any], path: Path | str) -> None:
    """Check that tensors are plain, fully stored and finite.

    tensors: torch's, or other values, which are skipped. path: of their file, for messages.

    Raises:
        DataError: a tensor claims more numbers than it stores (a pickle may repeat one number a million million times),
            is not a plain dense tensor on the CPU, or holds NaN or an infinity.
    """
    import torch

    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            continue
        plain = tensor.layout is torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
        if not plain or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise DataError(
                f"{Path(path).name} does not hold all of {name!r}, {tuple(tensor.shape)}, as plain numbers; get it "
                f"again"
            )
        if not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        _require_finite(name, tensor.numel(), int(torch.isfinite(tensor).sum()), path)


def _require_finite(name: str, values: int, finite: int, path: Path | str) -> None:
    if finite != values:
        raise DataError(
            f"{Path(path).name} holds {values - finite} of {values} values that are not finite in {name!r}; it is "
            f"damaged, or its training diverged: get it again"
        )


def outline(build: Callable[[], Any], path: Path | str) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter and buffer of a network, by name, without allocating its memory.

    build: returns the network. path: of the file that describes it, for messages.

    Raises:
        DataError: the network cannot be built.
    """
    import torch

    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.device("meta"), _unfilled():
            warnings.simplefilter("ignore")  # about tensors without elements; callers' comparisons refuse those
            tensors = build().state_dict(keep_vars=True)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{Path(path).name} describes a network that cannot be made ({reason}); get it again"
        ) from error
    return {name: tuple(getattr(tensor, "shape", ())) for name, tensor in tensors.items()}


def _unfilled() -> AbstractContextManager[Any]:
    """Leave tensors as they are where a network draws, fills or scales its first numbers.

    Tensors without memory have none; for some of these calls torch would import its compiler first, which takes as long
    as torch itself.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    fills, draws = {torch.Tensor.normal_, torch.Tensor.uniform_}, {torch.randn, torch.rand}
    scaled = {getattr(torch.Tensor, name) for name in ("add", "sub", "mul", "div", "__truediv__")}

    class Unfilled(TorchFunctionMode):
        def __torch_function__(
            self, call: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            named = kwargs or {}
            if call in fills or getattr(call, "__module__", "") == torch.nn.init.__name__:
                return args[0] if args else named["tensor"]
            if call in draws and all(isinstance(side, int) for side in args):
                return torch.empty(*args)
            if call in scaled and args[0].is_meta and args[0].is_floating_point() and isinstance(args[1], float):
                return args[0]
            return call(*args, **named)

    return Unfilled()


def require_room(network: Shapes, stored: Shapes, path: Path | str) -> None:
    """Check, before a network is built, that it is no larger than the file that is to fill it.

    network: shapes of the network's tensors (``outline``). stored: of the file's.

    Raises:
        DataError: the network is larger.
    """
    network_count, stored_count = (sum(math.prod(shape) for shape in s.values()) for s in (network, stored))
    if network_count > stored_count:
        raise DataError(
            f"{Path(path).name} holds {stored_count:,} numbers and describes a network of {network_count:,}; it is "
            f"damaged, or made to exhaust its reader"
        )


def require_unpacked(path: Path | str) -> None:
    """Check that an archive as torch writes it is about as large as its content, because torch does not compress.

    Other files pass.

    Raises:
        DataError: the archive would unpack to far more.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return  # no archive: its reader will say what is wrong
    size = Path(path).stat().st_size
    if unpacked > 2 * size + _SPARE:
        raise DataError(
            f"{Path(path).name} is an archive of {size:,} bytes that unpacks to {unpacked:,}, expected about the same "
            f"size; get it again"
        )


@contextmanager
def _opened(path: Path | str, framework: str = "numpy") -> Iterator[Any]:
    """The file, opened by its library; every error while it is read becomes a DataError.

    framework: whose tensors it gives, "numpy" or "pt" for torch, which is imported for it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise ValueError(
                f"its first eight bytes announce a header of {length:,} bytes, {MAX_HEADER_BYTES:,} are read"
            )
        with safe_open(str(path), framework) as opened:
            yield opened
    except DataError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise DataError(
            f"{path} is not a complete safetensors file: {error}; download it again, or get it again from its author"
        ) from error
