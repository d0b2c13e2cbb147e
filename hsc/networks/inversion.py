"""The general inversion encoder (GIE): from an image to the styles and the feature map that generate it.

    x (B, 3, H, W) ──[to input_size]──> stem ──> block 1 ──> block 2 ──> block 3 ──> block 4
                                                   │           │          │  │          │
                                                   │           │          │  └─ two convs ──> F (B, C, h, w)
                                                   └── pool ───┴── pool ──┴── pool ─────┴── pool
                                                                     concatenated
                                                   one linear layer per style, + mean w ──> W+ (B, n_styles, w_dim)

Each block halves the side; h = ceil(H / stride). With ``patch`` a linear embedding of 16x16 patches is added to F; it
starts as principal components, which the trunk refines.

Pooling adapts to the size, so images of any size are accepted unless the config resizes them first. With four blocks of
64, 128, 256 and 512 channels pooled to 3x3, a style head has 8,640 x 512 weights: the style heads hold most of the
paper's encoder.

Source: Yao et al. 2022, "Feature-Style Encoder for Style-Based GAN Inversion", section 3.1; the residual unit is that
of Deng et al. 2019, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", section 3.2.2 (improved
residual).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.errors import UsageError
from hsc.networks.config import EncoderConfig


class Inversion(NamedTuple):
    """An image's latents: w_plus (B, n_styles, w_dim), and F as feature (B, C, h, w), both float."""

    w_plus: Tensor
    feature: Tensor


class GIE(nn.Module):
    """The encoder of an ``EncoderConfig``, randomly initialised."""

    w_mean: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        batch = config.norm == "batch"
        self.stem = nn.Sequential(
            nn.Conv2d(3, config.stem_width, 3, config.stem_stride, 1, bias=not batch),
            _norm(config.stem_width, batch),
            nn.PReLU(config.stem_width),
        )
        self.blocks = nn.ModuleList()
        width = config.stem_width
        for outputs, depth in zip(config.widths, config.depths, strict=True):
            units = [
                Residual(width if i == 0 else outputs, outputs, stride=2 if i == 0 else 1, batch=batch)
                for i in range(depth)
            ]
            self.blocks.append(nn.Sequential(*units))
            width = outputs
        inputs, channels = config.widths[config.feature_block - 1], config.feature_channels
        self.content = nn.Sequential(
            _norm(inputs, batch),
            nn.Conv2d(inputs, channels, 3, 1, 1, bias=not batch),
            _norm(channels, batch),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, config.feature_stride, 1, bias=not batch),
            _norm(channels, batch),
        )
        self.patch: nn.Conv2d | None = None
        if config.patch:
            self.patch = nn.Conv2d(3, channels, config.stride, config.stride)
            last = self.content[-2]
            assert isinstance(last, nn.Conv2d)
            nn.init.zeros_(last.weight)
        pooled = sum(config.widths) * config.pool**2
        self.styles = nn.ModuleList(nn.Linear(pooled, config.w_dim) for _ in range(config.n_styles))
        self.register_buffer("w_mean", torch.zeros(config.n_styles, config.w_dim))

    def set_mean(self, w: Tensor) -> None:
        """Set the generator's mean latent, (w_dim,) or (n_styles, w_dim), which is added to the heads' outputs."""
        self.w_mean.copy_(w.expand_as(self.w_mean))

    def forward(self, x: Tensor) -> Inversion:
        """Invert images: (B, 3, H, W), float, -1 to 1, any H and W from 1 up.

        Raises:
            UsageError: x has another shape.
        """
        if x.ndim != 4 or x.shape[1] != 3:
            raise UsageError(f"images came with shape {tuple(x.shape)}, expected (B, 3, H, W)")
        size = self.config.input_size
        if size is not None and x.shape[2:] != (size, size):
            x = functional.interpolate(x, (size, size), mode="bilinear", align_corners=False, antialias=True)
        outputs, feature = self.trunk(x)
        pooled = [
            functional.adaptive_avg_pool2d(output, self.config.pool).flatten(1) for output in outputs
        ]  # (B, C * pool * pool) each
        return Inversion(self.styles_of(torch.cat(pooled, 1)), feature)

    def trunk(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """The outputs of the four blocks, and F. This part is convolutional, so it can be run in tiles."""
        linear = self._patches(x)
        x = self.stem(x)
        outputs, feature = [], x
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            outputs.append(x)
            if number == self.config.feature_block:
                feature = self.content(x)
        return outputs, feature if linear is None else feature + linear

    def _patches(self, x: Tensor) -> Tensor | None:
        """The linear part of F, from patches of the image padded by repeating its edge; None without ``patch``."""
        if self.patch is None:
            return None
        down, right = (-side % self.config.stride for side in x.shape[2:])
        embedded: Tensor = self.patch(functional.pad(x, (0, right, 0, down), mode="replicate") if down or right else x)
        return embedded

    def styles_of(self, pooled: Tensor) -> Tensor:
        """W+ from the pooled outputs of all blocks: (B, sum of widths * pool * pool) -> (B, n_styles, w_dim)."""
        return torch.stack([head(pooled) for head in self.styles], 1) + self.w_mean


class Residual(nn.Module):
    """A residual unit: norm, conv, norm, PReLU, conv of ``stride``, norm; a 1x1 conv on the shortcut if shapes differ.

    (B, inputs, h, w) -> (B, outputs, ceil(h / stride), ceil(w / stride)). Without batch norm the last convolution
    starts at zero, which keeps deep networks trainable (Zhang, Dauphin, Ma 2019, "Fixup Initialization").
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int, batch: bool) -> None:
        super().__init__()
        last = nn.Conv2d(outputs, outputs, 3, stride, 1, bias=not batch)
        if not batch:
            nn.init.zeros_(last.weight)
        self.branch = nn.Sequential(
            _norm(inputs, batch),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=not batch),
            _norm(outputs, batch),
            nn.PReLU(outputs),
            last,
            _norm(outputs, batch),
        )
        same = stride == 1 and inputs == outputs
        if same:
            self.shortcut: nn.Module = nn.Identity()
        elif batch:
            # not a convolution of stride 2: for some widths torch 2.14 crashes in its gradient on CPUs (channels last)
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(1, stride), nn.Conv2d(inputs, outputs, 1, bias=False), _norm(outputs, batch)
            )
        else:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False), nn.Conv2d(inputs, outputs, 1)
            )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.branch(x) + self.shortcut(x)
        return y


def _norm(channels: int, batch: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if batch else nn.Identity()
