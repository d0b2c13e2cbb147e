"""What a file of weights says of its network, so that it is built without a config file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from downstream.weights.weights_file import MAX_CLASSES
from hsc.errors import DataError

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Blocks in the four stages of the trunks that are built, by the number of their layers."""
TRUNKS = ((1, 64), (32, 8))
"""Groups and width of ResNet and of ResNeXt."""
_CURE = "convert Detectron2's file with python -m downstream.networks.rcnn"


@dataclass(frozen=True)
class Layout:
    """The facts of a network.

    depth: of the trunk, 50 or 101. groups, width: of its 3x3 convolutions, 1 and 64 for ResNet, 32 and 8 for ResNeXt.
    stride_in_1x1: whether a stage halves its input in the first convolution of a block, as in the first ResNet, and not
    in the second. mean, std: of the input's R, G and B, 0 to 255. classes: without the background. masks: whether it
    gives masks.
    """

    depth: int
    groups: int
    width: int
    stride_in_1x1: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: int
    masks: bool

    def plain(self) -> dict[str, Any]:
        """The facts as JSON-ready values."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}


def layout_of(about: Mapping[str, Any], path: str) -> Layout:
    """The layout that a file's description states. path: of the file, for messages.

    Raises:
        DataError: it states none, or one that is not built.
    """
    try:
        stated = about["rcnn"]
        numbers = {name: int(stated[name]) for name in ("depth", "groups", "width", "classes")}
        switches = {name: bool(stated[name]) for name in ("stride_in_1x1", "masks")}
        mean, std = (tuple(float(value) for value in stated[name]) for name in ("mean", "std"))
        layout = Layout(**numbers, **switches, mean=mean, std=std)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} does not describe its network; {_CURE}") from error
    is_trunk = layout.depth in BLOCKS and (layout.groups, layout.width) in TRUNKS
    is_input = len(mean) == len(std) == 3 and all(value > 0 for value in std)
    if not (is_trunk and is_input and 1 <= layout.classes <= MAX_CLASSES):
        raise DataError(f"{path} describes a network that is not built here, {layout}; {_CURE}")
    return layout
