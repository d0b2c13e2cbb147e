"""The training loop of a rival: a price of bits per gain, a moving average of the weights, exact resume.

Crops and random numbers follow from (seed, step), as in ``hsc.training``: an interrupted and resumed run gives the same
weights as an uninterrupted one with the same number of threads.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.learned.checkpoints import SUFFIX
from benchmarks.learned.networks import load
from benchmarks.rivals import network
from benchmarks.rivals.initialisation import set_components
from benchmarks.rivals.network import ARCHITECTURE
from benchmarks.rivals.recipe import Recipe
from hsc.devices import usable
from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.errors import DataError, UsageError
from hsc.training.bit_prices import Prices
from hsc.training.checkpoint_file import keep, read, recipe_in, resume
from hsc.training.log_file import append_row
from hsc.training.losses import pixel_loss, teacher_loss, where_loss
from hsc.training.optimisation import learning_rate_at, take_step, update_average
from hsc.training.recipe_file import as_json, require_same
from hsc.training.sampling import crops_of, on_device, seed_of
from hsc.training.shards import Batch, Frames, read_frames
from hsc.training.state import Run
from hsc.training.teachers.seen import Teacher
from hsc.training.teachers.unet import load_teacher

_LOG_EVERY = 50
_FIRST_CROPS = 160
"""Crops whose principal components are the first weights."""
_MAX_GRADIENT_NORM = 1.0
_QUANTILES_RATE = 5e-3
_PRIOR_FACTOR = 10.0
_MSE_SCALE = 127.5**2 / 100
"""Brings the mean square error of pixels from -1 to 1 near the size of the other loss, so that prices start alike."""

Report = Callable[[str], None]


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


class Plain:
    """The plain values of a state, as the part "plain" of a checkpoint in ``path``."""

    def __init__(self, recipe: Recipe, state: State, path: Path) -> None:
        self.recipe, self.state, self.path = recipe, state, path

    def state_dict(self) -> dict[str, Any]:
        state = self.state
        kept = {"log_prices": state.prices.log_prices, "seconds": state.seconds, "source": state.source}
        return {"recipe": as_json(self.recipe), **kept}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take the prices and the seconds of a checkpoint of the same recipe.

        Raises:
            DataError: it is of another recipe.
        """
        require_same(self.recipe, recipe_in(values, self.path), self.path)
        self.state.prices.log_prices, self.state.seconds = values["log_prices"], values["seconds"]


def start(recipe: Recipe, run: Run, frames: Frames) -> State:
    """The state before the first step, with principal components of the first crops as weights, or those of a file.

    The prices of bits are a checkpoint's, too, where its rates are the recipe's.

    Raises:
        UsageError: the initial weights are of another network.
    """
    torch.manual_seed(recipe.seed)
    model = network.build(recipe)
    where = nn.Conv2d(recipe.m, 1, 1)
    prices = Prices(recipe.rates)
    if run.initial is None:
        crops = crops_of(recipe, frames)
        images = [crops[step].images for step in range(-(-_FIRST_CROPS // recipe.batch))]
        set_components(model, torch.cat(images) / 2 + 0.5)
    else:
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
        content = {} if path.suffix == SUFFIX else read(path)
        stored = content["averaged"] if content else dict(load(path, ARCHITECTURE).model.named_parameters())
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(stored[name].reshape(parameter.shape))
        plain = content.get("plain")
        if plain and recipe_in(plain, path)["rates"] == list(recipe.rates):
            return plain["log_prices"]  # type: ignore[no-any-return]
    except (DataError, KeyError, RuntimeError, AttributeError) as error:
        raise UsageError(f"{path} is no checkpoint or weights file of such a network: {error}") from error
    return None


def learning_rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step: a linear warm-up, then constant, then half a cosine from half of the steps on."""
    return learning_rate_at(recipe.learning_rate, step, recipe.warmup, max(0.0, step / recipe.steps - 0.5) * 2)


def advance(recipe: Recipe, run: Run, state: State, teachers: Sequence[Teacher], batch: Batch) -> Losses:
    """Train one step on a batch, and return its losses."""
    seed = seed_of(recipe, state.step)
    torch.manual_seed(seed)
    batch = on_device(batch, run)
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
    trained = network.parameters(state.model)
    take_step(
        state.optimizer,
        loss + state.model.entropy_bottleneck.loss(),  # of the quantiles, and of nothing else
        learning_rate(recipe, state.step),
        [*trained.transforms, *trained.prior],
        _MAX_GRADIENT_NORM,
    )
    state.prices.learn(quality, bpp)
    state.step += 1
    update_average(state.averaged, state.model, recipe.average, state.step)
    return Losses(*(value.detach().cpu() for value in (level, distortion, bpp, error * 127.5**2)))


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
    assert run.data is not None  # the command asks for it
    frames = read_frames(run.data)
    teachers = [load_teacher(path).to(run.device) for path in run.teachers]
    run.out.mkdir(parents=True, exist_ok=True)
    state = start(recipe, run, frames)
    state.source = frames.source
    parts = {name: getattr(state, name) for name in ("model", "averaged", "where", "optimizer")}
    checkpoint = run.out / "checkpoint.pt"
    parts["plain"] = Plain(recipe, state, checkpoint)
    state.step = resume(checkpoint, parts)
    last = min(recipe.steps, stop_at or recipe.steps)
    began = saved = time.monotonic()
    before, recent = state.seconds, []
    for batch in crops_of(recipe, frames).of(range(state.step, last), run.workers):
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
    row: dict[str, float] = {"step": state.step, "seconds": state.seconds}
    row |= {name: float(getattr(losses, name).mean()) for name in ("distortion", "bpp", "mse")}
    for level in range(len(recipe.rates)):
        near = losses.level.round() == level
        row[f"bpp_{level}"] = float(losses.bpp[near].mean())
        row[f"psnr_{level}"] = 10 * math.log10(255**2 / float(losses.mse[near].mean())) if near.any() else math.nan
        row[f"price_{level}"] = float(state.prices.log_prices[level].exp())
        row[f"gain_{level}"] = float(state.model.Gain[level].detach().abs())
    append_row(path, row)
    left_s = state.seconds / state.step * (recipe.steps - state.step)
    points = " ".join(f"{row[f'bpp_{level}']:.3f}:{row[f'psnr_{level}']:.1f}" for level in range(len(recipe.rates)))
    return (
        f"{recipe.name} {state.step}/{recipe.steps} distortion {row['distortion']:.3f} bpp {row['bpp']:.3f}  bpp:PSNR "
        f"{points}  {state.seconds:.0f} s, {left_s:.0f} s left"
    )
