"""The files in which an ONNX model keeps its tensors, found from the model without the package onnx.

    model.onnx: ModelProto ─ graph, functions ─ nodes ─ attributes ─ (sub)graphs, tensors ─ external_data: location
                                                                                                  └──> model.onnx.data

Messages are walked in protobuf's wire format (protobuf.dev/programming-guides/encoding) along the fields of onnx.proto
that lead to tensors; all other fields are skipped unread. ``torch.onnx.export(dynamo=True)`` writes such pairs of
files, and every model above 2 GB is such a pair.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from downstream.weights.file_hash import sha256_of
from hsc.errors import DataError, UnavailableError

_MAX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LOCATION, _EXTERNAL_DATA = "location", 13
_KEY, _VALUE = 1, 2

# Message -> field number -> message, after onnx.proto of ONNX 1.18.
_LEADS = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {_EXTERNAL_DATA: "Entry"},
}


_known: dict[str, tuple[str, ...]] = {}


class _Span(NamedTuple):
    """The bytes of a message: from ``start`` up to, but not including, ``stop``."""

    start: int
    stop: int


def sha256_of_model(path: str) -> dict[str, str]:
    """Entries of a head's provenance: ``weights_sha256`` of the model, ``weights:NAME_sha256`` of each file of tensors.

    Raises:
        UnavailableError: one of the files is missing.
        DataError: the model is damaged, or names a file outside its folder.
    """
    weights_sha256 = sha256_of(path)
    names = external_files(path, weights_sha256)
    return {
        "weights_sha256": weights_sha256,
        **{f"weights:{name}_sha256": _sha256_beside(path, name) for name in names},
    }


def external_files(path: str, sha256: str) -> tuple[str, ...]:
    """The names of the files that hold a model's tensors, relative to its folder; each once, sorted.

    sha256: of the model; a process reads the same model only once.

    Raises:
        DataError: the model is damaged, or names a file outside its folder.
    """
    if sha256 not in _known:
        _known[sha256] = tuple(sorted(set(_locations(path))))
    return _known[sha256]


def _sha256_beside(path: str, name: str) -> str:
    try:
        return sha256_of(Path(path).parent / name)
    except UnavailableError as error:
        raise UnavailableError(
            f"{Path(path).name} keeps tensors in {name}, which is not beside it; copy both files together"
        ) from error


def _locations(path: str) -> Iterator[str]:
    if Path(path).stat().st_size == 0:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            for location in _walk(data, "Model", _Span(0, len(data)), 0):
                path_beside = PurePosixPath(location.replace("\\", "/"))
                if path_beside.is_absolute() or ".." in path_beside.parts or "\0" in location:
                    raise DataError(
                        f"{Path(path).name} keeps tensors in {location!r}, outside its folder; expected a file "
                        f"beside it: export it again"
                    )
                yield path_beside.as_posix()
        except (IndexError, ValueError, UnicodeDecodeError) as error:
            raise DataError(
                f"{Path(path).name} cannot be read as an ONNX model; it may be damaged, get it again: {error}"
            ) from error


def _walk(data: mmap.mmap, message: str, span: _Span, depth: int) -> Iterator[str]:
    """The locations that a message and the messages below it name."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"messages nested over {_MAX_DEPTH} deep")
    if message == "Entry":
        yield from _location(data, span)
        return
    for number, inner in _fields(data, span):
        if number in _LEADS[message]:
            yield from _walk(data, _LEADS[message][number], inner, depth + 1)


def _location(data: mmap.mmap, span: _Span) -> Iterator[str]:
    """The value of a StringStringEntryProto whose key is "location"."""
    entry = {number: data[inner.start : inner.stop].decode("utf-8") for number, inner in _fields(data, span)}
    if entry.get(_KEY) == _LOCATION and entry.get(_VALUE):
        yield entry[_VALUE]


def _fields(data: mmap.mmap, span: _Span) -> Iterator[tuple[int, _Span]]:
    """The field number and the bytes of each field of a message that holds bytes; other fields are skipped."""
    position = span.start
    while position < span.stop:
        tag, position = _varint(data, position, span.stop)
        number, kind = tag >> 3, tag & 7
        if kind == _BYTES:
            size, position = _varint(data, position, span.stop)
            if position + size > span.stop:
                raise ValueError("a field ends beyond its message")
            yield number, _Span(position, position + size)
            position += size
        elif kind == _VARINT:
            _, position = _varint(data, position, span.stop)
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"a field of the kind {kind}")


def _varint(data: mmap.mmap, position: int, stop: int) -> tuple[int, int]:
    """A number of 7 bits per byte, lowest bits first, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= stop:
            raise ValueError("the message ends within a number")
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number of over 10 bytes")
