"""The training loop of a rival: a price of bits per gain, a moving average of the weights, exact resume.

Crops and random numbers follow from (seed, step), as in ``hsc.training``: an interrupted and resumed run gives the same
weights as an uninterrupted one with the same number of threads.
"""

from __future__ import annotations

import copy
import csv
import dataclasses
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.rivals import network
from benchmarks.rivals.recipe import Recipe
from hsc.devices import usable
from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.errors import DataError, UsageError
from hsc.files.tensor_files import read_tensors
from hsc.training.bit_prices import Prices
from hsc.training.checkpoint_file import keep, resume
from hsc.training.losses import pixel_loss, teacher_loss, where_loss
from hsc.training.shards import Batch, Crops, read_frames
from hsc.training.teacher_network import Teacher, load_teacher

_LOG_EVERY = 50
_MAX_GRADIENT_NORM = 1.0
_QUANTILES_RATE = 5e-3
_PRIOR_FACTOR = 10.0
_MSE_SCALE = 127.5**2 / 100
"""Brings the mean square error of pixels from -1 to 1 near the size of the other loss, so that prices start alike."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """The paths and the device of a run; fields as in ``hsc.training.state.Run``, but data is a list of folders."""

    out: Path
    data: tuple[Path, ...]
    teachers: tuple[Path, ...] = ()
    initial: Path | None = None
    device: str = "cpu"
    bf16: bool = False
    workers: int = 0


class Losses(NamedTuple):
    """Of each sample, (B,): level of the gain, distortion, rate in bits per pixel, mean square error of 0 to 255."""

    level: Tensor
    distortion: Tensor
    bpp: Tensor
    mse: Tensor


@dataclass
class State:
    """Everything that changes during training.

    averaged: the moving average of the model, which is exported. source: origin of the images, for people.
    """

    model: Any
    averaged: Any
    where: nn.Conv2d
    optimizer: torch.optim.Optimizer
    prices: Prices
    source: str = ""
    step: int = 0
    seconds: float = 0.0


class _Plain:
    """Plain values of a state as a part of a checkpoint."""

    def __init__(self, recipe: Recipe, state: State) -> None:
        self.recipe, self.state = recipe, state

    def state_dict(self) -> dict[str, Any]:
        recipe = json.dumps(dataclasses.asdict(self.recipe))
        return {"recipe": recipe, "log_prices": self.state.prices.log_prices, "seconds": self.state.seconds} | {
            "source": self.state.source
        }

    def load_state_dict(self, values: dict[str, Any]) -> None:
        if json.loads(values["recipe"]) != json.loads(json.dumps(dataclasses.asdict(self.recipe))):
            raise DataError("it is of another recipe")
        self.state.prices.log_prices, self.state.seconds = values["log_prices"], values["seconds"]


def start(recipe: Recipe, run: Run) -> State:
    """The state before the first step, with random weights from the recipe's seed or those of a file.

    The prices of bits are a checkpoint's, too, where its rates are the recipe's.

    Raises:
        UsageError: the initial weights are of another network.
    """
    torch.manual_seed(recipe.seed)
    model = network.build(recipe)
    where = nn.Conv2d(recipe.m, 1, 1)
    prices = Prices(recipe.rates)
    if run.initial is not None:
        log_prices = _start_from(run.initial, model, recipe)
        prices.log_prices = prices.log_prices if log_prices is None else log_prices
    model, where = model.to(run.device).train(), where.to(run.device)
    trained = network.parameters(model)
    groups = [
        {"params": [*trained.transforms, *where.parameters()], "factor": 1.0},
        {"params": trained.prior, "factor": _PRIOR_FACTOR},
        {"params": trained.quantiles, "factor": _QUANTILES_RATE / recipe.learning_rate},
    ]
    return State(model, copy.deepcopy(model), where, torch.optim.Adam(groups, lr=recipe.learning_rate), prices)


def _start_from(path: Path, model: Any, recipe: Recipe) -> Tensor | None:
    """Give a network the parameters of a checkpoint or of a weights file.

    The logarithms of the prices of bits are given back where the checkpoint's rates are the recipe's, else None.

    Raises:
        UsageError: the file is no such file, or is of another network.
    """
    try:
        if path.suffix == ".safetensors":
            stored, plain = read_tensors(path, single=True), None
        else:
            content = torch.load(path, weights_only=True, map_location="cpu")
            stored, plain = content["averaged"], content["plain"]
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(stored[name].reshape(parameter.shape))
        if plain and json.loads(plain["recipe"])["rates"] == list(recipe.rates):
            return plain["log_prices"]  # type: ignore[no-any-return]
    except Exception as error:  # torch.load raises many kinds of errors for a damaged file
        raise UsageError(f"{path} is no checkpoint or weights file of such a network: {error}") from error
    return None


def learning_rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step: a linear warm-up, then constant, then half a cosine down to a fiftieth."""
    decay = max(0.0, step / recipe.steps - 0.5) * 2
    warmup = min(1.0, (step + 1) / recipe.warmup)
    return float(recipe.learning_rate * warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * decay))))


