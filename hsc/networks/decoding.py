"""Decoding: from the symbols of a file to latents, and from latents to an image.

    symbols ──integers──> w_hat, y_hat ──g_s──> F_hat          symbols of detail ──> E_hat
    w_hat, F_hat, E_hat ──generator, tile by tile──> image

Latents that a file does not hold are predicted from those that it does; detail that is missing is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hsc.api import Image, Latents
from hsc.entropy_coding.container import Header
from hsc.entropy_coding.layered_stream import Decoded
from hsc.errors import UsageError
from hsc.networks.entropy_model import Integers, feature_size
from hsc.networks.model import HscModel
from hsc.networks.relighting import LightNetwork
from hsc.networks.tiling import require_numbers, synthesise


class Restored(NamedTuple):
    """The latents of a file, as the generator takes them.

    header: of the file. w_hat: (1, n, d). feature: F_hat, (1, C, h, w). integers: those of y in 1/16, (1, M, h', w'),
    or None where F_hat is that of a coarse map alone. detail: E_hat, (1, K, h, w), or None where the layers hold none.
    coefficients: of the coarse map, (1, N), N of 0 without one.
    """

    header: Header
    w_hat: Tensor
    feature: Tensor
    integers: Tensor | None
    detail: Tensor | None
    coefficients: Tensor


@torch.no_grad()
def restore(model: HscModel, decoded: Decoded) -> Restored:
    """w_hat, F_hat and E_hat of decoded symbols; missing layers are predicted."""
    header, integers = decoded.header, _integers(model, decoded)
    detail = None if integers.detail is None else _detail(model, integers, header)
    return _restored(model, decoded, integers, *_words(model, integers, header))._replace(detail=detail)


def _words(model: HscModel, integers: Integers, header: Header) -> tuple[Tensor, Tensor]:
    """w_hat, (1, n, d), and the coefficients of the coarse map, (1, N)."""
    quality = model.entropy.quality(header)
    return model.scn.restore(integers.semantic, quality), model.scn.coefficients(integers.semantic, quality)


def _restored(model: HscModel, decoded: Decoded, integers: Integers, w_hat: Tensor, coefficients: Tensor) -> Restored:
    """F_hat beside what ``_words`` gave, without detail."""
    header, quality = decoded.header, model.entropy.quality(decoded.header)
    size = feature_size(model.profile, header.image_hw)
    base = model.scn.prediction(coefficients, size)
    feature_integers = None if base is not None and len(decoded.layers) == 1 else integers.feature
    feature = model.fcn.restore(feature_integers, w_hat, quality, size, base)
    return Restored(header, w_hat, feature, feature_integers, None, coefficients)


@torch.no_grad()
def latents(model: HscModel, decoded: Decoded, names: Sequence[str] | None) -> Latents:
    """Float32 maps of decoded symbols by name, None for all names of ``Identity.latent_specs``.

    Raises:
        UsageError: the model has no latents of a name.
    """
    offered = [spec.name for spec in model.identity.latent_specs()]
    wanted = offered if names is None else [name for name in offered if name in names]
    if names is not None and (missing := set(names) - set(offered)):
        raise UsageError(f"no latents are named {', '.join(sorted(missing))}; there are {', '.join(offered)}")
    header, integers = decoded.header, _integers(model, decoded)
    w_hat, coefficients = _words(model, integers, header)
    maps = {
        "w_hat": torch.cat([w_hat, coefficients.reshape(1, -1, model.profile.encoder.w_dim)], 1),
        "y_hat": model.fcn.dequantised(integers.feature, model.entropy.quality(header)),
    }
    if "w_map" in wanted:
        assert model.scn.coarse is not None
        maps["w_map"] = model.scn.coarse.hidden(coefficients, feature_size(model.profile, header.image_hw))
    if "F_hat" in wanted:
        maps["F_hat"] = _restored(model, decoded, integers, w_hat, coefficients).feature
    if "E_hat" in wanted:
        maps["E_hat"] = _detail(model, integers, header)
    arrays = {name: require_numbers(maps[name], name)[0].contiguous().cpu().numpy() for name in wanted}
    return Latents(arrays, header.image_hw)


@torch.no_grad()
def edited(model: HscModel, restored: Restored, move: Tensor, light: LightNetwork | None) -> Restored:
    """The latents after a move of w: F follows w as the docstring of ``hsc.codec`` says.

    move: (n, w_dim), the rows of ``latent_specs``, or (w_dim,) for all styles alike. light: the light network, None to
    use the feature network and the coarse map. A generator that starts at the constant uses its own layers below F
    instead of either.
    """
    styles, generator = model.profile.encoder.n_styles, model.generator
    of_styles, of_map = (move, move[:0]) if move.ndim == 1 else (move[:styles], move[styles:].flatten())
    w_hat = restored.w_hat + of_styles
    coefficients = restored.coefficients + of_map if of_map.numel() else restored.coefficients
    if model.profile.generator.start == "const":
        change = generator.run_below(w_hat).feature - generator.run_below(restored.w_hat).feature
        feature = restored.feature + change
    elif light is not None:
        feature = light(restored.feature, restored.w_hat, w_hat)
    else:
        quality = model.entropy.quality(restored.header)
        size = restored.feature.shape[2:]
        feature = model.fcn.restore(restored.integers, w_hat, quality, size, model.scn.prediction(coefficients, size))
    return restored._replace(w_hat=w_hat, feature=feature, coefficients=coefficients)


def image_of(model: HscModel, restored: Restored, tile: int) -> Image:
    """The image of latents, computed in tiles of ``tile`` samples of F a side.

    Raises:
        BitstreamError: pixels are not finite.
    """
    image_hw = restored.header.image_hw
    return synthesise(model, restored.w_hat, restored.feature, image_hw, tile, detail=restored.detail)


def _integers(model: HscModel, decoded: Decoded) -> Integers:
    """The values of a file's layers; missing layers of W+ and F are predicted."""
    return model.entropy.integers(model.entropy.complete(decoded.layers, decoded.header), decoded.header)


def _detail(model: HscModel, integers: Integers, header: Header) -> Tensor:
    """E_hat, (1, K, h, w), 0 where none is coded."""
    network, device = model.detail, model.gie.w_mean.device
    assert network is not None
    if integers.detail is None:
        size = feature_size(model.profile, header.image_hw)
        return torch.zeros(1, network.config.channels, *size, device=device)
    return network.restore(integers.detail, torch.tensor([header.quality], device=device))
