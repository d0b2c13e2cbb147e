"""The critic of the adversarial stage, which tells real patches from decoded ones, and its losses.

    x (B, 3, h, w) ──> stride 2 ──> 4 ──> 8 ──> one logit per patch (B, 1, h/8, w/8)

The losses are non-saturating, and the critic is kept smooth by R1 on real images every few steps. Real and decoded
images get the same random augmentations, so that few images are enough (Isola et al. 2017, "pix2pix", PatchGAN;
Mescheder et al. 2018, R1; Karras et al. 2020, lazy R1; Zhao et al. 2020, "DiffAugment").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_WIDTHS = (32, 64, 96)
_MIN_CUT, _MAX_CUT = 0.1, 0.35


class PatchCritic(nn.Module):
    """The critic network, randomly initialised."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *_WIDTHS[:-1]), _WIDTHS, strict=True):
            layers += [nn.utils.parametrizations.spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(_WIDTHS[-1], 1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of patches: images (B, 3, h, w), about -1 to 1 -> (B, 1, h/8, w/8); above 0 a patch looks real."""
        logits: Tensor = self.layers(images)
        return logits


def augmented(images: Tensor, random: torch.Generator) -> Tensor:
    """Images with random brightness, contrast and blank rectangle, differentiable: (B, 3, h, w) to the same shape."""
    batch, _, height, width = images.shape
    draws = torch.rand(batch, 6, generator=random, dtype=torch.float32).to(images.device)
    mean = images.mean((1, 2, 3), keepdim=True)
    contrast, brightness = (draws[:, i, None, None, None] for i in (0, 1))
    x = (images - mean) * (0.7 + 0.6 * contrast) + mean + 0.4 * (brightness - 0.5)
    sides = _MIN_CUT + (_MAX_CUT - _MIN_CUT) * draws[:, 2:4]
    starts = draws[:, 4:6] * (1 - sides)
    rows = (torch.arange(height, device=images.device) + 0.5)[None] / height  # (1, h)
    columns = (torch.arange(width, device=images.device) + 0.5)[None] / width
    down = (rows >= starts[:, :1]) & (rows < starts[:, :1] + sides[:, :1])  # (B, h)
    across = (columns >= starts[:, 1:]) & (columns < starts[:, 1:] + sides[:, 1:])
    return x * (~(down[:, :, None] & across[:, None, :]))[:, None]


def critic_loss(critic: nn.Module, real: Tensor, decoded: Tensor, seed: int, penalty: float) -> Tensor:
    """The loss of the critic. penalty: weight of R1, 0 to leave it out in this step."""
    real = augmented(real, torch.Generator().manual_seed(seed)).detach().requires_grad_(penalty > 0)
    real_logits = critic(real)
    decoded_logits = critic(augmented(decoded.detach(), torch.Generator().manual_seed(seed)))
    loss = functional.softplus(-real_logits).mean() + functional.softplus(decoded_logits).mean()
    if penalty:
        (slope,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
        loss = loss + penalty / 2 * slope.square().sum((1, 2, 3)).mean()
    return loss


def texture_loss(critic: nn.Module, decoded: Tensor, seed: int) -> Tensor:
    """The adversarial loss of the generator, one number per sample, (B,)."""
    return functional.softplus(-critic(augmented(decoded, torch.Generator().manual_seed(seed)))).mean((1, 2, 3))
