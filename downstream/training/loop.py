"""The training loop: AdamW, warm-up and cosine, a moving average of the weights, checkpoints that resume exactly.

Every random choice is drawn from (seed, epoch) or (seed, step), so a checkpoint needs no generator state and a run that was
cut and resumed gives the weights of one that was not.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from downstream.detectors import build
from downstream.detectors.layers import Detector
from downstream.training.augmentation import augmented
from downstream.training.hourglass_loss import hourglass_loss
from downstream.training.pyramid_loss import pyramid_loss
from downstream.training.shards import Boxes, Frames
from hsc.errors import DataError, UsageError

_LOSSES = {"pyramid": pyramid_loss, "hourglass": hourglass_loss}
_COLUMNS = ("step", "loss", "score", "box", "learning_rate", "seconds")


@dataclass(frozen=True)
class Recipe:
    """How one network is trained. height, width: size of the training views in pixels, multiples of 32."""

    arch: str
    steps: int
    seed: int = 0
    batch: int = 8
    height: int = 256
    width: int = 384
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup: int = 150
    average: float = 0.998

    def __post_init__(self) -> None:
        if self.arch not in _LOSSES:
            raise UsageError(f"no small detector is named {self.arch!r}; there are {', '.join(_LOSSES)}")
        if self.steps < 1 or self.batch < 1 or self.height % 32 or self.width % 32:
            raise UsageError(
                f"{self.steps} steps of {self.batch} views of {self.height}x{self.width}: steps and batch start at 1, sides are multiples of 32"
            )

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: a linear rise, then half a cosine down to a hundredth."""
        rise = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))


@dataclass
class State:
    """Everything that changes while training. averaged: the moving average of the network, which is what is kept."""

    network: Detector
    averaged: Detector
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0


def start(recipe: Recipe, frames: Frames, initial: Path | None = None) -> State:
    """A fresh state: random weights from the recipe's seed, or those of a finished run.

    Raises:
        DataError: the initial weights are of another architecture.
    """
    torch.manual_seed(recipe.seed)
    network = build(recipe.arch, len(frames.classes))
    if initial is not None:
        from safetensors.torch import load_file

        try:
            network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(initial).items()})
        except (RuntimeError, OSError) as error:
            raise DataError(f"{initial} does not fit a {recipe.arch} of {len(frames.classes)} classes: {error}") from error
    network = network.to(memory_format=network.memory_format)
    averaged = build(recipe.arch, len(frames.classes)).to(memory_format=network.memory_format)
    averaged.load_state_dict(network.state_dict())
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return State(network, averaged, torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.99)))


def batch_of(recipe: Recipe, frames: Frames, step: int) -> tuple[Tensor, list[Boxes]]:
    """Views of one step: pixels (batch, 3, height, width) and their boxes. Every image once an epoch, in a new order."""
    random = np.random.default_rng([recipe.seed, 1, step])
    count = len(frames.images)
    views = []
    for position in range(step * recipe.batch, (step + 1) * recipe.batch):
        order = np.random.default_rng([recipe.seed, 2, position // count]).permutation(count)
        index = int(order[position % count])
        views.append(augmented(frames.images[index], frames.boxes[index], random, height=recipe.height, width=recipe.width))
    return torch.stack([pixels for pixels, _ in views]), [boxes for _, boxes in views]


def advance(recipe: Recipe, frames: Frames, state: State) -> dict[str, float]:
    """One step; the loss and its parts."""
    began = time.monotonic()
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.rate_at(state.step)
    pixels, truth = batch_of(recipe, frames, state.step)
    state.network.train()
    parts = _LOSSES[recipe.arch](state.network(pixels.contiguous(memory_format=state.network.memory_format)), truth)
    loss = sum(parts.values(), torch.zeros(()))
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 10.0)
    state.optimizer.step()
    state.step += 1
    _follow(state.averaged, state.network, min(recipe.average, state.step / (10 + state.step)))
    state.seconds += time.monotonic() - began
    return {"loss": float(loss.detach()), **{name: float(part.detach()) for name, part in parts.items()}}


@torch.no_grad()
def _follow(averaged: Detector, network: Detector, keep: float) -> None:
    for slow, fast in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - keep)
        else:
            slow.copy_(fast)


