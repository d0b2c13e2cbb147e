"""The training loop: its stages, a price of bits per quality, a moving average of the weights, exact resume.

    autoencoder   images -> W+, F -> images                      nothing is coded; ends with statistics of W+ and F
    semantic      w alone -> images                              only with a coarse map of w, which is trained
    codec         ... -> bits -> ...                             each sample has its own quality; all is trained
    adversarial   the same, with a critic of patches             the last third: texture, with a small weight
    decoder       symbols -> images                              symbols are fixed, their decoder is trained
    detail        ... -> residuals of images -> bits -> images   symbols of W+ and F are fixed; decoder, detail trained

On a frozen StyleGAN2 there are four others, and none of these (``hsc.training.generator_stages``).

Every random choice follows from (seed, step, process). A checkpoint therefore needs no generator state, and an
interrupted and resumed run gives the same weights as an uninterrupted one. Under ``torchrun`` each process takes its
own crops, and gradients are averaged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hsc.devices import usable
from hsc.errors import UsageError
from hsc.training import coarse_stage, decoder_stage, distributed, first_crops, generator_stages
from hsc.training.decoder_stage import LitBatch, draw_light
from hsc.training.detail_stage import draw_qualities, dropped_without_detail, keep_symbols
from hsc.training.frozen_generator import require_both
from hsc.training.losses import latent_loss, lattice_loss, pixel_loss, teacher_loss, where_loss
from hsc.training.optimisation import learning_rate_at, take_step, update_average
from hsc.training.patch_critic import critic_loss, texture_loss
from hsc.training.patch_pattern import CROPS, remove_pattern
from hsc.training.recipe import Recipe
from hsc.training.run_folder import append_log, export, resume_run, save_checkpoint
from hsc.training.sampling import batch_at, dropped_samples, kept_layers, on_device, seed_of
from hsc.training.shards import Batch, Frames, read_frames
from hsc.training.state import CRITIC_RATE, Parts, Run, State, start
from hsc.training.teachers.named import load_teachers
from hsc.training.teachers.perception import Judges, load_judges, without_none
from hsc.training.teachers.seen import Seen, Teacher

_LOG_EVERY = 50
_PENALTY, _PENALTY_EVERY = 2.0, 16
_MAX_GRADIENT_NORM = 2.0

Report = Callable[[str], None]


def advance(
    recipe: Recipe,
    run: Run,
    state: State,
    frames: Frames,
    teachers: Sequence[Teacher],
    batch: Batch,
    judges: Judges | None = None,
) -> Parts:
    """Train one step on this process's batch, and return its losses. judges: on a frozen generator only."""
    if judges is not None:
        return _advance_on_generator(recipe, run, state, frames, judges, batch)
    teacher = teachers[state.step % len(teachers)] if teachers else None
    first_crops.set_from_them(recipe, run, state, frames, teachers)
    stage = recipe.stage_of(state.step)
    torch.manual_seed(seed_of(recipe, state.step))
    if stage == "detail":
        keep_symbols(state.model)
    if stage == "semantic":
        coarse_stage.keep_all_but_map(state.model)
    elif recipe.semantic_steps and stage in ("codec", "adversarial"):
        coarse_stage.release(state.model)
    batch = on_device(batch, run)
    lit = LitBatch(batch, batch.images)
    if stage == "decoder":
        decoder_stage.keep_symbols(state.model)
        lit = draw_light(batch, recipe.swapped, torch.Generator().manual_seed(seed_of(recipe, state.step) + 1))
        batch = lit.batch
    state.model.train()
    with torch.autocast(torch.device(run.device).type, torch.bfloat16, enabled=run.bf16):
        seen = None if teacher is None else teacher(batch.images)
        decoded, parts = _decode(recipe, state, lit, stage)
        parts = _add_image_losses(recipe, state, batch, decoded, parts, teacher, seen, stage)
    loss = parts.pixel + recipe.teacher * parts.teacher + recipe.latent * parts.latent
    loss = loss + recipe.texture * parts.texture + recipe.where * parts.where
    loss = loss + state.prices.price(parts.quality).to(run.device) * parts.bpp
    _step(recipe, state, loss)
    if stage == "adversarial":
        _train_critic(recipe, state, batch, decoded)
    return _finished(recipe, state, parts)


def _advance_on_generator(
    recipe: Recipe, run: Run, state: State, frames: Frames, judges: Judges, batch: Batch
) -> Parts:
    """``advance`` in a stage on a frozen generator."""
    generator_stages.enter(recipe, run, state, frames)
    seed = seed_of(recipe, state.step)
    torch.manual_seed(seed)
    quality = state.prices.draw(recipe.batch, torch.Generator().manual_seed(seed))
    images = generator_stages.completed(recipe, state, on_device(batch, run), state.step)
    keep = kept_layers(recipe, state.step, state.model.profile.feature.layers)
    with torch.autocast(torch.device(run.device).type, torch.bfloat16, enabled=run.bf16):
        parts = generator_stages.losses(recipe, state, images, quality, judges, keep)
    loss = parts.pixel + recipe.teacher * parts.teacher + recipe.latent * parts.latent + recipe.match * parts.match
    loss = loss + recipe.identity * parts.identity + recipe.parsing * parts.parsing
    loss = loss + state.prices.price(parts.quality).to(run.device) * parts.bpp
    _step(recipe, state, loss)
    return _finished(recipe, state, parts)


