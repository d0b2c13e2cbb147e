"""The teacher network: label maps of an image, and where shards have boxes with classes, also objects.

    x (B, 3, h, w) ──> stride 2 ──> 4 ──> 8 ──> 16 ...    units of two 3x3 convolutions
                          │        │     │     │ up
                          │        │     + <───┘
                          │        + <───┘ ──> features ──> objects (B, classes + 4, h/4, w/4)
                          + <──────┘ ──> features ──> class maps (B, classes, h/2, w/2)

It is trained on clean images (``hsc.training.teacher``), frozen, and used in codec training alone: its outputs for a
decoded image should be those for the original. It scores nothing: the heads that do are other architectures, trained on
other images for other tasks. Source of the architecture: Ronneberger et al. 2015, "U-Net".
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.errors import DataError
from hsc.files.atomic_files import replacing
from hsc.files.tensor_files import outline, read_tensors, require_room
from hsc.training.object_maps import SIDES
from hsc.training.teachers.seen import Seen

WIDTHS = (24, 40, 64, 96)
OBJECT_WIDTHS = (32, 56, 96, 128, 160)


class UNet(nn.Module):
    """The teacher network, randomly initialised. Sides of images are multiples of 2 to the power of the widths' number.

    classes: of label maps. kinds: classes of objects, 0 for none.
    """

    def __init__(self, classes: int, kinds: int = 0, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.classes, self.kinds = classes, kinds
        self.down = nn.ModuleList(_unit(a, b, 2) for a, b in zip((3, *widths[:-1]), widths, strict=True))
        self.up = nn.ModuleList(_unit(a, b, 1) for a, b in zip(widths[1:], widths[:-1], strict=True))
        self.classify = nn.Conv2d(widths[0], classes, 1)
        self.locate: nn.Sequential | None = None
        if kinds:
            self.locate = nn.Sequential(
                nn.Conv2d(widths[1], 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, kinds + SIDES, 1)
            )
            last = self.locate[-1]
            assert isinstance(last, nn.Conv2d)
            assert last.bias is not None
            with torch.no_grad():
                last.bias[:kinds] = -4.6  # objects are rare: a probability of .01 at first

    @property
    def multiple(self) -> int:
        """What the sides of images are multiples of."""
        return int(2 ** len(self.down))

    def forward(self, images: Tensor) -> Seen:
        """Features at a quarter and half of the sides of images, (B, 3, h, w), -1 to 1, and class maps at half."""
        x, levels = images, []
        for unit in self.down:
            x = unit(x)
            levels.append(x)
        features = []
        for level in reversed(range(len(self.up))):
            x = functional.interpolate(self.up[level](x), scale_factor=2.0, mode="nearest") + levels[level]
            features.append(x)
        objects = None if self.locate is None else self.locate(features[-2])
        return Seen(tuple(features[-2:]), self.classify(x), objects)


def _unit(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def load_teacher(path: Path) -> UNet:
    """Load a frozen teacher in evaluation mode.

    Raises:
        DataError: the file is missing, damaged or not a teacher.
    """
    try:
        tensors = read_tensors(path, single=True)
        levels = sum(name.startswith("down.") and name.endswith(".0.weight") for name in tensors)
        widths = tuple(len(tensors[f"down.{level}.0.weight"]) for level in range(levels))
        kinds = len(tensors["locate.2.bias"]) - SIDES if "locate.2.bias" in tensors else 0
        network = outline(lambda: UNet(len(tensors["classify.bias"]), kinds, widths), path)
        require_room(network, {name: tuple(t.shape) for name, t in tensors.items()}, path)
        teacher = UNet(len(tensors["classify.bias"]), kinds, widths)
        teacher.load_state_dict(tensors)
    except (DataError, KeyError, RuntimeError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is not a teacher's weights file: {error}; train one with python -m hsc.training.teacher"
        ) from error
    return teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def save_teacher(teacher: UNet, out: Path, about: dict[str, object]) -> None:
    """Write a teacher as float16 safetensors, whole or not at all. about: plain values for people."""
    from safetensors.torch import save_file

    tensors = {}
    for name, tensor in teacher.state_dict().items():
        half = tensor.is_floating_point() and not name.endswith(("running_mean", "running_var"))
        tensors[name] = (tensor.half() if half else tensor).cpu().contiguous()
    with replacing(out) as part:
        save_file(tensors, part, {"about": json.dumps(about)})
