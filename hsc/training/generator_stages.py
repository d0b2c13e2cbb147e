"""The training stages on a frozen StyleGAN2: first its inversion encoder, then the networks that code what it gives.

    z ──frozen generator──> images, or images of shards
    inversion   images ──GIE──> W+, F ──frozen generator──> images'
    scn         W+ ──SCN──> bits of W+, w_hat                            GIE is frozen from here on
    fcn         W+ ──SCN (frozen)──> w_hat;  F ──FCN(. | w_hat)──> bits of F, F_hat
    both        the last two together;  w_hat, F_hat ──frozen generator──> images'

    inversion   e^2 + teacher * perceptual + match * |F - G_n(W+)|^2 + identity * (1 - cos) + parsing * (1 - cos)
    scn         latent * |w_hat - W+|^2 + price * bits          in units of W+'s deviation
    fcn         latent * |F_hat - F|^2 + price * bits           in units of F's deviation
    both        latent * both of these + price * bits + the losses of images', as pixels and gradients

FCN always sees the decoded w, as the decoder will. After the stage inversion the encoder is the averaged one, which is
exported. G_n(W+) is what the generator itself has in the place of F; F stays near it, so that edits carry over.

Source: Li et al. 2025 (see ``hsc.networks.scn``); the encoder's losses: Yao et al. 2022
(``hsc.training.teachers.perception``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from hsc.errors import DataError
from hsc.networks.model import HscModel
from hsc.training import distributed
from hsc.training.frozen_generator import draw_images
from hsc.training.initialisation import STATISTICS_BATCHES, set_statistics
from hsc.training.losses import latent_loss, pixel_loss
from hsc.training.recipe import Recipe
from hsc.training.sampling import batch_at, crops_of, on_device, seed_of
from hsc.training.shards import Batch, Frames
from hsc.training.state import Parts, Run, State
from hsc.training.teachers import perception
from hsc.training.teachers.perception import Judges


def frames_without_shards(run: Run) -> Frames:
    """No images of shards: all are drawn from the generator."""
    assert run.generator is not None
    return Frames((), (), (), f"images drawn from {run.generator.name}")


def source_of(recipe: Recipe, run: Run, frames: Frames) -> str:
    """The origin of a training's images, for its card."""
    if run.generator is None or not frames.images:
        return frames.source
    return f"{frames.source}; {recipe.generated:.0%} drawn from {run.generator.name}"


def batches_of(recipe: Recipe, run: Run, frames: Frames, steps: range) -> Iterator[Batch]:
    """The crops of steps; empty batches without shards. ``completed`` adds the images that are drawn."""
    if frames.images:
        return crops_of(recipe, frames).of(steps, run.workers)
    return (_empty(recipe) for _ in steps)


def completed(recipe: Recipe, state: State, batch: Batch, step: int) -> Tensor:
    """The images of a step, on the model's device: those of its crops, some or all replaced by drawn ones.

    Raises:
        DataError: the generator gives values that are not finite.
    """
    share = (recipe.generated if len(batch.images) else 1.0) * recipe.batch
    drawn = int(share + np.random.default_rng([recipe.seed, 7, step]).random())
    if not drawn:
        return batch.images
    images = draw_images(state.model, drawn, seed_of(recipe, step))
    if not bool(images.isfinite().all()):
        raise DataError("the generator draws images that are not finite numbers; convert its checkpoint again")
    return torch.cat([images, batch.images[drawn:]])


def enter(recipe: Recipe, run: Run, state: State, frames: Frames) -> None:
    """What comes before a step: its stage's networks are trained and the others frozen; before the first step after the
    stage inversion, the averaged encoder becomes the model's, and the statistics of W+ and F are set."""
    model, (stage, _, _) = state.model, recipe.frozen_stage(state.step)
    if state.step == recipe.frozen_steps[0] and state.step:
        model.load_state_dict(state.averaged.state_dict())
        distributed.share(model.gie)
        model.eval()
        crops = (
            batch_at(recipe, run, frames, i) if frames.images else _empty(recipe) for i in range(STATISTICS_BATCHES)
        )
        set_statistics(state, (completed(recipe, state, on_device(batch, run), i) for i, batch in enumerate(crops)))
    set_trained(model, stage)


