"""The training stage "detail": the symbols and rates of F are fixed; their decoder and the detail are trained.

    x ──frozen GIE, SCN, g_a, integer networks──> symbols ──g_s (trained)──> F_hat ──generator (trained)──> image
    x - image ──levels and attention (trained)──> E_hat ──generator (trained)──> image

Machines weight errors unequally. The basis of the detail is computed once, when the stage starts, from residuals of
images and from a teacher's sensitivity to errors.

Symbols are fixed, so rate and error need not be balanced, and a falling learning rate brings every quality as far as
its symbols allow. The quality fixes the quantiser of the detail; its integer networks are trained on the rate alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.networks.model import HscModel
from hsc.training import decoder_stage, distributed
from hsc.training.shards import Batch
from hsc.training.teachers.seen import Teacher

_SPAN = 72  # qualities in 1/32 above the detail's start
_TEACHER_SHARE = 0.8  # share of the teacher's sensitivity in the metric; the rest is plain error
_INJECT_SCALE = 0.3


def draw_qualities(batch: int, model: HscModel, random: torch.Generator) -> Tensor:
    """Qualities for a batch, (B,) int64 in 1/32, alternating between those with and those without detail."""
    assert model.profile.detail is not None
    start = model.profile.detail.start
    position = torch.rand(batch, generator=random)
    with_detail = start + (position * _SPAN).long()
    without = min(QUALITY_STEPS, start) + (position * max(0, start - QUALITY_STEPS)).long()
    return torch.where(torch.arange(batch) % 2 == 0, with_detail, without)


def dropped_without_detail(dropped: Tensor | None, quality: Tensor, model: HscModel) -> Tensor:
    """Which samples have no layer of F, (B,) bool: those drawn, or None for none, but never one with detail."""
    assert model.profile.detail is not None
    drawn = torch.zeros(len(quality), dtype=torch.bool) if dropped is None else dropped
    return drawn & (quality < model.profile.detail.start)


def keep_symbols(model: HscModel) -> None:
    """Freeze everything but the decoder of the symbols of W+ and F, and the coding of the detail."""
    assert model.detail is not None
    assert model.generator.basis is not None
    decoder_stage.keep_symbols(model)
    model.detail.requires_grad_(True)
    for fixed in (model.generator.basis, model.detail.quality):
        fixed.requires_grad_(False)


def set_basis(model: HscModel, batches: Iterable[Batch], teacher: Teacher | None, *, everywhere: bool = False) -> None:
    """Set the detail's basis to the principal components of residuals on objects, at the quality where detail starts.

    The components are those in the metric of ``sensitivity``, so one step size fits all. The generator's reading of E
    starts as what its patches would add to F in the encoder. everywhere: objects are not known, so all of a picture
    counts, and attention is 1.
    """
    assert model.detail is not None
    assert model.generator.basis is not None
    if everywhere:
        model.detail.attend_everywhere()
    model.eval()
    basis, side = model.generator.basis.weight, model.profile.generator.stride
    size = 3 * side**2
    residuals, sensitivities = (torch.zeros(size, size, dtype=torch.float64, device=basis.device) for _ in range(2))
    for batch in batches:
        quality = torch.full((len(batch.images),), model.detail.config.start, dtype=torch.int64, device=basis.device)
        objects = torch.ones_like(batch.weight, dtype=torch.bool) if everywhere else batch.weight > 1
        with torch.no_grad():
            decoded = model(batch.images, quality, detail=False).image
            residuals += _products((batch.images - decoded) * objects, side)
        if teacher is not None:
            sensitivities += _products(sensitivity(teacher, batch.images) * objects, side)
    metric = torch.eye(size, dtype=torch.float64, device=basis.device)
    if teacher is not None:
        scale = _TEACHER_SHARE * size / sensitivities.trace()
        metric = (1 - _TEACHER_SHARE) * metric + scale * sensitivities
    values, axes = torch.linalg.eigh(metric)
    root, inverse = (axes * values.sqrt()) @ axes.t(), (axes / values.sqrt()) @ axes.t()
    components = torch.linalg.eigh(root @ residuals @ root).eigenvectors.flip(1)[:, : basis.shape[1]]
    with torch.no_grad():
        basis.copy_((inverse @ components)[:, :, None, None].float())
        if model.gie.patch is not None:
            patch_effect = model.gie.patch.weight.flatten(1) @ basis[:, :, 0, 0]
            model.generator.inject.weight.copy_(_INJECT_SCALE * patch_effect[:, :, None, None])
    distributed.share(model.generator)
    model.train()


def sensitivity(teacher: Teacher, images: Tensor) -> Tensor:
    """A random sample of a teacher's sensitivity to each pixel: gradients (B, 3, H, W) with products of mean J^T J.

    J is the Jacobian from pixels to the teacher's features, each layer in units of its mean absolute value, and to its
    class maps, if it has any, in units of their deviation.
    """
    pixels = images.clone().requires_grad_(True)
    seen = teacher(pixels)
    total = torch.zeros((), device=images.device)
    for feature in seen.features:
        scaled = feature / feature.detach().abs().mean() * torch.randn_like(feature)
        total = total + scaled.sum() / feature[0].numel() ** 0.5
    if seen.logits is not None:
        scaled = seen.logits * seen.logits.detach().softmax(1).sqrt() * torch.randn_like(seen.logits)
        total = total + scaled.sum() / seen.logits[0, 0].numel() ** 0.5
    (gradient,) = torch.autograd.grad(total, pixels)
    return gradient


def _products(images: Tensor, side: int) -> Tensor:
    """The sum of the outer products of all patches with themselves, (3 side side, 3 side side) float64."""
    patches = functional.pixel_unshuffle(images, side).permute(0, 2, 3, 1).flatten(0, 2).double()
    return patches.t() @ patches