def advance(recipe: Recipe, run: Run, state: State, teachers: Sequence[Teacher], batch: Batch) -> Losses:
    """Train one step on a batch, and return its losses."""
    seed = int(np.random.default_rng([recipe.seed, 3, state.step]).integers(1 << 62))
    torch.manual_seed(seed)
    batch = Batch(*(tensor.to(run.device, non_blocking=True) for tensor in batch))
    count, pixels = len(batch.images), batch.images.shape[2] * batch.images.shape[3]
    quality = state.prices.draw(count, torch.Generator().manual_seed(seed))
    level = (quality.float() / QUALITY_STEPS - 1).to(run.device)
    coded = network.code(state.model, batch.images / 2 + 0.5, level, bf16=run.bf16)
    decoded, bpp = coded.image * 2 - 1, coded.bits / pixels
    error = (decoded - batch.images).square().mean((1, 2, 3))
    if recipe.loss == "mse":
        distortion = _MSE_SCALE * error
    else:
        distortion = pixel_loss(decoded, batch.images, batch.weight, recipe.gradient)
        distortion = distortion + recipe.where * where_loss(state.where(coded.y), batch.weight)
        if teachers:
            teacher = teachers[state.step % len(teachers)]
            with torch.autocast(torch.device(run.device).type, torch.bfloat16, enabled=run.bf16):
                with torch.no_grad():
                    original = teacher(batch.images)
                seen = teacher(decoded)
            distortion = distortion + recipe.teacher * teacher_loss(seen, original, batch.weight)
    loss = (distortion + state.prices.price(quality).to(run.device) * bpp).mean()
    quantiles = state.model.entropy_bottleneck.loss()
    _step(recipe, state, loss + quantiles)
    state.prices.learn(quality, bpp)
    state.step += 1
    keep_share = min(recipe.average, state.step / (10 + state.step))
    with torch.no_grad():
        torch._foreach_lerp_(list(state.averaged.parameters()), list(state.model.parameters()), 1 - keep_share)
    return Losses(*(value.detach().cpu() for value in (level, distortion, bpp, error * 127.5**2)))


def _step(recipe: Recipe, state: State, loss: Tensor) -> None:
    """One step of the optimizer. The quantiles' loss has no gradient for other parameters, nor the other way round."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.step) * group["factor"]
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    trained = network.parameters(state.model)
    norm = nn.utils.clip_grad_norm_([*trained.transforms, *trained.prior], _MAX_GRADIENT_NORM)
    if bool(torch.isfinite(norm)):  # one bad batch must not end a run
        state.optimizer.step()


def train(
    recipe: Recipe,
    run: Run,
    *,
    checkpoint_s: float = 120.0,
    stop_at: int | None = None,
    report: Report = lambda line: None,
) -> State:
    """Train from the checkpoint in ``run.out`` to the recipe's last step, or to ``stop_at``, and keep a checkpoint.

    Raises:
        DataError: the checkpoint in ``run.out`` is of another recipe; or checkpoint, data or a teacher is damaged.
        UsageError: the machine does not have the device; the loss ``machine`` has no teacher; or as for ``start``.
    """
    usable(run.device)
    if recipe.loss == "machine" and recipe.teacher and not run.teachers:
        raise UsageError("the loss machine needs at least one --teacher, made with python -m hsc.training.teacher")
    frames = read_frames(*run.data)
    teachers = [load_teacher(path).to(run.device) for path in run.teachers]
    run.out.mkdir(parents=True, exist_ok=True)
    state = start(recipe, run)
    state.source = frames.source
    parts = {name: getattr(state, name) for name in ("model", "averaged", "where", "optimizer")}
    parts["plain"] = _Plain(recipe, state)
    checkpoint = run.out / "checkpoint.pt"
    state.step = resume(checkpoint, parts)
    last = min(recipe.steps, stop_at or recipe.steps)
    began = saved = time.monotonic()
    before, recent = state.seconds, []
    crops = Crops(frames, recipe.seed, recipe.batch, recipe.crop, recipe.objects, recipe.rarity)
    for batch in crops.of(range(state.step, last), run.workers):
        recent.append(advance(recipe, run, state, teachers, batch))
        state.seconds = before + time.monotonic() - began
        if state.step % _LOG_EVERY == 0 or state.step == last:
            report(_log(recipe, state, recent, run.out / "log.csv"))
            recent = []
        if state.step == last or time.monotonic() - saved > checkpoint_s:
            keep(checkpoint, state.step, parts)
            saved = time.monotonic()
    return state


def _log(recipe: Recipe, state: State, recent: list[Losses], path: Path) -> str:
    """Append the means of recent steps to the log, and return them as one line for people."""
    losses = Losses(*(torch.cat(column) for column in zip(*recent, strict=True)))
    row: dict[str, float] = {"step": state.step, "seconds": round(state.seconds, 1)}
    row |= {name: float(getattr(losses, name).mean()) for name in ("distortion", "bpp", "mse")}
    for level in range(len(recipe.rates)):
        near = losses.level.round() == level
        row[f"bpp_{level}"] = float(losses.bpp[near].mean())
        row[f"psnr_{level}"] = 10 * math.log10(255**2 / float(losses.mse[near].mean())) if near.any() else math.nan
        row[f"price_{level}"] = float(state.prices.log_prices[level].exp())
        row[f"gain_{level}"] = float(state.model.Gain[level].detach().abs())
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if fresh:
            writer.writeheader()
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    left_s = state.seconds / state.step * (recipe.steps - state.step)
    points = " ".join(f"{row[f'bpp_{level}']:.3f}:{row[f'psnr_{level}']:.1f}" for level in range(len(recipe.rates)))
    return (
        f"{recipe.name} {state.step}/{recipe.steps} distortion {row['distortion']:.3f} bpp {row['bpp']:.3f}  bpp:PSNR "
        f"{points}  {state.seconds:.0f} s, {left_s:.0f} s left"
    )