def set_trained(model: HscModel, stage: str) -> None:
    """Train the networks of a stage; freeze the others, with the statistics of their batch norms."""
    model.eval().requires_grad_(False)
    trained = {"inversion": (model.gie,), "scn": (model.scn,), "fcn": (model.fcn,), "both": (model.scn, model.fcn)}
    for network in trained[stage]:
        network.train().requires_grad_(True)


def losses(recipe: Recipe, state: State, images: Tensor, quality: Tensor, judges: Judges, keep: int | None) -> Parts:
    """The losses of a step. quality: of each sample. keep: number of coded layers of F, None for all."""
    model, (stage, _, _) = state.model, recipe.frozen_stage(state.step)
    zeros = torch.zeros(len(images), device=images.device)
    if stage == "inversion":
        latents = model.gie(images)
        with torch.no_grad():
            own = model.generator.run_below(latents.w_plus).feature
        match = (latents.feature.float() - own.float()).square().mean((1, 2, 3))
        decoded = model.generator(latents.w_plus, latents.feature).float()
        pixel = (decoded - images).square().mean((1, 2, 3))
        return _judged(recipe, state, decoded, images, judges, Parts.of(quality, zeros, pixel=pixel, match=match))
    with torch.no_grad():
        latents = model.gie(images)
    coding_quality = quality.to(images.device)
    if stage == "scn":
        semantics = model.scn(latents.w_plus, coding_quality)
        bpp = semantics.bits / recipe.image_pixels
        if not model.scn.silent:  # where W+ is not coded its price would fall without end
            _learn(state, quality, bpp / recipe.words_share)
        latent = words_loss(model, semantics.w_hat, latents.w_plus)
        return Parts.of(quality, zeros, latent=latent, bpp=bpp, words=semantics.bits)
    semantics, features = model.compress(latents.w_plus, latents.feature, coding_quality, keep=keep)
    bpp = (semantics.bits + features.bits.sum(1)) / recipe.image_pixels
    if keep is None:
        _learn(state, quality, bpp)
    latent = latent_loss(features.feature, latents.feature, model.fcn.standard.scale)
    parts = Parts.of(quality, zeros, latent=latent, bpp=bpp, words=semantics.bits)
    if stage == "fcn":
        return parts
    decoded = model.generator(semantics.w_hat, features.feature).float()
    parts = parts._replace(
        latent=latent + words_loss(model, semantics.w_hat, latents.w_plus),
        pixel=pixel_loss(decoded, images, torch.ones_like(images[:, :1]), recipe.gradient),
    )
    return _judged(recipe, state, decoded, images, judges, parts)


def words_loss(model: HscModel, w_hat: Tensor, w_plus: Tensor) -> Tensor:
    """Mean square of w_hat - W+ in units of W+'s deviation: (B, n_styles, w_dim) each -> (B,). W+ gets no gradient."""
    difference = (w_hat - w_plus.detach()).flatten(1) / model.scn.standard.scale
    return difference.square().mean(1)


def _judged(recipe: Recipe, state: State, decoded: Tensor, images: Tensor, judges: Judges, parts: Parts) -> Parts:
    """The losses with those of the networks that judge images added, where there are any and their weight is not 0."""
    side = state.model.profile.encoder.input_size or images.shape[2]
    if judges.perceptual and recipe.teacher:
        network = judges.perceptual[state.step % len(judges.perceptual)]
        parts = parts._replace(teacher=perception.perceptual_loss(network, decoded, images, side))
    if judges.identity is not None and recipe.identity:
        parts = parts._replace(identity=perception.cosine_loss(judges.identity, decoded, images, side))
    if judges.parsing is not None and recipe.parsing:
        parts = parts._replace(parsing=perception.cosine_loss(judges.parsing, decoded, images, side))
    return parts


def _learn(state: State, quality: Tensor, bpp: Tensor) -> None:
    state.prices.learn(*distributed.gathered(quality, bpp))


def _empty(recipe: Recipe) -> Batch:
    """A batch of no images."""
    height, width = recipe.crop
    images = torch.zeros(0, 3, height, width)
    return Batch(images, images[:, :1], images[:, 0].long(), images[:, :0], images)
