"""The profiles "paper", "small" and "detailed", others that recipes name, and profiles as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from hsc.errors import DataError, UsageError
from hsc.files.plain_json import read_object
from hsc.networks.ablation_config import AblationConfig
from hsc.networks.coarse_map_config import CoarseMapConfig
from hsc.networks.config import (
    DetailConfig,
    EncoderConfig,
    FeatureConfig,
    GeneratorConfig,
    Profile,
    SemanticConfig,
)
from hsc.networks.config_bounds import require_bounded

PAPER = Profile("paper", GeneratorConfig(), EncoderConfig())
"""The paper's networks for faces at 1024x1024.

W+ 18x512, F 512x16x16 at layer 5, encoder input 256x256; symbols 192x2x2 and 192x8x8 in 8 slices. Generator
30,370,060 parameters, of which the mapping network 2,101,248; encoder 113,920,704, of which the 18 style heads
79,635,456; SCN 11,038,308, FCN 8,877,856. The trunk is an ArcFace ResNet-50 without its head.
"""

SMALL = Profile(
    "small",
    GeneratorConfig(
        resolution=256,
        w_dim=64,
        z_dim=64,
        mapping_layers=0,
        channel_base=3840,
        channel_max=192,
        start="feature",
        layer=5,
        form="residual",
    ),
    EncoderConfig(
        n_styles=9,
        w_dim=64,
        feature_channels=192,
        input_size=None,
        stem_width=24,
        stem_stride=2,
        widths=(32, 64, 128, 96),
        depths=(1, 1, 2, 1),
        feature_stride=1,
        pool=1,
        patch=True,
        norm="none",
    ),
    SemanticConfig(kind="mlp", channels=32, width=160),
    FeatureConfig(
        slices=(8, 8, 16, 24, 88),
        passes=3,
        stride=1,
        width=120,
        depth=2,
        context=32,
        hidden=((48, 48), (48, 48), (64, 64), (96, 64), (128, 96)),
    ),
)
"""Small networks for images of any size.

W+ 9x64 in 32 symbols; F 192 channels at a stride of 16, in 144 symbols per sample, 5 slices of 3 passes. Generator
1,705,242 parameters, encoder 1,692,792, SCN 299,424, FCN 2,279,952 (759,904 of SCN's and FCN's in integers of 8 bits or
tables): 11.8 MB in all. The integer networks take 0.106 GMAC for 384x256 pixels.
"""

DETAILED = replace(
    SMALL,
    name="detailed",
    generator=replace(SMALL.generator, detail=192),
    feature=replace(SMALL.feature, slices=(8, 8, 16, 24), hidden=((48, 48), (48, 48), (64, 64), (96, 64))),
    detail=DetailConfig(),
)
"""The profile "small" with F in 56 symbols per sample, in 4 slices, and from quality 4 on detail in 192 more symbols.

Generator 1,889,562 parameters, encoder 1,692,792, SCN 299,424, FCN 1,568,960, detail network 644,482 (777,456 of all in
integers of 8 bits, quality tables excluded): 11.8 MB in all. The integer networks take 0.104 GMAC for 384x256 pixels,
0.066 of it for detail.
"""

PROFILES = {profile.name: profile for profile in (PAPER, SMALL, DETAILED)}

COARSE = replace(
    SMALL,
    name="coarse",
    generator=replace(SMALL.generator, lapped=True, smooth=True),
    coarse_map=CoarseMapConfig(),
)
"""The profile "small" with a coarse map in 64 further symbols of w, from which F is predicted, and overlapping patches.

The map takes 771,980 parameters in SCN and 74,144 in FCN, all but a few of the latter in integers of 8 bits: 13.8 MB in
all. The integer networks take 0.107 GMAC for 384x256 pixels.
"""

COARSE_DETAILED = replace(
    COARSE,
    name="coarse-detailed",
    generator=replace(COARSE.generator, detail=DETAILED.generator.detail),
    feature=DETAILED.feature,
    detail=DETAILED.detail,
)
"""The profile "coarse" with F and detail as in "detailed"."""

SILENT = replace(COARSE, name="silent", coarse_map=CoarseMapConfig(silent=True))
"""The profile "coarse" without any semantics in its files: the control for what the hierarchy is worth."""

FACES = replace(PAPER, name="faces")


def _domain(name: str, resolution: int) -> Profile:
    """The paper's networks for a domain with F of 512x8x8 at layer 3 and an encoder input of 128x128."""
    generator = replace(PAPER.generator, resolution=resolution, layer=3)
    return replace(
        PAPER,
        name=name,
        generator=generator,
        encoder=replace(PAPER.encoder, n_styles=generator.n_styles, input_size=128),
    )


CARS, CHURCHES = _domain("cars", 512), _domain("churches", 256)
"""The paper's networks for cars (W+ 16x512) and churches (14x512); faces are those of the profile "paper"."""

TOY = Profile(
    "toy",
    GeneratorConfig(resolution=64, z_dim=64, mapping_layers=2, channel_base=2048, channel_max=32, layer=3),
    EncoderConfig(
        n_styles=10,
        feature_channels=32,
        input_size=64,
        stem_width=8,
        widths=(12, 16, 24, 32),
        depths=(1, 1, 1, 1),
        feature_stride=1,
    ),
    SemanticConfig(channels=8, width=16),
    FeatureConfig(slices=(4, 8, 12), width=32, depth=1, context=8, hidden=((16, 16),) * 3),
)
"""The same networks for pictures of 64x64, so small that their training on a generator takes minutes on two cores."""

TRIED = {profile.name: profile for profile in (COARSE, COARSE_DETAILED, SILENT, FACES, CARS, CHURCHES, TOY)}
"""Profiles that recipes name beside those; of them, "coarse" alone has packaged weights."""


def profile_to_json(profile: Profile) -> str:
    """All fields of a profile as one line of canonical JSON; ``profile_from_json`` reads it."""
    fields = asdict(profile)
    if profile.detail is None:  # the JSON is part of fingerprints, and older profiles had no such fields
        del fields["detail"], fields["generator"]["detail"]
    if profile.coarse_map is None:
        del fields["coarse_map"]
    for name in ("lapped", "smooth"):
        if not fields["generator"][name]:
            del fields["generator"][name]
    if profile.ablation is None:
        del fields["ablation"]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def profile_from_json(text: str) -> Profile:
    """Read a profile that ``profile_to_json`` wrote.

    Raises:
        DataError: the text is no profile, or exceeds the bounds of ``hsc.networks.config_bounds``.
    """
    try:
        fields = read_object(text)
        require_bounded(fields)
        parts = {name: _as_tuple(value) for name, value in fields.items()}
        return Profile(
            parts["name"],
            GeneratorConfig(**parts["generator"]),
            EncoderConfig(**parts["encoder"]),
            SemanticConfig(**parts["semantic"]),
            FeatureConfig(**parts["feature"]),
            None if parts.get("detail") is None else DetailConfig(**parts["detail"]),
            None if parts.get("coarse_map") is None else CoarseMapConfig(**parts["coarse_map"]),
            None if parts.get("ablation") is None else AblationConfig(**parts["ablation"]),
        )
    except (ValueError, KeyError, TypeError, ArithmeticError, UsageError) as error:
        raise DataError(
            f"the profile in the weights cannot be read: {error}; the weights need another version of hsc, or are "
            f"damaged"
        ) from error


def _as_tuple(value: Any) -> Any:
    """Turn lists into tuples, at any depth of a JSON value."""
    if isinstance(value, dict):
        return {name: _as_tuple(inner) for name, inner in value.items()}
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list) else value
