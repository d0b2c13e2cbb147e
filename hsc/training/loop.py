"""The training loop: five stages, prices of bits, a moving average of the weights, checkpoints that resume exactly.

    autoencoder   images -> W+, F -> images                     nothing is coded; at its end the statistics of W+ and F are set
    codec         ... -> bits -> ...                            every sample at a quality of its own, everything trained together
    adversarial   the same, and a critic of patches             the last third: texture, with a small weight
    decoder       symbols -> images                             symbols stay as they are, what decodes them is trained
    detail        ... -> what images lack -> bits -> images     symbols so far stay as they are: what decodes them and the detail are trained

Every random choice follows from (seed, step, process), so a checkpoint needs no generator state and a run that was cut
and resumed gives the weights of one that was not. Under ``torchrun`` each process takes crops of its own and gradients
are averaged.
"""

from __future__ import annotations

import copy
import csv
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hsc.devices import usable
from hsc.entropy_coding.gains import QualityTable
from hsc.errors import DataError, UsageError
from hsc.networks.model import HscModel
from hsc.networks.stylegan2 import ToRgb
from hsc.training import decoder_stage, distributed
from hsc.training.bit_prices import Prices
from hsc.training.decoder_stage import Lit
from hsc.training.detail_stage import draw_qualities, keep_symbols, set_basis
from hsc.training.losses import latent_loss, pixel_loss, teacher_loss, where_loss
from hsc.training.patch_critic import PatchCritic, critic_loss, texture_loss
from hsc.training.recipe import Recipe
from hsc.training.shards import Batch, Crops, Frames, read_frames
from hsc.training.teacher import Seen, Teacher, load_teacher
from hsc.weights import files

_LOGGED = 50
_STATISTICS = 12  # batches
_PATCHED, _LACKING = 160, 320  # crops
_PENALTY, _PENALTY_EVERY = 2.0, 16
_CRITIC_RATE = 2e-4
_GAINS_RATE = 5.0
_MAX_GRADIENT_NORM = 2.0

Report = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """Where a run reads and writes. out: folder of checkpoint.pt, log.csv and <name>.safetensors.

    teachers: asked in turn, one a step. workers: processes that make batches ahead of time.
    """

    out: Path
    data: Path
    teachers: tuple[Path, ...] = ()
    initial: Path | None = None
    device: str = "cpu"
    bf16: bool = False
    workers: int = 0


@dataclass
class State:
    """Everything that changes while training. averaged: the moving average of the model, which is what is kept. where:
    tells objects from F.
    """

    model: HscModel
    averaged: HscModel
    optimizer: torch.optim.Optimizer
    critic: PatchCritic
    critic_optimizer: torch.optim.Optimizer
    prices: Prices
    where: nn.Conv2d
    step: int = 0
    seconds: float = 0.0


class Parts(NamedTuple):
    """One number a sample, (B,): what a made image lacks, and what it cost in bits per pixel."""

    quality: Tensor
    pixel: Tensor
    teacher: Tensor
    latent: Tensor
    texture: Tensor
    where: Tensor
    bpp: Tensor


def start(recipe: Recipe, run: Run) -> State:
    """A fresh state: random weights from the recipe's seed, or those of a weights file.

    Raises:
        UsageError: the initial weights are of another profile, or missing where only the decoder is trained.
    """
    if run.initial is None and recipe.decoder_steps == recipe.total:
        raise UsageError("only the decoder would be trained: say with --initial which weights make the symbols")
    torch.manual_seed(recipe.seed)
    model = HscModel(recipe.networks())
    if run.initial is not None:
        model = files.load(str(run.initial)).thaw()
        if model.profile != recipe.networks():
            raise UsageError(
                f"{run.initial} is of the profile {model.profile.name!r}, the recipe wants {recipe.profile!r}"
            )
    model = model.to(run.device).to(memory_format=torch.channels_last).train()
    critic = PatchCritic().to(run.device)
    where = nn.Conv2d(recipe.networks().encoder.feature_channels, 1, 1).to(run.device)
    optimizer = torch.optim.Adam(
        [*_groups(model, recipe), {"params": list(where.parameters()), "factor": 1.0}],
        lr=recipe.learning_rate,
        betas=(0.9, 0.99),
    )
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=_CRITIC_RATE, betas=(0.0, 0.99))
    return State(model, copy.deepcopy(model), optimizer, critic, critic_optimizer, Prices(recipe.rates), where)


