"""The training loop: AdamW, warm-up and cosine, a moving average of the weights, checkpoints that resume exactly.

Every random choice is drawn from (seed, epoch) or (seed, step), so a checkpoint needs no generator state and a run that
was cut and resumed gives the weights of one that was not.
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
from downstream.training.training_task import Lesson
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import misfit
from downstream.weights.weights_file import read_weights
from hsc.devices import usable
from hsc.errors import DataError

_BEGAN = ", which began as "
_LOGGED = 50


@dataclass(frozen=True)
class Run:
    """Where a run computes and what it starts from. out: folder of checkpoint.pt, log.csv, the weights and their card."""

    out: Path
    initial: Path | None = None
    device: str = "cpu"
    bf16: bool = False


class Best(NamedTuple):
    """The averaged network of the step that scored highest on the images held out. step -1: none was scored yet."""

    score: float = -1.0
    step: int = -1
    weights: dict[str, Tensor] | None = None


@dataclass
class State:
    """Everything that changes while training. averaged: the moving average of the network, which is what is kept."""

    network: Network
    averaged: Network
    optimizer: torch.optim.Optimizer
    initial: str = ""
    step: int = 0
    seconds: float = 0.0
    best: Best = field(default_factory=Best)


def lineage(weights: str, before: str) -> str:
    """Which weights, and where those began, and so on back to the first; ``before`` is empty for those that began as
    random numbers.

    >>> lineage("lift", lineage("pixel head", ""))
    'lift, which began as pixel head'
    """
    return f"{weights}{_BEGAN}{before}" if before else weights


def start(recipe: Recipe, lesson: Lesson, run: Run) -> State:
    """A fresh state: random weights from the recipe's seed, or those of a finished run.

    Raises:
        UnavailableError: the initial weights are missing.
        DataError: they are of another architecture or other classes.
        UsageError: there is no such device.
    """
    usable(run.device)
    torch.manual_seed(recipe.seed)
    network = lesson.build(recipe.arch)
    initial = ""
    if run.initial is not None:
        named = f"{run.initial.name} sha256 {sha256_of(run.initial)}"
        found = read_weights(run.initial)
        initial = lineage(named, str(found.about.get("initial", "")))
        try:
            network.begin(found.tensors)
        except RuntimeError as error:
            trouble = misfit(network, found.tensors) or str(error).splitlines()[0]
            raise DataError(
                f"{run.initial} does not fit a {recipe.arch} of {len(lesson.classes)} classes: {trouble}; begin with "
                f"others"
            ) from error
    network = network.to(run.device).to(memory_format=network.memory_format)
    averaged = lesson.build(recipe.arch).to(run.device).to(memory_format=network.memory_format)
    averaged.load_state_dict(network.state_dict())
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return State(network, averaged, torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.99)), initial)


def advance(recipe: Recipe, lesson: Lesson, run: Run, state: State) -> dict[str, float]:
    """One step; the loss and its parts."""
    began = time.monotonic()
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.rate_at(state.step)
    inputs, truth = lesson.batch_of(recipe, state.step)
    state.network.train()
    with torch.autocast(torch.device(run.device).type, torch.bfloat16, enabled=run.bf16):
        raw = state.network(*(_laid_out(one.to(run.device), state.network.memory_format) for one in inputs))
    parts = lesson.loss(recipe, tuple(maps.float() for maps in raw), truth)
    loss = torch.stack(list(parts.values())).sum()
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 10.0)
    state.optimizer.step()
    state.step += 1
    _follow(state.averaged, state.network, min(recipe.average, state.step / (10 + state.step)))
    state.seconds += time.monotonic() - began
    return {"loss": float(loss.detach()), **{name: float(part.detach()) for name, part in parts.items()}}


def _laid_out(one: Tensor, form: torch.memory_format) -> Tensor:
    return one.contiguous(memory_format=form) if one.ndim == 4 else one


@torch.no_grad()
def _follow(averaged: Network, network: Network, keep: float) -> None:
    for slow, fast in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - keep)
        else:
            slow.copy_(fast)


def train(
    recipe: Recipe,
    lesson: Lesson,
    run: Run,
    *,
    checkpoint_s: float = 120.0,
    stop_at: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> State:
    """Train from where ``run.out`` stands to the recipe's last step, or to ``stop_at``; a finished run leaves weights
    and card.

    The weights are the averaged network's, of the last step, or of the best one where the lesson has images held out.
    report: called with one line of progress at a time.

    Raises:
        DataError: the checkpoint in ``run.out`` is of another recipe or is damaged; the initial weights do not fit.
        UnavailableError, UsageError: as ``start`` says.
    """
    run.out.mkdir(parents=True, exist_ok=True)
    state = start(recipe, lesson, run)
    _resume(recipe, state, run)
    last = min(recipe.steps, stop_at or recipe.steps)
    saved = time.monotonic()
    recent: list[dict[str, float]] = []
    while state.step < last:
        recent.append(advance(recipe, lesson, run, state))
        score = _score(recipe, lesson, run, state)
        if state.step % _LOGGED == 0 or state.step == last or score is not None:
            report(_log(recipe, lesson, state, recent, score, run.out / "log.csv"))
            recent = []
        if state.step == last or time.monotonic() - saved > checkpoint_s:
            save_checkpoint(recipe, state, run.out / "checkpoint.pt")
            saved = time.monotonic()
    if state.step >= recipe.steps:
        save_weights(recipe, lesson, run, state)
    return state


def _score(recipe: Recipe, lesson: Lesson, run: Run, state: State) -> float | None:
    """Score the averaged network where its turn has come, and keep it if none was better before."""
    if state.step % recipe.score_every and state.step != recipe.steps:
        return None
    score = lesson.score(state.averaged, run.device)
    if score is not None and score > state.best.score:
        weights = {name: tensor.detach().cpu().clone() for name, tensor in state.averaged.state_dict().items()}
        state.best = Best(score, state.step, weights)
    return score


def _log(
    recipe: Recipe, lesson: Lesson, state: State, recent: list[dict[str, float]], score: float | None, path: Path
) -> str:
    """Append means of some steps to the log; the same as one line for people."""
    means = {name: sum(step[name] for step in recent) / len(recent) for name in ("loss", *lesson.parts)}
    row = {"step": state.step, **means, "learning_rate": recipe.rate_at(state.step - 1), "seconds": state.seconds}
    if lesson.scored:
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
    """Write the whole state beside ``path`` and rename it into place, so that a cut leaves the one before."""
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
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise DataError(f"{path} is not a readable checkpoint: {error}; remove it to start anew") from error
    if before != recipe:
        raise DataError(f"{path} is of the recipe {before}, asked for was {recipe}; give another --out or remove it")
    state.network.load_state_dict(content["network"])
    state.averaged.load_state_dict(content["averaged"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.step, state.seconds = content["step"], content["seconds"]
    state.initial = content.get("initial", state.initial)
    state.best = Best(*content.get("best", ()))


def save_weights(recipe: Recipe, lesson: Lesson, run: Run, state: State) -> None:
    """Write the kept network as float16 safetensors (running statistics as float32), with where it comes from, and its
    card.

    The file's name is the head's and the architecture's. Two runs of one recipe on one machine write the same bytes.
    """
    from safetensors.torch import save_file

    tensors = {}
    for name, tensor in (state.best.weights or state.averaged.state_dict()).items():
        half = tensor.is_floating_point() and not name.endswith(("running_mean", "running_var"))
        tensors[name] = (tensor.half() if half else tensor).contiguous().cpu()
    about = {
        "arch": recipe.arch,
        **lesson.about(),
        "recipe": dataclasses.asdict(recipe),
        "source": lesson.source,
        "initial": state.initial,
    }
    if state.best.weights is not None:
        about |= {"step": state.best.step, "holdout_score": round(state.best.score, 6)}
    path = run.out / f"{lesson.head}_{recipe.arch}.safetensors"
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, {"about": json.dumps(about)})  # one entry: safetensors writes several in any order
    os.replace(partial, path)
    path.with_suffix(".md").write_text(card(path, about, lesson.images, state.seconds, run.device), "utf-8")
