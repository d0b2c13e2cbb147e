"""The end of training: the pattern that all decoded images share, patch by patch, is taken out of the patches' bias.

    decoded - image, less its local mean ──mean over all patches──> pattern (3, side, side) ──through the filter's
    inverse──> subtracted from the bias

Sub-pixel convolutions leave such a pattern, of a level or two, which eyes see as a lattice and no error of single
pixels tells from noise. What they add depending on the image stays. Symbols are not affected, only their decoder.

Source: ours; the pattern: Odena, Dumoulin, Olah 2016, "Deconvolution and Checkerboard Artifacts".
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.networks.model import HscModel
from hsc.training.shards import Batch

CROPS = 96
"""Number of crops that the pattern is the mean of."""
_ROUNDS = 2  # the layers read nothing of the bias, so the second only removes what rounding leaves


@torch.no_grad()
def remove_pattern(model: HscModel, batches: Iterable[Batch], qualities: int) -> None:
    """Subtract the mean pattern of errors from the bias of the generator's patches, in place.

    batches: of images whose sides are multiples of a patch's, -1 to 1. qualities: number of trained whole qualities;
    the images take them in turn. A generator without patches is left as it is.
    """
    patches = model.generator.patches
    if patches is None:
        return
    training, held = model.training, list(batches)
    model.eval()
    for _ in range(_ROUNDS):
        count, sums = 0, torch.zeros(())
        for batch in held:
            turns = torch.arange(count, count + len(batch.images), device=batch.images.device) % qualities
            sums = sums + len(turns) * _pattern(model, batch.images, (turns + 1) * QUALITY_STEPS)
            count += len(turns)
        total = sums / count
        bias = total if model.generator.lap is None else model.generator.lap.undone(total)
        assert patches.bias is not None
        patches.bias -= functional.pixel_unshuffle(bias[None], bias.shape[1])[0, :, 0, 0]
    model.train(training)


def _pattern(model: HscModel, images: Tensor, quality: Tensor) -> Tensor:
    """The mean over patches of what decoding changes, without the mean and what is smooth: (3, side, side)."""
    side = model.profile.generator.stride
    error = model(images, quality, detail=False).image.float() - images
    fine = error - functional.avg_pool2d(error, side + 1, 1, side // 2, count_include_pad=False)
    count, channels, height, width = fine.shape
    folded: Tensor = fine.reshape(count, channels, height // side, side, width // side, side).mean((0, 2, 4))
    return folded - folded.mean((1, 2), keepdim=True)
