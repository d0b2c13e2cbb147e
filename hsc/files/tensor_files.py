"""Safetensors files that others made: what a file says of itself, then its tensors, each checked before it is used.

    8 bytes of length, header (JSON) ──shapes_of──> names, shapes: to compare before memory is taken
                                     └─read_about──> what the file says of itself
    tensors ──read_tensors──> by name, sound: numbers that are really there, all finite

A file may say anything of any size in a few bytes, and a weight that is no number makes nonsense of every stream and
score without a word.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsc.errors import DataError
from hsc.files.plain_json import read_object

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER_BYTES = 1 << 23
"""Bytes of header that are read; ten thousand tensors take one million."""

_SPARE = 1 << 20

Shapes = Mapping[str, tuple[int, ...]]


def shapes_of(path: Path | str) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor, by name; nothing else is read.

    Raises:
        DataError: it is no whole safetensors file.
    """
    with _opened(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - it is no mapping


def read_about(path: Path | str, entry: str) -> dict[str, Any] | None:
    """The JSON object that the file's metadata hold under a name, None where there is none.

    Raises:
        DataError: it is no whole safetensors file, or the entry is no object of finite numbers.
    """
    with _opened(path) as file:
        text = (file.metadata() or {}).get(entry)
    try:
        return None if text is None else read_object(text)
    except ValueError as error:
        raise DataError(f"{path} says of itself under {entry!r} what cannot be read: {error}; get it again") from error


def read_tensors(path: Path | str, *, single: bool = False) -> dict[str, Tensor]:
    """All tensors as they are stored, on the CPU; single: floating ones as float32.

    Raises:
        DataError: it is no whole safetensors file, or a tensor holds what is no finite number.
    """
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    if single:
        tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    require_sound(tensors, path)
    return tensors


def require_sound(tensors: Mapping[str, Any], path: Path | str) -> None:
    """See that tensors are what they seem. tensors: torch's, or other values, which are passed over. path: where they
    came from.

    Raises:
        DataError: one speaks of more numbers than it holds (a pickle may repeat one number a million million times), is
        none that lies
            in memory as it is, or holds NaN or an infinity.
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
        wrong = (
            tensor.numel() - int(torch.isfinite(tensor).sum())
            if tensor.is_floating_point() or tensor.is_complex()
            else 0
        )
        if wrong:
            raise DataError(
                f"{Path(path).name} holds {wrong} of {tensor.numel()} values that are not finite in {name!r}; it is "
                f"damaged, or its training "
                "diverged: get it again"
            )


def outline(build: Callable[[], Any], path: Path | str) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter and buffer of the network that ``build`` makes, by name, without its memory. path:
    of its file.

    Raises:
        DataError: no such network can be made.
    """
    import torch

    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.device("meta"):
            warnings.simplefilter("ignore")  # of tensors without elements, which no comparison lets pass
            tensors = build().state_dict(keep_vars=True)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{Path(path).name} describes a network that cannot be made ({reason}); get it again"
        ) from error
    return {name: tuple(getattr(tensor, "shape", ())) for name, tensor in tensors.items()}


def require_room(asked: Shapes, held: Shapes, path: Path | str) -> None:
    """See that a network is no larger than the file it is to be filled from, before it is made.

    asked: of the network's tensors (``outline``). held: of the file's.

    Raises:
        DataError: it is larger.
    """
    wanted, there = (sum(math.prod(shape) for shape in shapes.values()) for shapes in (asked, held))
    if wanted > there:
        raise DataError(
            f"{Path(path).name} holds {there:,} numbers and describes a network of {wanted:,}; it is damaged, or "
            f"made to cost its reader dear"
        )


def require_unpacked(path: Path | str) -> None:
    """See that a file, where it is an archive as torch writes them, is about as large as what is in it: torch does not
    compress.

    Raises:
        DataError: it would unpack to far more.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return  # no archive: whoever reads it says what it is instead
    size = Path(path).stat().st_size
    if unpacked > 2 * size + _SPARE:
        raise DataError(
            f"{Path(path).name} is an archive of {size:,} bytes that unpacks to {unpacked:,}; no weights do: get it "
            f"again"
        )


@contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    """The file, opened by its own library; whatever goes wrong while it is read is one DataError."""
    from safetensors import SafetensorError, safe_open

    try:
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise ValueError(
                f"its first eight bytes announce a header of {length:,} bytes, {MAX_HEADER_BYTES:,} are read"
            )
        with safe_open(str(path), "pt") as opened:
            yield opened
    except DataError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise DataError(
            f"{path} is not a whole safetensors file: {error}; fetch it again, or get it again from whoever made it"
        ) from error
