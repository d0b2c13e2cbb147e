"""ONNX files of one 1x1 convolution, written byte by byte, so that tests need no package that makes them.

The format: github.com/onnx/onnx, onnx.proto; its encoding: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_FLOAT, _INT64 = 1, 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(_number(1, d) for d in array.shape)
    return dims + _number(2, _FLOAT) + _bytes(8, name) + _bytes(9, array.astype("<f4").tobytes())


def tensor_beside(name: str, shape: Sequence[int], location: str) -> bytes:
    """A TensorProto of floats that are kept in another file."""
    dims = b"".join(_number(1, d) for d in shape)
    entry = _bytes(1, "location") + _bytes(2, location)
    return dims + _number(2, _FLOAT) + _bytes(8, name) + _bytes(13, entry) + _number(14, 1)


def field(number: int, value: bytes | str) -> bytes:
    """A field of bytes, text or a message."""
    return _bytes(number, value)


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(_bytes(1, _number(1, d) if isinstance(d, int) else _bytes(2, d)) for d in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))


def _node(operation: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]) -> bytes:
    node = b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) + _bytes(4, operation)
    for name, value in attributes.items():
        number = _number(3, value) if isinstance(value, int) else b"".join(_number(8, entry) for entry in value)
        node += _bytes(5, _bytes(1, name) + number + _number(20, 2 if isinstance(value, int) else 7))
    return node


KINDS = {"float32": _FLOAT, "uint8": 2, "int32": 6, "int64": _INT64, "bool": 9, "float16": 10}
"""ONNX's numbers of the types of tensors."""


def _any_tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(_number(1, d) for d in array.shape)
    return dims + _number(2, KINDS[str(array.dtype)]) + _bytes(8, name) + _bytes(9, array.tobytes())


def named(
    answers: Mapping[str, np.ndarray],
    image: Sequence[int | str],
    *,
    kind: str = "float32",
    others: Mapping[str, tuple[str, Sequence[int | str]]] | None = None,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
) -> bytes:
    """A model that answers the same to any picture, in outputs of these names and types.

    image: the shape of its input. kind: of its numbers. others: kind and shape of further inputs, which it does not
    use. shapes: those that the file states, where they are others than those of the answers.
    """
    graph = b"".join(_bytes(1, _node("Identity", [f"kept {name}"], name)) for name in answers) + _bytes(2, "toy")
    graph += b"".join(_bytes(5, _any_tensor(f"kept {name}", answer)) for name, answer in answers.items())
    graph += _bytes(11, _value("pixels", KINDS[kind], image))
    for name, (other_kind, shape) in (others or {}).items():
        graph += _bytes(11, _value(name, KINDS[other_kind], shape))
    for name, answer in answers.items():
        graph += _bytes(12, _value(name, KINDS[str(answer.dtype)], (shapes or {}).get(name, answer.shape)))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def constant(
    answers: Sequence[np.ndarray], height: int | str, width: int | str, *, channels: int = 3, stated: bool = True
) -> bytes:
    """A model that answers the same to any picture. stated: whether the file states the shapes of its outputs."""
    graph = b""
    for number in range(len(answers)):
        graph += _bytes(1, _node("Identity", [f"kept{number}"], f"output{number}"))
    graph += _bytes(2, "toy")
    for number, answer in enumerate(answers):
        graph += _bytes(5, _tensor(f"kept{number}", answer))
    graph += _bytes(11, _value("pixels", _FLOAT, (1, channels, height, width)))
    for number, answer in enumerate(answers):
        name = f"output{number}"
        graph += _bytes(12, _value(name, _FLOAT, answer.shape) if stated else _bytes(1, name))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def segmenter(
    weights: np.ndarray, height: int | str, width: int | str, *, classes: bool = False, batch: int = 1, beside: str = ""
) -> bytes:
    """A model whose logits are ``weights`` (classes, 3) times each pixel, or with ``classes`` the number of the
    largest.

    beside: the file that holds the weights, little-endian float32; empty where they are in the model.
    """
    graph = _bytes(1, _node("Conv", ["pixels", "weights"], "logits"))
    if classes:
        graph += _bytes(1, _node("ArgMax", ["logits"], "labels", axis=1, keepdims=0))
    inside = _tensor("weights", weights[:, :, None, None])
    graph += _bytes(2, "toy") + _bytes(
        5, tensor_beside("weights", (*weights.shape, 1, 1), beside) if beside else inside
    )
    graph += _bytes(11, _value("pixels", _FLOAT, (batch, 3, height, width)))
    answer = (
        _value("labels", _INT64, (batch, height, width))
        if classes
        else _value("logits", _FLOAT, (batch, len(weights), height, width))
    )
    graph += _bytes(12, answer)
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def classifier(weights: np.ndarray, side: int | str, batch: int | str = 1) -> bytes:
    """A model whose logits (batch, classes, 1, 1) are ``weights`` (classes, 3) times the mean colour."""
    graph = _bytes(1, _node("Conv", ["pixels", "weights"], "maps"))
    graph += _bytes(1, _node("GlobalAveragePool", ["maps"], "logits")) + _bytes(2, "toy")
    graph += _bytes(5, _tensor("weights", weights[:, :, None, None]))
    graph += _bytes(11, _value("pixels", _FLOAT, (batch, 3, side, side)))
    graph += _bytes(12, _value("logits", _FLOAT, (batch, len(weights), 1, 1)))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def cell_detector(weights: np.ndarray, bias: np.ndarray, image_hw: tuple[int, int], cell: int) -> bytes:
    """A detector in the layout of YOLOv8, (1, 4 + classes, cells): a box for each cell of the image.

    Its scores are the sigmoid of ``weights`` (classes, 3) times the mean colour of the cell, 0 to 1, plus ``bias``
    (classes,). cell: a side in pixels, by which image_hw can be divided.
    """
    height, width = image_hw
    rows, columns, classes = height // cell, width // cell, len(weights)
    y, x = np.mgrid[:rows, :columns] * cell + cell / 2
    boxes = np.stack([x.ravel(), y.ravel(), *np.full((2, rows * columns), float(cell))])
    means = np.broadcast_to(weights[:, :, None, None] / cell**2, (classes, 3, cell, cell))
    nodes = (
        _node("Conv", ["pixels", "weights", "bias"], "logits", strides=(cell, cell)),
        _node("Sigmoid", ["logits"], "probabilities"),
        _node("Reshape", ["probabilities", "flat"], "scores"),
        _node("Concat", ["boxes", "scores"], "candidates", axis=1),
    )
    kept = {"weights": means.astype("f4"), "bias": bias.astype("f4"), "boxes": boxes[None].astype("f4")}
    kept["flat"] = np.array([1, classes, rows * columns])
    graph = b"".join(_bytes(1, node) for node in nodes) + _bytes(2, "toy")
    graph += b"".join(_bytes(5, _any_tensor(name, values)) for name, values in kept.items())
    graph += _bytes(11, _value("pixels", _FLOAT, (1, 3, height, width)))
    graph += _bytes(12, _value("candidates", _FLOAT, (1, 4 + classes, rows * columns)))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))
