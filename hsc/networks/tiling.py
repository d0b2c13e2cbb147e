"""Between pixels and the networks, whatever the image's size: padding, tiles, rounding.

    image (H, W, 3) uint8 ──edges repeated to the stride──> tiles with margin ──GIE's trunk──> F stitched, block sums
    ──> W+ W+, F ──tiles of F with margin──> generator ──middle cut out──> uint8 ──crop──> image (H, W, 3)

Up to ``tile`` samples of F a side an image is one piece. Above that, each tile is computed with as much of its
surroundings as its networks can see (``trunk_reach``, ``synthesis_reach``), so a tile's middle is what the whole image
would have given but
for the last bits of float sums: there is no seam. Global means are sums over all tiles. With the "small" profile a
process that coded and decoded 4096x4096 pixels, about the most a file holds, took 1.9 GiB at its peak, 0.6 of them
before the first image.

Profiles with a fixed input ("paper") see the image scaled to that size, and what they make is scaled back: the rate and
the blur of it are theirs. Nothing is tiled there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hsc.api import Image
from hsc.entropy_coding.container import MAX_PADDED_PIXELS, why_too_large
from hsc.errors import BitstreamError, ImageError, UsageError
from hsc.networks.config import EncoderConfig, GeneratorConfig
from hsc.networks.entropy_model import feature_size
from hsc.networks.inversion import GIE, Inversion
from hsc.networks.model import HscModel
from hsc.networks.stylegan2 import StyleGAN2

TILE = 64
"""Samples of F along a tile's side."""

_ATTENTION_REACH = 3
"""Samples of F to each side that attention depends on, its interpolation included."""


class Window(NamedTuple):
    """A stretch of one axis: the samples wanted, start to stop, within those computed, low to high."""

    start: int
    stop: int
    low: int
    high: int


def require_image(image: Image) -> Image:
    """The image, if it is one.

    Raises:
        ImageError: not uint8 (H, W, 3), empty, or larger than a file can hold.
    """
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ImageError(
            f"the image came as {array.dtype} {array.shape}, expected uint8 (H, W, 3) RGB with at least one pixel"
        )
    if reason := why_too_large((array.shape[0], array.shape[1])):
        raise ImageError(f"the image has {array.shape[0]}x{array.shape[1]} pixels, {reason}; code it in parts")
    return array


def trunk_reach(config: EncoderConfig) -> int:
    """Pixels to each side that a sample of F or of any block's output depends on."""
    reach, spacing = 1, config.stem_stride
    for number, depth in enumerate(config.depths, start=1):
        reach, spacing = reach + 2 * spacing + 4 * spacing * (depth - 1), 2 * spacing
        if number == config.feature_block:
            feature = reach + 2 * spacing
    return max(reach, feature)


def synthesis_reach(config: GeneratorConfig) -> int:
    """Samples of F to each side that a pixel depends on, rounded up."""
    reach, spacing = 0.0, 1.0
    for layer in range(config.layer, config.layers.stop):
        doubling, residual = layer % 2 == 1, config.form == "residual"
        convolutions = 2 if doubling != residual else 1  # a blur counts as one
        reach += convolutions * spacing
        spacing /= 1 + layer % 2
    return int(reach) + 1


def windows(length: int, tile: int, margin: int) -> Iterator[Window]:
    """Cut an axis into tiles with margins that stop at its ends."""
    for start in range(0, length, tile):
        stop = min(length, start + tile)
        yield Window(start, stop, max(0, start - margin), min(length, stop + margin))


