"""The stage detail: F's symbols stay as they are, so do their rates; what decodes them learns, and the detail that is
coded behind them.

    x ──frozen GIE, SCN, g_a, integer networks──> symbols ──g_s──> F_hat ──generator──> image ──> what it lacks ──>
    E_hat ──generator──> image
                                                            ^ trained       ^ trained                       ^ levels, attention: trained

Errors are not alike to a machine. The basis of the detail is made once, when the stage begins, from what images lack
and from what a teacher sees of an error.

Symbols do not move, so there is no trade of rate against error to keep in balance, and a falling learning rate takes
every quality as far as its symbols go. Detail's quantiser is fixed by the quality; its integer networks are trained on
the rate alone.
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
from hsc.training.teacher import Teacher

_SPAN = 72  # qualities in 1/32 above the detail's start
_SEEN = 0.8  # share of the metric that is what the teacher sees; the rest is plain error
_READ = 0.3


def draw_qualities(batch: int, model: HscModel, random: torch.Generator) -> Tensor:
    """Qualities for a batch: (B,) int64 in 1/32, by turns among those with detail and those without."""
    assert model.profile.detail is not None
    start = model.profile.detail.start
    place = torch.rand(batch, generator=random)
    with_detail = start + (place * _SPAN).long()
    without = min(QUALITY_STEPS, start) + (place * max(0, start - QUALITY_STEPS)).long()
    return torch.where(torch.arange(batch) % 2 == 0, with_detail, without)


def keep_symbols(model: HscModel) -> None:
    """Let only what follows the symbols of W+ and F be trained, and what codes the detail."""
    assert model.detail is not None
    assert model.generator.basis is not None
    decoder_stage.keep_symbols(model)
    model.detail.requires_grad_(True)
    for fixed in (model.generator.basis, model.detail.quality):
        fixed.requires_grad_(False)


def set_basis(model: HscModel, batches: Iterable[Batch], teacher: Teacher | None) -> None:
    """Make the detail's basis the principal components of what images lack on objects, at the quality where detail
    starts.

    They are components in the metric of ``sensitivity``, so one step size serves all. The generator first reads E as
    the encoder would: by what its patches would add to F.
    """
    assert model.detail is not None
    assert model.generator.basis is not None
    model.eval()
    basis, side = model.generator.basis.weight, model.profile.generator.stride
    size = 3 * side**2
    lacking, seen = (torch.zeros(size, size, dtype=torch.float64, device=basis.device) for _ in range(2))
    for batch in batches:
        quality = torch.full((len(batch.images),), model.detail.config.start, dtype=torch.int64, device=basis.device)
        objects = batch.weight > 1
        with torch.no_grad():
            lacking += _products((batch.images - model(batch.images, quality, detail=False).image) * objects, side)
        if teacher is not None:
            seen += _products(sensitivity(teacher, batch.images) * objects, side)
    metric = torch.eye(size, dtype=torch.float64, device=basis.device)
    if teacher is not None:
        metric = (1 - _SEEN) * metric + _SEEN * size / seen.trace() * seen
    values, axes = torch.linalg.eigh(metric)
    root, inverse = (axes * values.sqrt()) @ axes.t(), (axes / values.sqrt()) @ axes.t()
    components = torch.linalg.eigh(root @ lacking @ root).eigenvectors.flip(1)[:, : basis.shape[1]]
    with torch.no_grad():
        basis.copy_((inverse @ components)[:, :, None, None].float())
        if model.gie.patch is not None:
            model.generator.inject.weight.copy_(
                _READ * (model.gie.patch.weight.flatten(1) @ basis[:, :, 0, 0])[:, :, None, None]
            )
    distributed.share(model.generator)
    model.train()


def sensitivity(teacher: Teacher, images: Tensor) -> Tensor:
    """A random sample of how what a teacher sees follows each pixel: gradients (B, 3, H, W), whose products average to
    J^T J.

    J leads from pixels to features, each layer in units of its own mean size, and class maps, in units of their
    deviation.
    """
    pixels = images.clone().requires_grad_(True)
    seen = teacher(pixels)
    total = torch.zeros((), device=images.device)
    for feature in seen.features:
        total = (
            total
            + (feature / feature.detach().abs().mean() * torch.randn_like(feature)).sum() / feature[0].numel() ** 0.5
        )
    certain = seen.logits.detach().softmax(1).sqrt()
    total = total + (seen.logits * certain * torch.randn_like(seen.logits)).sum() / seen.logits[0, 0].numel() ** 0.5
    (gradient,) = torch.autograd.grad(total, pixels)
    return gradient


def _products(images: Tensor, side: int) -> Tensor:
    """The sum of products of every two numbers of a patch, over all patches: (3 side side, 3 side side) float64."""
    patches = functional.pixel_unshuffle(images, side).permute(0, 2, 3, 1).flatten(0, 2).double()
    return patches.t() @ patches