def _groups(model: HscModel, recipe: Recipe) -> list[dict[str, Any]]:
    """The generator keeps its weights at unit variance and scales them when used, so it needs much larger steps; gains,
    some.
    """
    generator = {id(p) for p in model.generator.parameters()}
    gains = {id(p) for m in model.modules() if isinstance(m, QualityTable) for p in m.parameters()}
    return [
        {"params": [p for p in model.parameters() if id(p) not in generator | gains], "factor": 1.0},
        {"params": [p for p in model.parameters() if id(p) in generator], "factor": recipe.generator_rate},
        {"params": [p for p in model.parameters() if id(p) in gains], "factor": _GAINS_RATE},
    ]


def advance(recipe: Recipe, run: Run, state: State, frames: Frames, teachers: Sequence[Teacher], batch: Batch) -> Parts:
    """One step on this process's batch of it."""
    teacher = teachers[state.step % len(teachers)] if teachers else None
    if state.step == 0 and run.initial is None:
        balance(recipe, run, state, frames)
    if state.step == recipe.steps[0] and recipe.steps[0]:
        set_statistics(recipe, run, state, frames)
    stage = recipe.stage_of(state.step)
    torch.manual_seed(_seed(recipe, state.step))
    if stage == "detail":
        if state.step == sum(recipe.steps) + recipe.decoder_steps:
            count = max(1, _LACKING // recipe.batch)
            set_basis(state.model, (_batch(recipe, run, frames, i) for i in range(count)), teacher)
            state.averaged.load_state_dict(state.model.state_dict())
        keep_symbols(state.model)
    batch = _moved(batch, run)
    lit = Lit(batch, batch.images)
    if stage == "decoder":
        decoder_stage.keep_symbols(state.model)
        lit = decoder_stage.draw_light(
            batch, recipe.swapped, torch.Generator().manual_seed(_seed(recipe, state.step) + 1)
        )
        batch = lit.batch
    state.model.train()
    with torch.autocast(torch.device(run.device).type, torch.bfloat16, enabled=run.bf16):
        seen = None if teacher is None else teacher(batch.images)
        made, parts = _made(recipe, state, lit, stage)
        parts = _judged(recipe, state, batch, made, parts, teacher, seen, stage)
    loss = parts.pixel + recipe.teacher * parts.teacher + recipe.latent * parts.latent
    loss = loss + recipe.texture * parts.texture + recipe.where * parts.where
    loss = loss + state.prices.price(parts.quality).to(run.device) * parts.bpp
    _step(
        state.optimizer,
        loss.mean(),
        learning_rate(recipe, state.step),
        [*state.model.parameters(), *state.where.parameters()],
    )
    if stage == "adversarial":
        _train_critic(recipe, run, state, batch, made)
    state.step += 1
    _follow(state.averaged, state.model, min(recipe.average, state.step / (10 + state.step)))
    return Parts(*(part.detach().cpu() for part in parts))


def _made(recipe: Recipe, state: State, lit: Lit, stage: str) -> tuple[Tensor, Parts]:
    """Images made again, and the parts that are known with them."""
    batch = lit.batch
    count, pixels = len(batch.images), batch.images.shape[2] * batch.images.shape[3]
    zeros = torch.zeros(count, device=batch.images.device)
    random = torch.Generator().manual_seed(_seed(recipe, state.step))
    quality = state.prices.draw(count, random)
    if stage == "autoencoder":
        found = state.model.gie(batch.images)
        feature = nn.functional.dropout2d(found.feature, recipe.feature_dropout)
        return state.model.generator(found.w_plus, feature), Parts(quality, zeros, zeros, zeros, zeros, zeros, zeros)
    if stage == "decoder":
        image, bits = decoder_stage.decode(state.model, lit, quality.to(zeros.device))
        return image, Parts(quality, zeros, zeros, zeros, zeros, zeros, bits / pixels)
    if stage == "detail":
        quality = draw_qualities(count, state.model, random)
        made = state.model(batch.images, quality.to(zeros.device))
        assert made.detail is not None
        assert made.attention is not None
        where = where_loss(made.attention, batch.weight)
        return made.image, Parts(quality, zeros, zeros, zeros, zeros, where, made.detail.bits.sum(1) / pixels)
    keep = _kept_layers(recipe, state)
    made = state.model(batch.images, quality.to(zeros.device), keep=keep, detail=False)
    bpp = made.semantics.bits / recipe.image_pixels + made.features.bits.sum(1) / pixels
    if keep is None:
        state.prices.learn(*distributed.gathered(quality, bpp))
    latent = latent_loss(made.features.feature, made.feature, state.model.fcn.standard.scale)
    where = where_loss(state.where(made.feature), batch.weight) if recipe.where else zeros
    return made.image, Parts(quality, zeros, zeros, latent, zeros, where, bpp)


def _kept_layers(recipe: Recipe, state: State) -> int | None:
    """How many layers of F a file of this step holds, in all processes alike: mostly all (None), else it was cut
    somewhere.
    """
    random = np.random.default_rng([recipe.seed, 4, state.step])
    return (
        int(random.integers(0, state.model.profile.feature.layers)) if random.random() < recipe.prefix_share else None
    )


def _judged(
    recipe: Recipe,
    state: State,
    batch: Batch,
    made: Tensor,
    parts: Parts,
    teacher: Teacher | None,
    seen: Seen | None,
    stage: str,
) -> Parts:
    """The parts with what is held against the images made."""
    parts = parts._replace(pixel=pixel_loss(made.float(), batch.images, batch.weight, recipe.gradient))
    if teacher is not None and seen is not None and recipe.teacher:
        parts = parts._replace(teacher=teacher_loss(teacher(made), seen, batch.weight))
    if stage == "adversarial":
        state.critic.requires_grad_(False)
        parts = parts._replace(texture=texture_loss(state.critic, made.float(), _seed(recipe, state.step)))
    return parts


def _train_critic(recipe: Recipe, run: Run, state: State, batch: Batch, made: Tensor) -> None:
    state.critic.requires_grad_(True)
    penalty = _PENALTY * _PENALTY_EVERY if state.step % _PENALTY_EVERY == 0 else 0.0
    loss = critic_loss(
        state.critic, batch.images.contiguous(), made.float().contiguous(), _seed(recipe, state.step) + 1, penalty
    )
    _step(state.critic_optimizer, loss, _CRITIC_RATE, list(state.critic.parameters()))


def _step(optimizer: torch.optim.Optimizer, loss: Tensor, rate: float, parameters: list[nn.Parameter]) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    distributed.average_gradients(parameters)
    norm = nn.utils.clip_grad_norm_(parameters, _MAX_GRADIENT_NORM)
    if bool(torch.isfinite(norm)):  # one bad batch must not end a run
        optimizer.step()


def learning_rate(recipe: Recipe, step: int) -> float:
    """A linear rise, constant, then from half of all steps on half a cosine down to a fiftieth; in the last two stages
    the cosine at once.
    """
    first = sum(recipe.steps)
    second = first + recipe.decoder_steps
    if step >= second:
        highest, own, late = recipe.detail_rate, step - second, (step - second) / recipe.detail_steps
    elif step >= first:
        highest, own, late = recipe.decoder_rate, step - first, (step - first) / recipe.decoder_steps
    else:
        highest, own, late = recipe.learning_rate, step, max(0.0, step / first - 0.5) * 2
    rise = min(1.0, (own + 1) / max(1, recipe.warmup))
    return float(highest * rise * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * late))))