@torch.no_grad()
def invert(gie: GIE, image: Image, tile: int = TILE) -> Inversion:
    """W+ and F of one image: (1, n_styles, w_dim) and (1, C, h, w), float32.

    Raises:
        UsageError: the image is larger than a tile and the encoder pools to more than one sample.
    """
    config, device = gie.config, gie.w_mean.device
    stride = config.stride
    height, width = (-(-side // stride) * stride for side in image.shape[:2])
    if config.input_size is not None:
        return gie(_region(image, Window(0, 0, 0, image.shape[0]), Window(0, 0, 0, image.shape[1]), device))  # type: ignore[no-any-return]
    if max(height, width) <= tile * stride:
        return gie(_region(image, Window(0, 0, 0, height), Window(0, 0, 0, width), device))  # type: ignore[no-any-return]
    if config.pool != 1:
        raise UsageError(
            f"this encoder pools to {config.pool}x{config.pool}, which cannot be done in tiles; raise tile, or build "
            f"it with pool=1"
        )
    coarse = max(stride, config.stem_stride << 4)  # where block 4 and F both have samples
    margin = -(-trunk_reach(config) // coarse) * coarse
    side = max(1, tile * stride // coarse) * coarse
    feature = torch.zeros(1, config.feature_channels, height // stride, width // stride, device=device)
    sums = [torch.zeros(channels, dtype=torch.float64, device=device) for channels in config.widths]
    counts = [0] * len(sums)
    for rows in windows(height, side, margin):
        for columns in windows(width, side, margin):
            outputs, own = gie.trunk(_region(image, rows, columns, device))
            feature[
                :, :, rows.start // stride : rows.stop // stride, columns.start // stride : columns.stop // stride
            ] = _middle(own, rows, columns, stride)
            for i, output in enumerate(outputs):
                part = _middle(output, rows, columns, config.stem_stride << (i + 1))
                sums[i] += part.double().sum((0, 2, 3))
                counts[i] += part.shape[2] * part.shape[3]
    pooled = torch.cat([total / count for total, count in zip(sums, counts, strict=True)]).float()
    return Inversion(gie.styles_of(pooled[None]), feature)


@torch.no_grad()
def synthesise(
    model: HscModel,
    w_hat: Tensor,
    feature: Tensor | None,
    image_hw: tuple[int, int],
    tile: int = TILE,
    *,
    detail: Tensor | None = None,
) -> Image:
    """The image of decoded latents: w_hat (1, n_styles, w_dim), F_hat (1, C, h, w) or None for what W+ alone gives,
    E_hat (1, K, h, w) or None.

    Raises:
        BitstreamError: pixels would be no numbers; see ``require_numbers``.
    """
    generator, config = model.generator, model.profile.generator
    if model.profile.encoder.input_size is not None or feature is None:
        image = generator(w_hat, feature)
        return _to_uint8(_resized(image, image_hw))
    height, width = feature_size(model.profile, image_hw)
    if max(height, width) <= tile:
        return _to_uint8(_run(generator, w_hat, feature, detail))[: image_hw[0], : image_hw[1]].copy()
    margin, stride = synthesis_reach(config), config.stride
    image = np.empty((*image_hw, 3), np.uint8)
    for rows in windows(height, tile, margin):
        for columns in windows(width, tile, margin):
            seen = (slice(None), slice(None), slice(rows.low, rows.high), slice(columns.low, columns.high))
            made = _run(generator, w_hat, feature[seen], None if detail is None else detail[seen])
            top, left = (rows.start - rows.low) * stride, (columns.start - columns.low) * stride
            target = image[rows.start * stride : rows.stop * stride, columns.start * stride : columns.stop * stride]
            target[:] = _to_uint8(made[:, :, top : top + target.shape[0], left : left + target.shape[1]])
    return image


@torch.no_grad()
def residual_coefficients(model: HscModel, image: Image, made: Image, feature: Tensor) -> Tensor:
    """E of what ``made`` lacks of an image: F (1, C, h, w) -> (1, K, h, w) float32, in bands of as many samples as a
    tile has.
    """
    assert model.detail is not None
    scaled, stride, inverse = (
        model.fcn.standard(feature),
        model.profile.generator.stride,
        model.inverse_basis().to(feature.device),
    )
    bands, height = [], feature.shape[2]
    for rows in windows(height, TILE, _ATTENTION_REACH):
        band = slice(rows.low * stride, rows.high * stride)
        lack = (
            torch.from_numpy(image[band].astype(np.float32) - made[band])
            .to(feature.device)
            .permute(2, 0, 1)[None]
            .div_(127.5)
        )
        found = model.detail.values(lack, model.detail.logits(scaled[:, :, rows.low : rows.high]), inverse)
        bands.append(found[:, :, rows.start - rows.low : rows.stop - rows.low])
    return torch.cat(bands, 2)


def require_numbers(x: Tensor, what: str) -> Tensor:
    """The tensor itself, once its sum is a finite number: it is what networks made of a file's symbols.

    Raises:
        BitstreamError: some of it is not finite, which sane symbols and weights never give.
    """
    if not bool(x.sum().isfinite()):
        raise BitstreamError(
            f"the networks make {what} that are not finite numbers of these symbols; the stream or the weights are "
            f"damaged"
        )
    return x


def _resized(image: Tensor, image_hw: tuple[int, int]) -> Tensor:
    """(1, 3, side, side) at the size of an image: width first, as one call does, but for a width that many rows would
    make too much of.
    """
    height, width = image_hw
    steps = [image_hw] if image.shape[2] * width <= MAX_PADDED_PIXELS else [(height, image.shape[3]), image_hw]
    for size in steps:
        image = functional.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
    return image


def _run(generator: StyleGAN2, w_hat: Tensor, feature: Tensor, detail: Tensor | None) -> Tensor:
    made: Tensor = generator(w_hat, feature.contiguous(memory_format=torch.channels_last), detail=detail)
    return made


def _region(image: Image, rows: Window, columns: Window, device: torch.device) -> Tensor:
    """Pixels low to high of both axes as (1, 3, h, w), float32, -1 to 1; beyond the image its edge is repeated."""
    down = np.arange(rows.low, rows.high).clip(max=image.shape[0] - 1)
    right = np.arange(columns.low, columns.high).clip(max=image.shape[1] - 1)
    pixels = torch.from_numpy(image[down[:, None], right[None, :]]).to(device)
    return pixels.permute(2, 0, 1)[None].float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)


def _middle(x: Tensor, rows: Window, columns: Window, spacing: int) -> Tensor:
    """The samples of a tile's output, one every ``spacing`` pixels, that belong to the tile itself."""
    top, left = (rows.start - rows.low) // spacing, (columns.start - columns.low) // spacing
    bottom, right = top - (rows.start - rows.stop) // spacing, left - (columns.start - columns.stop) // spacing
    return x[:, :, top:bottom, left:right]


def _to_uint8(x: Tensor) -> Image:
    """(1, 3, h, w), -1 to 1 -> (h, w, 3)."""
    pixels: Image = (
        require_numbers(x, "pixels")[0]
        .add(1)
        .mul_(127.5)
        .round_()
        .clamp_(0, 255)
        .to(torch.uint8)
        .permute(1, 2, 0)
        .cpu()
        .numpy()
    )
    return pixels
