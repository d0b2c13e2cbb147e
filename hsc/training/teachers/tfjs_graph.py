"""TensorFlow.js graph models as differentiable torch modules: networks of convolutions, read from .json and .bin.

    model.json: nodes, by name        ──TfjsGraph──> a module: images -> the outputs of chosen nodes
    *.bin: constants, one after another

Only the operations of ``_OPERATIONS`` are there, which are those of convolutional detectors; another one is refused.
Nothing of the files is run. Maps are (B, C, h, w) here and (B, h, w, C) there. Images may have any sides that the
network's strides divide: bilinear resizing, whose size is fixed there, doubles the sides here.

Source of the format: TensorFlow.js, "converter", and the definitions of TensorFlow's operations.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.errors import DataError

_MAX_BYTES = 1 << 28
_TYPES = {"float32": "<f4", "int32": "<i4", "float16": "<f2", "uint8": "u1", "uint16": "<u2", "bool": "?"}
_INPUT = "Placeholder"

Node = Mapping[str, Any]


class TfjsGraph(nn.Module):
    """The part of a graph that leads to some of its nodes. Raises DataError where the files are damaged.

    path: the .json, beside its .bin. outputs: names of nodes.
    """

    def __init__(self, path: Path, outputs: Sequence[str]) -> None:
        super().__init__()
        try:
            content = json.loads(path.read_text("utf-8"))
            nodes = {node["name"]: node for node in content["modelTopology"]["node"]}
            constants = _constants(path.parent, content["weightsManifest"])
            self.order = [nodes[name] for name in _order(nodes, outputs)]
            self.slots: dict[str, str] = {}
            for node in self.order:
                if node["op"] == "Const":
                    self.slots[node["name"]] = f"constant_{len(self.slots)}"
                    self.register_buffer(self.slots[node["name"]], torch.from_numpy(constants[node["name"]]))
                elif node["op"] != _INPUT and node["op"] not in _OPERATIONS:
                    raise DataError(f"{path} has the operation {node['op']!r}, expected {', '.join(_OPERATIONS)}")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path} is no TensorFlow.js graph model that can be read ({error}); get it again"
            ) from error
        self.outputs = tuple(outputs)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The chosen nodes' outputs for images (B, 3, h, w), in the values that the graph expects."""
        values: dict[str, Tensor] = {}
        for node in self.order:
            if node["op"] == _INPUT:
                values[node["name"]] = images
            elif node["op"] == "Const":
                values[node["name"]] = self.get_buffer(self.slots[node["name"]])
            else:
                inputs = [values[_plain(name)] for name in node["input"]]
                values[node["name"]] = _OPERATIONS[node["op"]](node, inputs)
        return tuple(values[name] for name in self.outputs)


def _plain(name: str) -> str:
    """The name of the node of an input, without its port."""
    return name.removeprefix("^").split(":")[0]


def _order(nodes: Mapping[str, Node], outputs: Sequence[str]) -> list[str]:
    """The names of all nodes that lead to the outputs, each after its inputs."""
    order: dict[str, None] = {}
    ahead = list(reversed(outputs))
    while ahead:
        missing = [_plain(name) for name in nodes[ahead[-1]].get("input", ()) if _plain(name) not in order]
        if missing:
            if len(ahead) > len(nodes):
                raise ValueError("its nodes lead to themselves")
            ahead.append(missing[0])
        else:
            order[ahead.pop()] = None
    return list(order)


