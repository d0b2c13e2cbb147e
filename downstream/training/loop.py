"""The training loop: AdamW, warm-up and cosine, a moving average of the weights, checkpoints that resume exactly.

Every random choice depends only on (seed, epoch) or (seed, step). So a checkpoint needs no generator state, and a run
that was stopped and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from downstream.networks.detectors.layers import Network
from downstream.training.card import card
from downstream.training.recipe import Recipe
from downstream.training.training_task import TrainingTask
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import misfit
from downstream.weights.weights_file import read_weights
from hsc.devices import usable
from hsc.errors import DataError

_BEGAN = ", which began as "
"""Joins weights with the weights that they were trained from, in files that exist already."""
_LOG_EVERY = 50


@dataclass(frozen=True)
class Run:
    """Where a run computes, starts and writes.

    out: folder for checkpoint.pt, log.csv, the weights and their card. initial: weights to start from, None for random
    ones. bf16: convolutions in bfloat16.
    """

    out: Path
    initial: Path | None = None
    device: str = "cpu"
    bf16: bool = False


class Best(NamedTuple):
    """The averaged network of the step with the highest score on held-out images. step: -1 before the first score."""

    score: float = -1.0
    step: int = -1
    weights: dict[str, Tensor] | None = None


@dataclass
class State:
    """Everything that changes during training. averaged: the moving average of the network, whose weights are kept."""

    network: Network
    averaged: Network
    optimizer: torch.optim.Optimizer
    initial: str = ""
    step: int = 0
    seconds: float = 0.0
    best: Best = field(default_factory=Best)


def lineage(weights: str, before: str) -> str:
    """The name of weights with those that they were trained from, and so on back to the first.

    before: the lineage of the weights that they were trained from; empty if they started from random numbers.

    >>> lineage("lift", lineage("pixel head", ""))
    'lift, which began as pixel head'
    """
    return f"{weights}{_BEGAN}{before}" if before else weights


def start(recipe: Recipe, task: TrainingTask, run: Run) -> State:
    """A fresh state: random weights from the recipe's seed, or the weights of a finished run.

    Raises:
        UnavailableError: the initial weights are missing.
        DataError: the initial weights are of another architecture or other classes.
        UsageError: this machine does not have the device.
    """
    usable(run.device)
    torch.manual_seed(recipe.seed)
    network = task.build(recipe.arch)
    initial = ""
    if run.initial is not None:
        name = f"{run.initial.name} sha256 {sha256_of(run.initial)}"
        weights = read_weights(run.initial)
        initial = lineage(name, str(weights.about.get("initial", "")))
        try:
            network.begin(weights.tensors)
        except RuntimeError as error:
            reason = misfit(network, weights.tensors) or str(error).splitlines()[0]
            raise DataError(
                f"{run.initial} does not fit a {recipe.arch} of {len(task.classes)} classes: {reason}; start from "
                f"other weights"
            ) from error
    network = network.to(run.device).to(memory_format=network.memory_format)
    averaged = task.build(recipe.arch).to(run.device).to(memory_format=network.memory_format)
    averaged.load_state_dict(network.state_dict())
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return State(network, averaged, torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.99)), initial)


def advance(recipe: Recipe, task: TrainingTask, run: Run, state: State) -> dict[str, float]:
    """Train for one step; returns the loss and its parts by name."""
    began = time.monotonic()
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.rate_at(state.step)
    inputs, truth = task.batch_of(recipe, state.step)
    state.network.train()
    with torch.autocast(torch.device(run.device).type, torch.bfloat16, enabled=run.bf16):
        raw = state.network(*(_laid_out(maps.to(run.device), state.network.memory_format) for maps in inputs))
    parts = task.loss(recipe, tuple(maps.float() for maps in raw), truth)
    loss = torch.stack(list(parts.values())).sum()
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 10.0)
    state.optimizer.step()
    state.step += 1
    _update_average(state.averaged, state.network, min(recipe.average, state.step / (10 + state.step)))
    state.seconds += time.monotonic() - began
    return {"loss": float(loss.detach()), **{name: float(part.detach()) for name, part in parts.items()}}


def _laid_out(maps: Tensor, memory_format: torch.memory_format) -> Tensor:
    return maps.contiguous(memory_format=memory_format) if maps.ndim == 4 else maps


@torch.no_grad()
def _update_average(averaged: Network, network: Network, keep: float) -> None:
    for average, current in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if average.is_floating_point():
            average.lerp_(current, 1 - keep)
        else:
            average.copy_(current)


def train(
    recipe: Recipe,
    task: TrainingTask,
    run: Run,
    *,
    checkpoint_s: float = 120.0,
    stop_at: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> State:
    """Train from the checkpoint in ``run.out``, if there is one, to the recipe's last step or to ``stop_at``.

    A finished run writes weights and their card. The weights are those of the averaged network: of the last step, or of
    the best step if the task has held-out images. report: called with one line of progress at a time.

    Raises:
        DataError: the checkpoint in ``run.out`` is of another recipe or is damaged; the initial weights do not fit.
        UnavailableError, UsageError: as ``start`` does.
    """
    run.out.mkdir(parents=True, exist_ok=True)
    state = start(recipe, task, run)
    _resume(recipe, state, run)
    last = min(recipe.steps, stop_at or recipe.steps)
    saved = time.monotonic()
    recent: list[dict[str, float]] = []
    while state.step < last:
        recent.append(advance(recipe, task, run, state))
        score = _score(recipe, task, run, state)
        if state.step % _LOG_EVERY == 0 or state.step == last or score is not None:
            report(_log(recipe, task, state, recent, score, run.out / "log.csv"))
            recent = []
        if state.step == last or time.monotonic() - saved > checkpoint_s:
            save_checkpoint(recipe, state, run.out / "checkpoint.pt")
            saved = time.monotonic()
    if state.step >= recipe.steps:
        save_weights(recipe, task, run, state)
    return state


def _score(recipe: Recipe, task: TrainingTask, run: Run, state: State) -> float | None:
    """Score the averaged network every ``score_every`` steps and at the last, and keep it if it is the best so far."""
    if state.step % recipe.score_every and state.step != recipe.steps:
        return None
    score = task.score(state.averaged, run.device)
    if score is not None and score > state.best.score:
        weights = {name: tensor.detach().cpu().clone() for name, tensor in state.averaged.state_dict().items()}
        state.best = Best(score, state.step, weights)
    return score


def _log(
    recipe: Recipe, task: TrainingTask, state: State, recent: list[dict[str, float]], score: float | None, path: Path
) -> str:
    """Append the means of the recent steps to the log; returns them as one line of progress."""
    means = {name: sum(step[name] for step in recent) / len(recent) for name in ("loss", *task.parts)}
    row = {"step": state.step, **means, "learning_rate": recipe.rate_at(state.step - 1), "seconds": state.seconds}
    if task.scored:
        row["holdout"] = math.nan if score is None else score
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if fresh:
            writer.writeheader()
        writer.writerow({name: "" if math.isnan(value) else f"{value:.6g}" for name, value in row.items()})
    left_s = state.seconds / state.step * (recipe.steps - state.step)
    held_out = "" if score is None else f" holdout {score:.3f} (best {state.best.score:.3f} at {state.best.step})"
    return (
        f"{recipe.arch} {state.step}/{recipe.steps} loss {means['loss']:.3f}{held_out} {state.seconds:.0f} s, "
        f"{left_s:.0f} s left"
    )


def save_checkpoint(recipe: Recipe, state: State, path: Path) -> None:
    """Write the whole state beside ``path`` and rename it, so that an interruption leaves the previous checkpoint."""
    content = {
        "recipe": json.dumps(dataclasses.asdict(recipe)),
        "network": state.network.state_dict(),
        "averaged": state.averaged.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "initial": state.initial,
        "step": state.step,
        "seconds": state.seconds,
        "best": tuple(state.best),
    }
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    os.replace(partial, path)


def _resume(recipe: Recipe, state: State, run: Run) -> None:
    path = run.out / "checkpoint.pt"
    if not path.exists():
        return
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        before = Recipe(**json.loads(content["recipe"]))
    except Exception as error:  # torch.load raises exceptions of many kinds for a damaged file
        raise DataError(f"{path} is not a readable checkpoint: {error}; remove it to start anew") from error
    if before != recipe:
        raise DataError(f"{path} is of the recipe {before}, expected {recipe}; give another --out or remove it")
    state.network.load_state_dict(content["network"])
    state.averaged.load_state_dict(content["averaged"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.step, state.seconds = content["step"], content["seconds"]
    state.initial = content.get("initial", state.initial)
    state.best = Best(*content.get("best", ()))


def save_weights(recipe: Recipe, task: TrainingTask, run: Run, state: State) -> None:
    """Write the kept network as float16 safetensors (running statistics as float32) with its origin, and its card.

    The file's name is that of head and architecture. Two runs of one recipe on one machine write the same bytes.
    """
    from safetensors.torch import save_file

    tensors = {}
    for name, tensor in (state.best.weights or state.averaged.state_dict()).items():
        half = tensor.is_floating_point() and not name.endswith(("running_mean", "running_var"))
        tensors[name] = (tensor.half() if half else tensor).contiguous().cpu()
    about = {
        "arch": recipe.arch,
        **task.about(),
        "recipe": dataclasses.asdict(recipe),
        "source": task.source,
        "initial": state.initial,
    }
    if state.best.weights is not None:
        about |= {"step": state.best.step, "holdout_score": round(state.best.score, 6)}
    path = run.out / f"{task.head}_{recipe.arch}.safetensors"
    partial = path.with_suffix(".partial")
    save_file(
        tensors, partial, {"about": json.dumps(about)}
    )  # one entry, since safetensors writes several in any order
    os.replace(partial, path)
    path.with_suffix(".md").write_text(card(path, about, task.images, state.seconds, run.device), "utf-8")
