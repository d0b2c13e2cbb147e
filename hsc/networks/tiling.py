"""Running the networks on images of any size: padding, tiles, rounding.

    image (H, W, 3) uint8 ──edges repeated to the stride──> tiles with margin ──GIE's trunk──> F stitched, block sums
    block sums ──> W+
    W+, F ──tiles of F with margin──> generator ──centre of each tile──> uint8 ──crop──> image (H, W, 3)

An image of up to ``tile`` samples of F a side is one tile. A larger one is computed in tiles, each with as much of its
surroundings as its networks depend on (``trunk_reach``, ``synthesis_reach``). The centre of a tile then equals that of
the whole image up to the last bits of float sums, so there are no seams. Global means are sums over all tiles. With the
"small" profile, a process that coded and decoded 4096x4096 pixels, about the most a file holds, peaked at 1.9 GiB, 0.6
of which it used before the first image.

Profiles with a fixed input size ("paper") scale the image to that size and scale the result back, with the rate and the
blur that this implies. Nothing is tiled there.
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
"""Samples of F on each side that attention depends on, its interpolation included."""


class Window(NamedTuple):
    """One tile along one axis: wanted samples from ``start`` to ``stop``, computed ones from ``low`` to ``high``."""

    start: int
    stop: int
    low: int
    high: int


def require_image(image: Image) -> Image:
    """Check an image and return it.

    Raises:
        ImageError: the image is not uint8 (H, W, 3), is empty, or is larger than a file can hold.
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
    """Pixels on each side that a sample of F, or of any block's output, depends on."""
    reach, spacing = 1, config.stem_stride
    for number, depth in enumerate(config.depths, start=1):
        reach, spacing = reach + 2 * spacing + 4 * spacing * (depth - 1), 2 * spacing
        if number == config.feature_block:
            feature = reach + 2 * spacing
    return max(reach, feature)


def synthesis_reach(config: GeneratorConfig) -> int:
    """Samples of F on each side that a pixel depends on, rounded up."""
    reach, spacing = 0.0, 1.0
    for layer in range(config.layer, config.layers.stop):
        doubling, residual = layer % 2 == 1, config.form == "residual"
        convolutions = 2 if doubling != residual else 1  # a blur counts as one
        reach += convolutions * spacing
        spacing /= 1 + layer % 2
        if config.smooth and doubling:
            reach += spacing
    return int(max(reach, 0.5 if config.lapped else 0.0)) + 1


def windows(length: int, tile: int, margin: int) -> Iterator[Window]:
    """Cut an axis into tiles; their margins end at the ends of the axis."""
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
        height, width = image.shape[:2]
    if config.input_size is not None or max(height, width) <= tile * stride:
        whole: Inversion = gie(_region(image, Window(0, 0, 0, height), Window(0, 0, 0, width), device))
        return whole
    if config.pool != 1:
        raise UsageError(
            f"this encoder pools to {config.pool}x{config.pool}, which cannot be done in tiles; raise tile, or build "
            f"it with pool=1"
        )
    return _invert_tiles(gie, image, (height, width), tile)