def _seed(recipe: Recipe, step: int) -> int:
    return int(np.random.default_rng([recipe.seed, 3, step, distributed.rank()]).integers(1 << 62))


def _batch(recipe: Recipe, run: Run, frames: Frames, step: int) -> Batch:
    """This process's crops of a step."""
    return _moved(_crops(recipe, frames)[step * distributed.count() + distributed.rank()], run)


def _crops(recipe: Recipe, frames: Frames) -> Crops:
    return Crops(frames, recipe.seed, recipe.batch, recipe.crop, recipe.objects, recipe.rarity)


def _moved(batch: Batch, run: Run) -> Batch:
    return Batch(*(tensor.to(run.device, non_blocking=True) for tensor in batch))


@torch.no_grad()
def balance(recipe: Recipe, run: Run, state: State, frames: Frames) -> None:
    """Start with F of unit variance that knows the pixels, and images of less variance than real ones; random networks
    do neither.

    Mishkin and Matas 2016, "All you need is a good init", for these two places.
    """
    gie = state.model.gie
    if gie.patch is not None:
        images = torch.cat([_batch(recipe, run, frames, i).images for i in range(max(1, _PATCHED // recipe.batch))])
        set_patches(gie.patch, state.model.generator.patches, images)
    else:
        feature = gie(_batch(recipe, run, frames, 0).images).feature
        last = gie.content[-2]
        assert isinstance(last, nn.Conv2d)
        scale = feature.std((0, 2, 3)).clamp(min=1e-6)
        last.weight /= scale[:, None, None, None]
        if last.bias is not None:
            last.bias.copy_((last.bias - feature.mean((0, 2, 3))) / scale)
    for rgb in state.model.generator.rgbs.values():
        assert isinstance(rgb, ToRgb)
        rgb.weight.mul_(1 / len(state.model.generator.rgbs) if state.model.generator.patches is None else 0)
    distributed.share(state.model)
    state.averaged.load_state_dict(state.model.state_dict())


@torch.no_grad()
def set_patches(patch: nn.Conv2d, inverse: nn.Conv2d | None, images: Tensor) -> None:
    """Make a patch embedding the principal components of images' patches, half whitened, at a mean variance of 1, and
    ``inverse`` its inverse.

    Half: detail is brought forward, but what is strong stays strong. Components that the patches do not have are left
    at random.
    inverse: a 1x1 convolution from as many channels to 3 side side, ordered as for ``pixel_shuffle``; None where there
    is none.
    """
    side = patch.kernel_size[0]
    patches = (
        nn.functional.unfold(images.contiguous(), side, stride=side).transpose(1, 2).flatten(0, 1).double()
    )  # (N, 3 side side)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh((patches - mean).t() @ (patches - mean) / len(patches))
    count = min(len(patch.weight), len(values))
    values, vectors = values.flip(0)[:count].clamp(min=1e-8), vectors.flip(1)[:, :count].t()
    axes = vectors / values[:, None].pow(0.25) / values.sqrt().mean().sqrt()
    patch.weight[:count] = axes.reshape(count, *patch.weight.shape[1:]).float()
    assert patch.bias is not None
    patch.bias[:count] = -(axes @ mean).float()
    if inverse is not None:
        back = (vectors * values[:, None].pow(0.25) * values.sqrt().mean().sqrt()).t()  # (3 side side, count)
        inverse.weight.zero_()
        inverse.weight[:, :count, 0, 0] = back.float()
        assert inverse.bias is not None
        inverse.bias.copy_(mean.float())


@torch.no_grad()
def set_statistics(recipe: Recipe, run: Run, state: State, frames: Frames) -> None:
    """Tell the compression networks mean and deviation of what the trained autoencoder makes."""
    w_plus, feature = [], []
    for i in range(_STATISTICS):
        found = state.model.gie(_batch(recipe, run, frames, i).images)
        w_plus.append(found.w_plus.flatten(1))
        feature.append(found.feature.transpose(0, 1).flatten(1))
    words, channels = torch.cat(w_plus), torch.cat(feature, 1)
    for model in (state.model, state.averaged):
        model.scn.standard.set(words.mean(0), words.std(0))
        model.fcn.standard.set(channels.mean(1), channels.std(1))
        distributed.share(model.scn.standard, model.fcn.standard)


@torch.no_grad()
def _follow(averaged: HscModel, model: HscModel, keep: float) -> None:
    torch._foreach_lerp_(list(averaged.parameters()), list(model.parameters()), 1 - keep)


def train(
    recipe: Recipe,
    run: Run,
    *,
    checkpoint_s: float = 180.0,
    stop_at: int | None = None,
    report: Report = lambda line: None,
) -> State:
    """Train from where ``run.out`` stands to the recipe's last step, or to ``stop_at``; a finished run leaves the
    weights file.

    report: called with one line of progress at a time.

    Raises:
        DataError: the checkpoint in ``run.out`` is of another recipe or is damaged; so are data or teacher.
        UsageError: there is no such device here; as ``start`` says.
    """
    with distributed.joined(usable(run.device)):
        frames = read_frames(run.data)
        teachers = [load_teacher(path).to(run.device) for path in run.teachers]
        run.out.mkdir(parents=True, exist_ok=True)
        state = start(recipe, run)
        _resume(recipe, state, run.out / "checkpoint.pt")
        last = min(recipe.total, stop_at or recipe.total)
        saved, recent = time.monotonic(), []
        began, before = saved, state.seconds
        own = range(
            state.step * distributed.count() + distributed.rank(), last * distributed.count(), distributed.count()
        )
        for batch in _crops(recipe, frames).of(own, run.workers):
            recent.append(advance(recipe, run, state, frames, teachers, batch))
            state.seconds = before + time.monotonic() - began
            if state.step % _LOGGED == 0 or state.step == last:
                report(_log(recipe, state, recent, run.out / "log.csv"))
                recent = []
            if distributed.agreed(state.step == last or time.monotonic() - saved > checkpoint_s):
                _save_checkpoint(recipe, run, state, frames.source)
                saved = time.monotonic()
        if state.step >= recipe.total and distributed.rank() == 0:
            export(recipe, run.out, run.out / f"{recipe.name}.safetensors", run.initial)
        return state


def _log(recipe: Recipe, state: State, recent: list[Parts], path: Path) -> str:
    """Append means of some steps to the log; the same as one line for people."""
    parts = Parts(*(torch.cat(column) for column in zip(*recent, strict=True)))
    row: dict[str, Any] = {"step": state.step, "stage": recipe.stage_of(state.step - 1)}
    row |= {
        name: float(getattr(parts, name).mean()) for name in ("pixel", "teacher", "latent", "texture", "where", "bpp")
    }
    nearest = (parts.quality.float() / 32).round()
    for i in range(1, len(recipe.rates) + 1):
        mine = nearest == i
        row |= {
            f"bpp_{i}": _mean(parts.bpp[mine]),
            f"pixel_{i}": _mean(parts.pixel[mine]),
            f"price_{i}": float(state.prices.log_prices[i - 1].exp()),
        }
    row["seconds"] = state.seconds
    if distributed.rank() == 0:
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(
                {name: f"{value:.5g}" if isinstance(value, float) else value for name, value in row.items()}
            )
    left_s = state.seconds / state.step * (recipe.total - state.step)
    off = " ".join(f"{row[f'bpp_{i}'] / rate:.2f}" for i, rate in enumerate(recipe.rates, start=1))
    return (
        f"{row['stage']} {state.step}/{recipe.total} pixel {row['pixel']:.3f} teacher {row['teacher']:.2f} "
        f"texture {row['texture']:.2f} where {row['where']:.3f} "
        f"bpp {row['bpp']:.3f} (rates / targets {off}) {state.seconds:.0f} s, {left_s:.0f} s left"
    )


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _save_checkpoint(recipe: Recipe, run: Run, state: State, source: str) -> None:
    """Write the whole state beside the checkpoint and rename it into place, so that a cut leaves the one before."""
    if distributed.rank():
        return
    content = {
        "recipe": json.dumps(dataclasses.asdict(recipe)),
        "modules": {name: module.state_dict() for name, module in _modules(state)},
        "log_prices": state.prices.log_prices,
        "step": state.step,
        "seconds": state.seconds,
        "source": source,
        "initial": "" if run.initial is None else run.initial.name,
        "processes": distributed.count(),
        "threads": torch.get_num_threads(),
        "device": run.device if run.device == "cpu" else torch.cuda.get_device_name(run.device),
    }
    partial = run.out / "checkpoint.partial"
    torch.save(content, partial)
    os.replace(partial, run.out / "checkpoint.pt")


def _modules(state: State) -> Iterator[tuple[str, Any]]:
    """Everything with a state dict."""
    for name in ("model", "averaged", "optimizer", "critic", "critic_optimizer", "where"):
        yield name, getattr(state, name)


def _resume(recipe: Recipe, state: State, path: Path) -> None:
    if not path.exists():
        return
    content = _checkpoint(recipe, path)
    for name, module in _modules(state):
        module.load_state_dict(content["modules"][name])
    state.prices.log_prices = content["log_prices"]
    state.step, state.seconds = content["step"], content["seconds"]


def _checkpoint(recipe: Recipe, path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        before = json.loads(content["recipe"])
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise DataError(f"{path} is not a readable checkpoint: {error}; remove it to start anew") from error
    asked = json.loads(json.dumps(dataclasses.asdict(recipe)))
    if before != asked:
        differ = ", ".join(
            f"{name} {before.get(name)} -> {asked.get(name)}"
            for name in sorted(asked | before)
            if before.get(name) != asked.get(name)
        )
        raise DataError(f"{path} is of another recipe ({differ}); give another --out or remove it")
    return content


def export(recipe: Recipe, out: Path, target: Path, initial: Path | None = None) -> None:
    """Write the averaged model of the checkpoint in ``out`` as a weights file, with what it was trained on.

    initial: what training began with; where only the decoder was trained, all that makes symbols is taken from there,
    to the last bit.

    Raises:
        DataError: there is no checkpoint, or it is of another recipe.
        UsageError: only the decoder was trained, and ``initial`` is missing.
    """
    content = _checkpoint(recipe, out / "checkpoint.pt")
    model = HscModel(recipe.networks())
    model.load_state_dict(content["modules"]["averaged"])
    card = {
        "licence": recipe.licence,
        "data": content["source"],
        "recipe": dataclasses.asdict(recipe),
        "steps": content["step"],
        "hours": round(content["seconds"] / 3600, 2),
        "hardware": f"{content['device']}, {content['processes']} processes of {content['threads']} threads, torch "
        f"{torch.__version__}",
        "initial": content["initial"],
    }
    if recipe.decoder_steps < recipe.total:
        model.freeze()
    elif initial is None:
        raise UsageError("only the decoder was trained: say with --initial which weights make the symbols")
    else:
        model = files.load(str(initial)).with_decoder_of(model)
    files.save(model, target, card)
