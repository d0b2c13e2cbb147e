"""Trains the teacher that codec training uses: ``python -m hsc.training.teacher --help``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hsc.devices import usable
from hsc.errors import DataError, HscError, UsageError
from hsc.training.checkpoint_file import keep, resume
from hsc.training.object_maps import object_loss
from hsc.training.shards import VOID, Batch, Crops, Frames, read_frames
from hsc.training.teachers.unet import OBJECT_WIDTHS, WIDTHS, UNet, load_teacher, save_teacher

_EXAMPLES = """examples:
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --out shards/codec
  python -m hsc.training.teacher --data shards/codec --out runs/teacher.safetensors --steps 1500

An interrupted run continues from its last checkpoint when the same command is given again."""


def teacher_step(teacher: UNet, batch: Batch, class_weight: Tensor, *, bf16: bool = False) -> Tensor:
    """The loss of a batch: cross-entropy of the class maps without void pixels, plus the loss of object maps.

    bf16: convolutions in bfloat16.
    """
    with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=bf16):
        seen = teacher(batch.images)
    logits = functional.interpolate(seen.logits.float(), scale_factor=2.0, mode="bilinear", align_corners=False)
    loss = functional.cross_entropy(logits, batch.semantic, weight=class_weight, ignore_index=VOID)
    return loss if seen.objects is None else loss + object_loss(seen.objects.float(), batch.objects)


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
    bf16: bool = False,
    workers: int = 0,
) -> None:
    """Train a teacher and write it as float16 safetensors.

    initial: weights of another teacher to start from, None for random ones. objects: also find objects, with a wider
    network. bf16: convolutions in bfloat16. workers: processes that prepare crops in advance.

    Raises:
        DataError: as for ``read_frames`` and ``load_teacher``; or the initial teacher has other classes.
        UsageError: steps or batch are below 1, or the machine does not have the device.
    """
    usable(device)
    if steps < 1 or batch < 1:
        raise UsageError(f"steps and batch came as {steps} and {batch}, expected at least 1")
    frames = read_frames(data)
    class_weight = _class_weight(frames).to(device)
    torch.manual_seed(seed)
    teacher = _initial_teacher(frames, len(class_weight), data, initial, objects)
    teacher = teacher.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(teacher.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    checkpoint = out.with_suffix(".checkpoint")
    parts = {"teacher": teacher, "optimizer": optimizer, "schedule": schedule}
    first = resume(checkpoint, parts)
    saved = began = time.monotonic()
    batches = Crops(frames, seed, batch, crop, objects=1.0).of(range(first, steps), workers)
    for step, crops in enumerate(batches, start=first):
        loss = teacher_step(teacher, Batch(*(tensor.to(device) for tensor in crops)), class_weight, bf16=bf16)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if (step + 1) % 50 == 0 or step + 1 == steps:
            step_s = (time.monotonic() - began) / (step + 1 - first)
            left_s = step_s * (steps - step - 1)
            sys.stderr.write(f"teacher {step + 1}/{steps} loss {float(loss.detach()):.3f} {left_s:.0f} s left\n")
        if time.monotonic() - saved > checkpoint_s and step + 1 < steps:
            keep(checkpoint, step + 1, parts)
            saved = time.monotonic()
    about: dict[str, object] = {"steps": steps, "seed": seed, "batch": batch, "crop": crop, "rate": rate}
    about |= {"objects": objects, "initial": "" if initial is None else initial.name, "source": frames.source}
    save_teacher(teacher, out, about)
    checkpoint.unlink(missing_ok=True)


def _class_weight(frames: Frames) -> Tensor:
    """Weights of the classes in the loss, (classes,), from their shares of the first 256 images.

    Raises:
        DataError: they have no label maps.

    Source: Paszke et al. 2016, "ENet", section 5.
    """
    counts = torch.zeros(VOID)
    for labels in frames.semantic[:256]:
        counts += torch.from_numpy(np.bincount(labels.ravel(), minlength=256)[:VOID])
    if not bool(counts.any()):
        raise DataError(f"the shards of {frames.source} have no label maps, which a teacher learns; export others")
    classes = int(counts.nonzero().max()) + 1
    return 1 / torch.log(1.1 + counts[:classes] / counts[:classes].sum())


def _initial_teacher(frames: Frames, classes: int, data: Path, initial: Path | None, objects: bool) -> UNet:
    """A random teacher, or the one of ``initial``, that fits the shards in ``data``.

    Raises:
        DataError: the shards have no boxes with classes, or the initial teacher has other classes.
    """
    kinds = frames.classes if objects else 0
    if objects and not kinds:
        raise DataError(f"the shards in {data} have no boxes with classes; leave out --objects")
    if initial is None:
        return UNet(classes, kinds, OBJECT_WIDTHS if objects else WIDTHS)
    teacher = load_teacher(initial).train().requires_grad_(True)
    if teacher.classes != classes:
        raise DataError(
            f"{initial} has {teacher.classes} classes, the shards in {data} have {classes}; give another --initial or "
            f"none"
        )
    if teacher.kinds != frames.classes and (objects or teacher.kinds):
        raise DataError(
            f"{initial} finds {teacher.kinds} kinds of objects, the shards have {frames.classes}; give another "
            f"--initial or none"
        )
    return teacher


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m hsc.training.teacher",
        description="Train the teacher: the network whose outputs decoded images should preserve in codec training.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--data", required=True, type=Path, help="folder of .npz shards")
    command.add_argument("--out", required=True, type=Path, help="the weights file to write, .safetensors")
    command.add_argument("--steps", type=int, default=1500, help="(%(default)s)")
    command.add_argument("--batch", type=int, default=8, help="crops a step (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--initial", type=Path, help="start from these weights, of the same classes, instead of random ones"
    )
    command.add_argument("--objects", action="store_true", help="also find objects; the shards need boxes with classes")
    command.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (%(default)s)")
    command.add_argument(
        "--bf16", action="store_true", help="compute convolutions in bfloat16: faster where the processor supports it"
    )
    command.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes that prepare crops in advance, beside the one that trains (%(default)s)",
    )
    return command


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit code: 0, or 2 after one sentence on stderr."""
    given = parser().parse_args(argv)
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
            bf16=given.bf16,
            workers=given.workers,
        )
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