def train(
    recipe: Recipe,
    frames: Frames,
    out: Path,
    *,
    initial: Path | None = None,
    checkpoint_s: float = 120.0,
    stop_at: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> State:
    """Train from where ``out`` stands to the recipe's last step, or to ``stop_at``; a finished run leaves the weights file.

    out: folder for checkpoint.pt, log.csv and small_<arch>.safetensors. report: called with one line of progress at a time.

    Raises:
        DataError: the checkpoint in ``out`` is of another recipe or is damaged.
    """
    out.mkdir(parents=True, exist_ok=True)
    state = start(recipe, frames, initial)
    _resume(recipe, state, out / "checkpoint.pt")
    last = min(recipe.steps, stop_at or recipe.steps)
    saved = time.monotonic()
    sums: dict[str, float] = {}
    while state.step < last:
        for name, value in advance(recipe, frames, state).items():
            sums[name] = sums.get(name, 0.0) + value
        if state.step % 50 == 0 or state.step == last:
            count = (state.step - 1) % 50 + 1
            report(_log(recipe, state, {name: total / count for name, total in sums.items()}, out / "log.csv"))
            sums = {}
        if state.step == last or time.monotonic() - saved > checkpoint_s:
            save_checkpoint(recipe, state, out / "checkpoint.pt")
            saved = time.monotonic()
    if state.step >= recipe.steps:
        save_weights(recipe, state, frames, out / f"small_{recipe.arch}.safetensors")
    return state


def _log(recipe: Recipe, state: State, means: dict[str, float], path: Path) -> str:
    row = {"step": state.step, **means, "learning_rate": recipe.rate_at(state.step - 1), "seconds": state.seconds}
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        if fresh:
            writer.writeheader()
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    left_s = state.seconds / state.step * (recipe.steps - state.step)
    return f"{recipe.arch} {state.step}/{recipe.steps} loss {means.get('loss', math.nan):.3f} {state.seconds:.0f} s, {left_s:.0f} s left"


def save_checkpoint(recipe: Recipe, state: State, path: Path) -> None:
    """Write the whole state beside ``path`` and rename it into place, so that a cut leaves the one before."""
    content = {
        "recipe": json.dumps(dataclasses.asdict(recipe)),
        "network": state.network.state_dict(),
        "averaged": state.averaged.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "seconds": state.seconds,
    }
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    os.replace(partial, path)


def _resume(recipe: Recipe, state: State, path: Path) -> None:
    if not path.exists():
        return
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True)
        before = Recipe(**json.loads(content["recipe"]))
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise DataError(f"{path} is not a readable checkpoint: {error}; remove it to start anew") from error
    if before != recipe:
        raise DataError(f"{path} is of the recipe {before}, asked for was {recipe}; give another --out or remove it")
    state.network.load_state_dict(content["network"])
    state.averaged.load_state_dict(content["averaged"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.step, state.seconds = content["step"], content["seconds"]


def save_weights(recipe: Recipe, state: State, frames: Frames, path: Path) -> None:
    """Write the averaged network as float16 safetensors (running statistics as float32), with where it comes from."""
    from safetensors.torch import save_file

    tensors = {}
    for name, tensor in state.averaged.state_dict().items():
        half = tensor.is_floating_point() and not name.endswith(("running_mean", "running_var"))
        tensors[name] = (tensor.half() if half else tensor).contiguous()
    about = {"arch": recipe.arch, "classes": frames.classes, "recipe": dataclasses.asdict(recipe), "source": frames.source}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, {"about": json.dumps(about)})  # one entry: safetensors writes several in any order
    os.replace(partial, path)