def _step(recipe: Recipe, state: State, loss: Tensor) -> None:
    """Move what is trained of the model against the gradient of a loss, (B,)."""
    parameters = [*state.model.parameters(), *state.where.parameters()]
    take_step(state.optimizer, loss.mean(), learning_rate(recipe, state.step), parameters, _MAX_GRADIENT_NORM)


def _finished(recipe: Recipe, state: State, parts: Parts) -> Parts:
    """Count the step, move the averaged model, and return the losses without their graph."""
    state.step += 1
    update_average(state.averaged, state.model, recipe.average, state.step)
    return Parts(*(part.detach().cpu() for part in parts))


def _decode(recipe: Recipe, state: State, lit: LitBatch, stage: str) -> tuple[Tensor, Parts]:
    """The decoded images of a batch, and the losses that come with them."""
    batch = lit.batch
    count, pixels = len(batch.images), batch.images.shape[2] * batch.images.shape[3]
    zeros = torch.zeros(count, device=batch.images.device)
    random = torch.Generator().manual_seed(seed_of(recipe, state.step))
    quality = state.prices.draw(count, random)
    if stage == "autoencoder":
        latents = state.model.gie(batch.images)
        feature = nn.functional.dropout2d(latents.feature, recipe.feature_dropout)
        return state.model.generator(latents.w_plus, feature), Parts.of(quality, zeros)
    if stage == "semantic":
        image, bits = coarse_stage.decode(state.model, batch.images, quality.to(zeros.device))
        return image, Parts.of(quality, zeros, bpp=bits / recipe.image_pixels, words=bits)
    if stage == "decoder":
        image, bits = decoder_stage.decode(state.model, lit, quality.to(zeros.device))
        return image, Parts.of(quality, zeros, bpp=bits / pixels)
    if stage == "detail":
        quality = draw_qualities(count, state.model, random)
        alone = dropped_without_detail(dropped_samples(recipe, state.step, count), quality, state.model)
        dropped = alone.to(zeros.device) if bool(alone.any()) else None
        coded = state.model(batch.images, quality.to(zeros.device), dropped=dropped)
        assert coded.detail is not None
        assert coded.attention is not None
        where = where_loss(coded.attention, batch.weight)
        bpp = coded.detail.bits.sum(1) / pixels
        return coded.image, Parts.of(quality, zeros, where=where, bpp=bpp, whole=(~alone).to(zeros))
    keep = kept_layers(recipe, state.step, state.model.profile.feature.layers)
    dropped = dropped_samples(recipe, state.step, count)
    coded = state.model(
        batch.images,
        quality.to(zeros.device),
        keep=keep,
        detail=False,
        dropped=None if dropped is None else dropped.to(zeros.device),
    )
    words = coded.semantics.bits
    bpp = words / recipe.image_pixels + coded.features.bits.sum(1) / pixels
    whole = torch.ones(count, dtype=torch.bool) if dropped is None else ~dropped
    if keep is None and bool(whole.any()):
        state.prices.learn(*distributed.gathered(quality[whole], bpp[whole.to(zeros.device)]))
    latent = latent_loss(coded.features.feature, coded.feature, state.model.fcn.standard.scale)
    where = where_loss(state.where(coded.feature), batch.weight) if recipe.where else zeros
    return coded.image, Parts.of(
        quality, zeros, latent=latent, where=where, bpp=bpp, words=words, whole=whole.to(zeros)
    )


