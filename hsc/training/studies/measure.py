"""What trained networks of a study need and give, on images drawn from the generator that no training step drew.

images ──GIE──> W+, F ──SCN, FCN──> bits of w, bits of F by slice, w_hat, F_hat ──generator──> decoded images
   └─────────────────────── file of each image by the codec ──────────────> bits per pixel of whole files
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hsc.codec import HscCodec
from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.networks.model import HscModel
from hsc.training.frozen_generator import draw_images
from hsc.training.losses import latent_loss
from hsc.training.teachers.perception import perceptual_loss

_STREAM = 9
"""Number of the stream of random numbers, beside those of ``hsc.training.sampling``."""


@dataclass(frozen=True)
class Point:
    """Means over the images at one whole quality.

    bits_w: of w in an image. bits_f: of each slice of F. bpp: of whole files, headers included. latent_mse: of F_hat,
    in units of F's deviation. psnr: of all images together, dB. distance: by the perceptual network, NaN without one.
    """

    quality: int
    bits_w: float
    bits_f: tuple[float, ...]
    bpp: float
    latent_mse: float
    psnr: float
    distance: float

    @property
    def bits(self) -> float:
        """Bits of w and F together, without header."""
        return self.bits_w + sum(self.bits_f)


def held_out_images(model: HscModel, count: int, seed: int) -> Tensor:
    """Images for measuring, as 8-bit files would hold them: (count, 3, side, side) float32, -1 to 1."""
    drawn = draw_images(model, count, int(np.random.default_rng([seed, _STREAM]).integers(1 << 62)))
    return ((drawn + 1) * 127.5).round() / 127.5 - 1


@torch.no_grad()
def measure(model: HscModel, images: Tensor, qualities: int, network: nn.Module | None = None) -> list[Point]:
    """The points of a frozen model at the qualities 1 to ``qualities``.

    network: of the perceptual distance (``hsc.training.teachers.perception``), or None.

    Raises:
        UsageError: the model is not frozen.
    """
    codec, latents = HscCodec(model), model.gie(images)
    pixels = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    points = []
    for whole in range(1, qualities + 1):
        quality = torch.full((len(images),), whole * QUALITY_STEPS, dtype=torch.int64)
        semantics, features = model.compress(latents.w_plus, latents.feature, quality)
        decoded = model.generator(semantics.w_hat, features.feature).clamp(-1, 1)
        error = ((decoded + 1) * 127.5).round() - ((images + 1) * 127.5).round()
        slices = features.bits.reshape(len(images), len(model.profile.feature.slices), -1).sum(2)
        side = model.profile.encoder.input_size or images.shape[2]
        points.append(
            Point(
                whole,
                float(semantics.bits.mean()),
                tuple(slices.mean(0).tolist()),
                float(np.mean([8 * len(codec.encode(image, whole)) / image[..., 0].size for image in pixels])),
                float(latent_loss(features.feature, latents.feature, model.fcn.standard.scale).mean()),
                10 * math.log10(255**2 / max(float(error.square().mean()), 1e-9)),
                math.nan if network is None else float(perceptual_loss(network, decoded, images, side).mean()),
            )
        )
    return points
