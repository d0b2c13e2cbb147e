"""What a picture's layers cost in bits: as they are coded, and had the coder known another w.

    picture ──encode──> layers of w, F, E           values of F, not yet rounded
    values of F, another picture's w ──predict, round, layer by layer──> layers of F in that context    ``in_context``
    picture, another picture's w ──encode──> a whole file on that w                                     ``on_semantic``

Costs are ideal lengths by the coder's integer tables, -log2 of the probability of each symbol: a file has these bits,
plus header, checksum and rounding to bytes.

A value is rounded around the mean that its context predicts. In another context the means differ, and so do the symbols
of the same values; the steps are equal, and so is the rounding error, but for chance. ``in_context`` changes nothing
else, so its layers and those of the file are two codes of one F at one precision. A file ``on_semantic`` also has its F
analysed and predicted from the other w, and so restores another image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hsc.api import Image
from hsc.entropy_coding import layered_stream
from hsc.entropy_coding.ans_coder import Symbols
from hsc.entropy_coding.container import Header
from hsc.entropy_coding.layered_stream import Layer, Parameters
from hsc.networks.encoding import SymbolChoice
from hsc.networks.entropy_model import round_around, slice_of
from hsc.networks.inversion import Inversion
from hsc.networks.model import HscModel
from hsc.networks.tiling import TILE, invert, require_image


@dataclass(frozen=True, eq=False)
class CodedPicture:
    """A picture as a file holds it, with what it was coded from.

    layers: all of the quality, in coding order. values: those of each layer of F before rounding, in steps of the
    quantiser, float64 (c, positions). inverted: W+ and F.
    """

    image: Image
    header: Header
    layers: tuple[Layer, ...]
    values: tuple[npt.NDArray[np.float64], ...]
    inverted: Inversion


def code_picture(
    model: HscModel, image: Image, quality: int, inverted: Inversion | None = None, tile: int = TILE
) -> CodedPicture:
    """Code a picture with all layers of a quality, in 1/32. inverted: as in ``SymbolChoice``.

    Raises:
        ImageError, CodecError: as ``hsc.codec.HscCodec.encode``.
    """
    header = _header(model, image, quality)
    choice = SymbolChoice(model, image, header, tile, inverted)
    layers = layered_stream.code(model.entropy, header, choice)
    values = choice.values[: model.entropy.base_layers - 1]
    return CodedPicture(image, header, tuple(layers), tuple(values), choice.latents)


def code_semantic(
    model: HscModel, image: Image, quality: int, inverted: Inversion | None = None, tile: int = TILE
) -> Layer:
    """The first layer of ``code_picture`` alone."""
    header = replace(_header(model, image, quality), layers=1)
    return layered_stream.code(model.entropy, header, SymbolChoice(model, image, header, tile, inverted))[0]


def mean_semantic(model: HscModel, header: Header) -> Layer:
    """The first layer of a picture whose w is the mean of its prior: all symbols are 0."""
    parameters = model.entropy.parameters(0, (), header)
    return Layer(np.zeros(parameters.index.shape, np.int32), parameters)


def in_context(model: HscModel, picture: CodedPicture, semantic: Layer) -> list[Layer]:
    """The layers of F of the same values, each predicted from ``semantic`` and the layers of F before it.

    semantic: the first layer of a file of that quality, whatever its size. With the picture's own first layer the
    result equals its layers of F.
    """
    layers = [semantic]
    for values in picture.values:
        parameters = model.entropy.parameters(len(layers), layers, picture.header)
        layers.append(Layer(round_around(values, parameters), parameters))
    return layers[1:]


def on_semantic(model: HscModel, picture: CodedPicture, semantic: Layer, tile: int = TILE) -> list[Layer]:
    """All layers of the picture's file, coded as if ``semantic`` were what its w gives."""
    choice = SymbolChoice(model, picture.image, picture.header, tile, picture.inverted)

    def quantise(number: int, parameters: Parameters) -> Symbols:
        if number > 0:
            return choice(number, parameters)
        choice.layers.append(Layer(semantic.symbols, parameters))
        return semantic.symbols

    return layered_stream.code(model.entropy, picture.header, quantise)


def bits_by_slice(model: HscModel, layers: Sequence[Layer], first: int = 0) -> dict[str, float]:
    """Bits of "semantic", of each slice and of "detail", each summed over its passes. first: number of the first."""
    bits: dict[str, float] = {}
    for name, layer in zip(model.entropy.names[first:], layers, strict=False):
        bits[slice_of(name)] = bits.get(slice_of(name), 0.0) + layered_stream.estimate_bits([layer])
    return bits


def inversion(model: HscModel, image: Image, tile: int = TILE) -> Inversion:
    """W+ and F of a picture, which all qualities share.

    Raises:
        ImageError: the image is not uint8 (H, W, 3), is empty, or is too large.
    """
    return invert(model.gie, require_image(image), tile)


def _header(model: HscModel, image: Image, quality: int) -> Header:
    height, width = require_image(image).shape[:2]
    return Header((height, width), quality, model.profile.layers_at(quality))
