"""The teacher: a small network for label maps, and where shards have classes of boxes for objects, whose view of an
image a made image has to share.

    x (B, 3, h, w) ──> stride 2 ──> 4 ──> 8 ──> 16 ...    units of two 3x3 convolutions
                          │        │     │     │ up
                          │        │     + <───┘
                          │        + <───┘ ──> features ──> objects (B, classes + 4, h/4, w/4)
                          + <──────┘ ──> features ──> class maps (B, classes, h/2, w/2)

It is trained on clean images, frozen, and used in codec training alone. It scores nothing: heads that do are other
architectures, trained on other images for other tasks. Source of the shape: Ronneberger et al. 2015, "U-Net".
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.devices import usable
from hsc.errors import DataError, HscError, UsageError
from hsc.files.atomic_files import replacing
from hsc.files.tensor_files import outline, read_tensors, require_room
from hsc.training.checkpoint_file import keep, resume
from hsc.training.object_maps import SIDES, object_loss
from hsc.training.shards import VOID, Batch, Crops, read_frames

_EXAMPLES = """examples:
  python -m benchmarks.export "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --out shards/codec
  python -m hsc.training.teacher --data shards/codec --out runs/teacher.safetensors --steps 1500

A run that was stopped goes on where its last checkpoint stands when the same command is given again."""

_WIDTHS = (24, 40, 64, 96)
_WIDE = (32, 56, 96, 128, 160)


class Seen(NamedTuple):
    """What the teacher makes of images: logits (B, classes, h/2, w/2), features of two scales, and objects, see
    ``hsc.training.object_maps``.
    """

    logits: Tensor
    features: tuple[Tensor, ...]
    objects: Tensor | None = None


class Teacher(nn.Module):
    """The network, randomly initialised. Sides of images are multiples of 2 to the number of widths.

    classes: of label maps. kinds: of objects, 0 for none.
    """

    def __init__(self, classes: int, kinds: int = 0, widths: tuple[int, ...] = _WIDTHS) -> None:
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
                last.bias[:kinds] = -4.6  # objects are rare: a chance of .01 at first

    def forward(self, images: Tensor) -> Seen:
        """images: (B, 3, h, w), -1 to 1."""
        x, levels = images, []
        for unit in self.down:
            x = unit(x)
            levels.append(x)
        features = []
        for level in reversed(range(len(self.up))):
            x = functional.interpolate(self.up[level](x), scale_factor=2.0, mode="nearest") + levels[level]
            features.append(x)
        objects = None if self.locate is None else self.locate(features[-2])
        return Seen(self.classify(x), tuple(features[-2:]), objects)


def _unit(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def load_teacher(path: Path) -> Teacher:
    """A frozen teacher in evaluation mode.

    Raises:
        DataError: the file is missing, damaged or not a teacher.
    """
    try:
        tensors = read_tensors(path, single=True)
        levels = sum(name.startswith("down.") and name.endswith(".0.weight") for name in tensors)
        widths = tuple(len(tensors[f"down.{level}.0.weight"]) for level in range(levels))
        kinds = len(tensors["locate.2.bias"]) - SIDES if "locate.2.bias" in tensors else 0
        asked = outline(lambda: Teacher(len(tensors["classify.bias"]), kinds, widths), path)
        require_room(asked, {name: tuple(t.shape) for name, t in tensors.items()}, path)
        teacher = Teacher(len(tensors["classify.bias"]), kinds, widths)
        teacher.load_state_dict(tensors)
    except (DataError, KeyError, RuntimeError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is not a teacher's weights file: {error}; train one with python -m hsc.training.teacher"
        ) from error
    return teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def teacher_step(teacher: Teacher, batch: Batch, class_weight: Tensor) -> Tensor:
    """Cross-entropy of the class maps, void left out, and what is missed of objects."""
    seen = teacher(batch.images)
    logits = functional.interpolate(seen.logits, scale_factor=2.0, mode="bilinear", align_corners=False)
    loss = functional.cross_entropy(logits, batch.semantic, weight=class_weight, ignore_index=VOID)
    return loss if seen.objects is None else loss + object_loss(seen.objects, batch.objects)


def train_teacher(
    data: Path,
    out: Path,
    *,
    steps: int,
    seed: int = 0,
    batch: int = 8,
    crop: tuple[int, int] = (160, 192),
    rate: float = 3e-3,
    checkpoint_s: float = 60,
    initial: Path | None = None,
    objects: bool = False,
    device: str = "cpu",
    workers: int = 0,
) -> None:
    """Train one, from random weights or from those of another, and write it as float16 safetensors. objects: also to
    find objects, and wider.

    workers: processes that make crops ahead of time.

    Raises:
        DataError: as ``read_frames`` and ``load_teacher`` say, or the other knows other classes.
        UsageError: steps or batch below 1, or there is no such device here.
    """
    usable(device)
    if steps < 1 or batch < 1:
        raise UsageError(f"steps and batch came as {steps} and {batch}, expected at least 1")
    frames = read_frames(data)
    counts = sum(
        (torch.bincount(torch.from_numpy(m).flatten().long(), minlength=256) for m in frames.semantic[:256]),
        torch.zeros(256),
    )[:VOID]
    classes = int(counts.nonzero().max()) + 1
    share = counts[:classes] / counts[:classes].sum()
    class_weight = 1 / torch.log(1.1 + share)  # Paszke et al. 2016, "ENet", section 5
    torch.manual_seed(seed)
    kinds = frames.classes if objects else 0
    if objects and not kinds:
        raise DataError(f"the shards in {data} have no boxes with classes; leave out --objects")
    teacher = (
        Teacher(classes, kinds, _WIDE if objects else _WIDTHS)
        if initial is None
        else load_teacher(initial).train().requires_grad_(True)
    )
    if teacher.classes != classes:
        raise DataError(
            f"{initial} knows {teacher.classes} classes, the shards in {data} have {classes}; give another --initial "
            f"or none"
        )
    if teacher.kinds != frames.classes and (objects or teacher.kinds):
        raise DataError(
            f"{initial} finds {teacher.kinds} kinds of objects, the shards have {frames.classes}; give another "
            f"--initial or none"
        )
    teacher = teacher.to(device).to(memory_format=torch.channels_last)
    class_weight = class_weight.to(device)
    optimizer = torch.optim.AdamW(teacher.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    kept = out.with_suffix(".checkpoint")
    parts = {"teacher": teacher, "optimizer": optimizer, "schedule": schedule}
    first = resume(kept, parts)
    saved = began = time.monotonic()
    batches = Crops(frames, seed, batch, crop, objects=1.0).of(range(first, steps), workers)
    for step, crops in enumerate(batches, start=first):
        loss = teacher_step(teacher, Batch(*(tensor.to(device) for tensor in crops)), class_weight)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if (step + 1) % 50 == 0 or step + 1 == steps:
            each = (time.monotonic() - began) / (step + 1 - first)
            sys.stderr.write(
                f"teacher {step + 1}/{steps} loss {float(loss.detach()):.3f} {each * (steps - step - 1):.0f} s left\n"
            )
        if time.monotonic() - saved > checkpoint_s and step + 1 < steps:
            keep(kept, step + 1, parts)
            saved = time.monotonic()
    recipe = {
        "steps": steps,
        "seed": seed,
        "batch": batch,
        "crop": crop,
        "rate": rate,
        "objects": objects,
        "initial": "" if initial is None else initial.name,
    }
    save_teacher(teacher, out, {**recipe, "source": frames.source})
    kept.unlink(missing_ok=True)


def save_teacher(teacher: Teacher, out: Path, about: dict[str, object]) -> None:
    """Write whole or not at all."""
    from safetensors.torch import save_file

    tensors = {}
    for name, tensor in teacher.state_dict().items():
        half = tensor.is_floating_point() and not name.endswith(("running_mean", "running_var"))
        tensors[name] = (tensor.half() if half else tensor).cpu().contiguous()
    with replacing(out) as part:
        save_file(tensors, part, {"about": json.dumps(about)})


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m hsc.training.teacher",
        description="Train the segmentation network that codec training asks what it still sees.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, type=Path, help="folder of .npz shards")
    parser.add_argument("--out", required=True, type=Path, help="the weights file to write, .safetensors")
    parser.add_argument("--steps", type=int, default=1500, help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="crops a step (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--initial", type=Path, help="start from these weights, of the same classes, instead of random ones"
    )
    parser.add_argument("--objects", action="store_true", help="also find objects: shards have boxes with classes")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes that make crops ahead of time, beside the one that trains (%(default)s)",
    )
    given = parser.parse_args(argv)
    try:
        train_teacher(
            given.data,
            given.out,
            steps=given.steps,
            seed=given.seed,
            batch=given.batch,
            initial=given.initial,
            objects=given.objects,
            device=given.device,
            workers=given.workers,
        )
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