def _remove_pattern(recipe: Recipe, run: Run, state: State, frames: Frames) -> None:
    """Take the pattern of the averaged model out of it."""
    batches = (batch_at(recipe, run, frames, i) for i in range(max(1, CROPS // recipe.batch)))
    remove_pattern(state.averaged, batches, len(recipe.rates))
    distributed.share(state.averaged)


def _add_image_losses(
    recipe: Recipe,
    state: State,
    batch: Batch,
    decoded: Tensor,
    parts: Parts,
    teacher: Teacher | None,
    seen: Seen | None,
    stage: str,
) -> Parts:
    """The losses with those of the decoded images added."""
    image = decoded.float()
    pixel = pixel_loss(image, batch.images, batch.weight, recipe.gradient)
    alone = torch.ones_like(parts.whole, dtype=torch.bool) if stage == "semantic" else parts.whole == 0
    if bool(alone.any()):  # what w restores alone is judged alike in both stages
        coarse = coarse_stage.coarse_loss(image, batch.images, recipe.gradient, recipe.colour)
        pixel = torch.where(alone, coarse, pixel)
    if recipe.lattice:
        pixel = pixel + recipe.lattice * lattice_loss(image, batch.images)
    parts = parts._replace(pixel=pixel)
    if teacher is not None and seen is not None and recipe.teacher:
        difference = teacher_loss(teacher(decoded), seen, batch.weight)
        parts = parts._replace(teacher=torch.where(alone, recipe.teacher_alone * difference, difference))
    if stage == "adversarial":
        state.critic.requires_grad_(False)
        parts = parts._replace(texture=texture_loss(state.critic, decoded.float(), seed_of(recipe, state.step)))
    return parts


def _train_critic(recipe: Recipe, state: State, batch: Batch, decoded: Tensor) -> None:
    state.critic.requires_grad_(True)
    penalty = _PENALTY * _PENALTY_EVERY if state.step % _PENALTY_EVERY == 0 else 0.0
    loss = critic_loss(
        state.critic, batch.images.contiguous(), decoded.float().contiguous(), seed_of(recipe, state.step) + 1, penalty
    )
    take_step(state.critic_optimizer, loss, CRITIC_RATE, list(state.critic.parameters()), _MAX_GRADIENT_NORM)


def learning_rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step: a linear warm-up, then constant, then half a cosine down to a fiftieth.

    The cosine starts after half of the steps of autoencoder, codec and adversarial; in each of the other stages it
    starts at once. In the stages on a frozen generator it starts after half of the stage.
    """
    stage = recipe.stage_of(step)
    if recipe.on_generator:
        _, stage_step, length = recipe.frozen_stage(step)
        peak, decay = recipe.learning_rate, max(0.0, stage_step / length - 0.5) * 2
    elif stage == "detail":
        stage_step = step - recipe.first - recipe.decoder_steps
        peak, decay = recipe.detail_rate, stage_step / recipe.detail_steps
    elif stage == "decoder":
        stage_step = step - recipe.first
        peak, decay = recipe.decoder_rate, stage_step / recipe.decoder_steps
    elif stage == "semantic":
        stage_step = step - recipe.steps[0]
        peak, decay = recipe.semantic_rate, stage_step / recipe.semantic_steps
    else:
        stage_step = step if step < recipe.steps[0] else step - recipe.semantic_steps
        peak, decay = recipe.learning_rate, max(0.0, stage_step / sum(recipe.steps) - 0.5) * 2
    return learning_rate_at(peak, stage_step, recipe.warmup, decay)


def _materials(recipe: Recipe, run: Run) -> tuple[Frames, Sequence[Teacher], Judges | None]:
    """The images of shards, the teachers, and on a frozen generator the networks that judge images in their place.

    Raises:
        DataError: data or a teacher is damaged.
        UsageError: there are no shards, and no generator to draw images from; or as for ``load_judges`` and
            ``load_teachers``.
    """
    require_both(recipe, run.generator)
    if run.data is not None:
        frames = read_frames(run.data)
    elif recipe.on_generator:
        frames = generator_stages.frames_without_shards(run)
    else:
        raise UsageError(f"the config {recipe.name} needs a folder of shards, made with hsc-bench export-shards")
    if not recipe.on_generator:
        return frames, load_teachers(run.teachers, without_none(run.teachers, run.perceptual), run.device), None
    return frames, [], load_judges(run.teachers, run.perceptual, run.identity, run.parsing, run.device)


def train(
    recipe: Recipe,
    run: Run,
    *,
    checkpoint_s: float = 180.0,
    stop_at: int | None = None,
    report: Report = lambda line: None,
) -> State:
    """Train from the checkpoint in ``run.out`` to the recipe's last step, or to ``stop_at``.

    A finished run leaves the weights file. report: called with one line of progress at a time.

    Raises:
        DataError: the checkpoint in ``run.out`` is of another recipe; or checkpoint, data or a teacher is damaged.
        UsageError: the machine does not have the device; or as for ``start``.
    """
    with distributed.joined(usable(run.device)):
        frames, teachers, judges = _materials(recipe, run)
        run.out.mkdir(parents=True, exist_ok=True)
        state = start(recipe, run)
        resume_run(recipe, state, run.out / "checkpoint.pt")
        source = generator_stages.source_of(recipe, run, frames)
        last = min(recipe.total, stop_at or recipe.total)
        first, saved, recent = state.step, time.monotonic(), []
        began, before = saved, state.seconds
        indexes = range(
            state.step * distributed.count() + distributed.rank(), last * distributed.count(), distributed.count()
        )
        for batch in generator_stages.batches_of(recipe, run, frames, indexes):
            recent.append(advance(recipe, run, state, frames, teachers, batch, judges))
            state.seconds = before + time.monotonic() - began
            if state.step % _LOG_EVERY == 0 or state.step == last:
                line = append_log(recipe, state, recent, run.out / "log.csv")
                if distributed.rank() == 0:
                    report(line)
                recent = []
            if distributed.agreed(state.step == last or time.monotonic() - saved > checkpoint_s):
                save_checkpoint(recipe, run, state, source, judges)
                saved = time.monotonic()
        if state.step >= recipe.total and recipe.lattice and state.step > first:
            _remove_pattern(recipe, run, state, frames)
            save_checkpoint(recipe, run, state, source, judges)
        if state.step >= recipe.total and distributed.rank() == 0:
            export(recipe, run.out, run.out / f"{recipe.name}.safetensors", run.initial)
        return state