def _constants(folder: Path, manifest: Sequence[Mapping[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    """The constants by name, as float32 where they are floating numbers."""
    constants = {}
    for group in manifest:
        files = [folder / Path(name).name for name in group["paths"]]
        if sum(file.stat().st_size for file in files) > _MAX_BYTES:
            raise DataError(f"the constants of {folder} are larger than {_MAX_BYTES:,} bytes")
        content, start = b"".join(file.read_bytes() for file in files), 0
        for weight in group["weights"]:
            stored = weight.get("quantization", weight)
            count, kind = math.prod(weight["shape"]), np.dtype(_TYPES[stored["dtype"]])
            values = np.frombuffer(content, kind, count, start).reshape(weight["shape"])
            start += count * kind.itemsize
            if "scale" in stored:
                values = values * np.float32(stored["scale"]) + np.float32(stored.get("min", 0))
            floating = weight["dtype"] == "float32"
            constants[weight["name"]] = values.astype(np.float32 if floating else np.int64)
            if not np.isfinite(constants[weight["name"]]).all():
                raise DataError(f"{weight['name']!r} in {folder} holds values that are not finite; get it again")
    return constants


def _convolved(node: Node, inputs: Sequence[Tensor], *, depthwise: bool) -> Tensor:
    """A convolution, with the bias and the activation that are fused into it, if any."""
    x, weight = inputs[:2]
    stride = int(node["attr"]["strides"]["list"]["i"][1])
    same = base64.b64decode(node["attr"]["padding"]["s"]) == b"SAME"
    # height, width, inputs, outputs; of a depthwise one height, width, inputs, multiplier
    weight = weight.permute(2, 3, 0, 1).flatten(0, 1)[:, None] if depthwise else weight.permute(3, 2, 0, 1)
    fused = [base64.b64decode(name) for name in node["attr"].get("fused_ops", {}).get("list", {}).get("s", ())]
    bias = inputs[2] if b"BiasAdd" in fused else None
    if same:
        down, across = (_padding(x.shape[axis], weight.shape[axis], stride) for axis in (2, 3))
        x = functional.pad(x, (*across, *down))
    x = functional.conv2d(x, weight, bias, stride, groups=x.shape[1] if depthwise else 1)
    return functional.relu6(x) if b"Relu6" in fused else x.relu() if b"Relu" in fused else x


def _padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a row: as many as the last window needs, the odd one after."""
    missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    return missing // 2, missing - missing // 2


def _broadcast(inputs: Sequence[Tensor]) -> list[Tensor]:
    """Vectors of channels in the place of channels."""
    return [x[:, None, None] if x.dim() == 1 else x for x in inputs]


def _doubled(x: Tensor) -> Tensor:
    """Bilinear resizing to twice the sides, without half pixels: every second sample is one of x, the last repeats."""
    height, width = 2 * x.shape[2] + 1, 2 * x.shape[3] + 1
    longer = functional.pad(x, (0, 1, 0, 1), mode="replicate")
    resized = functional.interpolate(longer, (height, width), mode="bilinear", align_corners=True)
    return resized[..., :-1, :-1]


_OPERATIONS: dict[str, Callable[[Node, Sequence[Tensor]], Tensor]] = {
    "Conv2D": lambda node, inputs: _convolved(node, inputs, depthwise=False),
    "_FusedConv2D": lambda node, inputs: _convolved(node, inputs, depthwise=False),
    "DepthwiseConv2dNative": lambda node, inputs: _convolved(node, inputs, depthwise=True),
    "FusedDepthwiseConv2dNative": lambda node, inputs: _convolved(node, inputs, depthwise=True),
    "Mul": lambda node, inputs: torch.mul(*_broadcast(inputs)),
    "Add": lambda node, inputs: torch.add(*_broadcast(inputs)),
    "AddV2": lambda node, inputs: torch.add(*_broadcast(inputs)),
    "Relu": lambda node, inputs: inputs[0].relu(),
    "Relu6": lambda node, inputs: functional.relu6(inputs[0]),
    "Sigmoid": lambda node, inputs: inputs[0].sigmoid(),
    "Identity": lambda node, inputs: inputs[0],
    "Mean": lambda node, inputs: inputs[0].mean((2, 3), keepdim=True),
    "ConcatV2": lambda node, inputs: torch.cat(list(inputs[:-1]), 1),
    "ResizeBilinear": lambda node, inputs: _doubled(inputs[0]),
}