def _invert_tiles(gie: GIE, image: Image, padded_hw: tuple[int, int], tile: int) -> Inversion:
    """W+ and F of an image that is larger than one tile. padded_hw: its size in whole samples of F, in pixels."""
    config, device, (height, width) = gie.config, gie.w_mean.device, padded_hw
    stride = config.stride
    coarse = max(stride, config.stem_stride << 4)  # pixels at which block 4 and F both have samples
    margin = -(-trunk_reach(config) // coarse) * coarse
    side = max(1, tile * stride // coarse) * coarse
    feature = torch.zeros(1, config.feature_channels, height // stride, width // stride, device=device)
    sums = [torch.zeros(channels, dtype=torch.float64, device=device) for channels in config.widths]
    counts = [0] * len(sums)
    for rows in windows(height, side, margin):
        for columns in windows(width, side, margin):
            outputs, tile_feature = gie.trunk(_region(image, rows, columns, device))
            feature[
                :, :, rows.start // stride : rows.stop // stride, columns.start // stride : columns.stop // stride
            ] = _centre(tile_feature, rows, columns, stride)
            for i, output in enumerate(outputs):
                centre = _centre(output, rows, columns, config.stem_stride << (i + 1))
                sums[i] += centre.double().sum((0, 2, 3))
                counts[i] += centre.shape[2] * centre.shape[3]
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
    """The image of decoded latents.

    w_hat: (1, n_styles, w_dim). feature: F_hat, (1, C, h, w), or None for the image of W+ alone. detail: E_hat,
    (1, K, h, w), or None.

    Raises:
        BitstreamError: pixels are not finite; see ``require_numbers``.
    """
    generator, config = model.generator, model.profile.generator
    if model.profile.encoder.input_size is not None or feature is None:
        return _to_uint8(_resized(generator(w_hat, feature), image_hw))
    height, width = feature_size(model.profile, image_hw)
    if max(height, width) <= tile:
        return _to_uint8(_run(generator, w_hat, feature, detail))[: image_hw[0], : image_hw[1]].copy()
    margin, stride = synthesis_reach(config), config.stride
    image = np.empty((*image_hw, 3), np.uint8)
    for rows in windows(height, tile, margin):
        for columns in windows(width, tile, margin):
            computed = (slice(None), slice(None), slice(rows.low, rows.high), slice(columns.low, columns.high))
            pixels = _run(generator, w_hat, feature[computed], None if detail is None else detail[computed])
            top, left = (rows.start - rows.low) * stride, (columns.start - columns.low) * stride
            target = image[rows.start * stride : rows.stop * stride, columns.start * stride : columns.stop * stride]
            target[:] = _to_uint8(pixels[:, :, top : top + target.shape[0], left : left + target.shape[1]])
    return image


@torch.no_grad()
def residual_coefficients(model: HscModel, image: Image, decoded: Image, feature: Tensor) -> Tensor:
    """E of the difference between an image and its decoded version, (1, K, h, w) float32.

    feature: F, (1, C, h, w). Computed in bands of as many rows of samples as a tile has.
    """
    assert model.detail is not None
    standardised, stride = model.fcn.standard(feature), model.profile.generator.stride
    inverse = model.inverse_basis().to(feature.device)
    bands, height = [], feature.shape[2]
    for rows in windows(height, TILE, _ATTENTION_REACH):
        band = slice(rows.low * stride, rows.high * stride)
        difference = torch.from_numpy(image[band].astype(np.float32) - decoded[band]).to(feature.device)
        residual = difference.permute(2, 0, 1)[None].div_(127.5)
        values = model.detail.values(residual, model.detail.logits(standardised[:, :, rows.low : rows.high]), inverse)
        bands.append(values[:, :, rows.start - rows.low : rows.stop - rows.low])
    return torch.cat(bands, 2)


def require_numbers(x: Tensor, noun: str) -> Tensor:
    """Check that values which networks computed from a file's symbols are finite, and return them.

    noun: what the values are, for the message.

    Raises:
        BitstreamError: a value is not finite, which sane symbols and weights never give.
    """
    if not bool(x.sum().isfinite()):
        raise BitstreamError(
            f"the networks give {noun} that are not finite numbers for these symbols; the stream or the weights are "
            f"damaged"
        )
    return x


def _resized(image: Tensor, image_hw: tuple[int, int]) -> Tensor:
    """(1, 3, side, side) resized to an image's size.

    One call resizes the width first; where that would need too much memory, the height is resized first.
    """
    height, width = image_hw
    steps = [image_hw] if image.shape[2] * width <= MAX_PADDED_PIXELS else [(height, image.shape[3]), image_hw]
    for size in steps:
        image = functional.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
    return image


def _run(generator: StyleGAN2, w_hat: Tensor, feature: Tensor, detail: Tensor | None) -> Tensor:
    pixels: Tensor = generator(w_hat, feature.contiguous(memory_format=torch.channels_last), detail=detail)
    return pixels


def _region(image: Image, rows: Window, columns: Window, device: torch.device) -> Tensor:
    """Pixels ``low`` to ``high`` of both axes, (1, 3, h, w) float32, -1 to 1; the image's edges are repeated."""
    down = np.arange(rows.low, rows.high).clip(max=image.shape[0] - 1)
    right = np.arange(columns.low, columns.high).clip(max=image.shape[1] - 1)
    pixels = torch.from_numpy(image[down[:, None], right[None, :]]).to(device)
    return pixels.permute(2, 0, 1)[None].float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)


def _centre(x: Tensor, rows: Window, columns: Window, spacing: int) -> Tensor:
    """A tile's output, one sample every ``spacing`` pixels, without its margins."""
    top, left = (rows.start - rows.low) // spacing, (columns.start - columns.low) // spacing
    bottom, right = top - (rows.start - rows.stop) // spacing, left - (columns.start - columns.stop) // spacing
    return x[:, :, top:bottom, left:right]


def _to_uint8(x: Tensor) -> Image:
    """(1, 3, h, w), -1 to 1 -> uint8 (h, w, 3)."""
    levels = require_numbers(x, "pixels")[0].add(1).mul_(127.5).round_().clamp_(0, 255)
    pixels: Image = levels.to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return pixels
