"""Profiles so small that a whole codec with random weights takes milliseconds, and a photo to code."""

from __future__ import annotations

import functools

import numpy as np
import torch

from hsc.codec import HscCodec
from hsc.networks.config import EncoderConfig, FeatureConfig, GeneratorConfig, Profile, SemanticConfig
from hsc.networks.model import HscModel

TINY = Profile(
    "tiny",
    GeneratorConfig(
        resolution=64, w_dim=8, z_dim=8, mapping_layers=0, channel_base=384, channel_max=12, start="feature", layer=1
    ),
    EncoderConfig(
        n_styles=9,
        w_dim=8,
        feature_channels=12,
        input_size=None,
        stem_width=4,
        stem_stride=2,
        widths=(6, 8, 10, 12),
        depths=(1, 1, 1, 1),
        feature_stride=1,
        pool=1,
        norm="none",
    ),
    SemanticConfig(kind="mlp", channels=6, width=12),
    FeatureConfig(slices=(2, 4), passes=3, stride=1, width=8, depth=1, context=4, hidden=((8, 8), (8, 8))),
)
"""As "small" is: any size, a stride of 16, three passes."""


def whole_profile() -> Profile:
    """As "paper" is: one size, a generator from the constant, W+ as maps, one pass, y at half the resolution of F."""
    generator = GeneratorConfig(
        resolution=64, w_dim=512, z_dim=8, mapping_layers=0, channel_base=384, channel_max=12, layer=3
    )
    encoder = EncoderConfig(
        n_styles=10,
        w_dim=512,
        feature_channels=12,
        input_size=64,
        stem_width=4,
        widths=(6, 8, 10, 12),
        depths=(1, 1, 1, 1),
        feature_stride=1,
        pool=3,
    )
    feature = FeatureConfig(slices=(2, 4), width=8, depth=1, context=4, hidden=((8, 8), (8, 8)))
    return Profile("tiny-whole", generator, encoder, SemanticConfig(channels=6, width=8), feature)


def lively(profile: Profile, seed: int = 0) -> HscModel:
    """A frozen random model whose latents have about unit variance, as a trained one's do."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = HscModel(profile)
        photos = [torch.from_numpy(noise_photo(64, 96, i)).permute(2, 0, 1) for i in range(8)]
        with torch.no_grad():
            latents = model.eval().gie(torch.stack(photos).float() / 127.5 - 1)
        model.scn.standard.set(latents.w_plus.flatten(1).mean(0), latents.w_plus.flatten(1).std(0))
        model.fcn.standard.set(latents.feature.mean((0, 2, 3)), latents.feature.std((0, 2, 3)))
        return model.freeze()


@functools.cache
def tiny_codec(tile: int = 64) -> HscCodec:
    """One codec for all tests that only read it."""
    return HscCodec(lively(TINY), tile=tile)


def noise_photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Seeded pixels with large and small detail: uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    coarse = (
        random.integers(0, 256, (-(-height // 16), -(-width // 16), 3)).repeat(16, 0).repeat(16, 1)[:height, :width]
    )
    return np.clip(coarse + random.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)
