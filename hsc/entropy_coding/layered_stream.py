"""Streams of layers: each layer of integer symbols is coded with parameters that follow from the layers before it.

    model.parameters(i, earlier, header) -> Parameters(tables, index, mean)
         |                                        |
         v                                        v
    quantise(i, parameters) -> symbols --code--> file         encode
    file --decode--> symbols                                  decode, cut

Encoder and decoder call the model with the same integers, so its answers agree, provided that the model is exact
(``hsc.entropy_coding.integer_nets``). Channel-wise slices: Minnen and Singh, 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hsc.entropy_coding.ans_coder import Call, SymbolDecoder, Symbols, write_payload
from hsc.entropy_coding.ans_coder import estimate_bits as estimate_calls
from hsc.entropy_coding.cdf_tables import CdfTables
from hsc.entropy_coding.container import Header, pack, unpack
from hsc.errors import BitstreamError, UsageError


@dataclass(frozen=True, eq=False)
class Parameters:
    """The entropy parameters of one layer; its symbols have the shape of ``index``.

    index: integers, the table of each symbol (``CdfTables.groups``). mean: integers in 1/phases, or None for 0.
    offset: integers that the coder passes on without reading them: the mean that ``quantise`` subtracts before it
        rounds, for models that code Q(y - mean) around 0 and add the mean again.
    """

    tables: CdfTables
    index: npt.NDArray[Any]
    mean: npt.NDArray[Any] | None = None
    offset: npt.NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Layer:
    """A coded layer: its symbols, int32, and their entropy parameters."""

    symbols: Symbols
    parameters: Parameters


class LayeredModel(Protocol):
    """A model of exact entropy parameters, layer by layer."""

    @property
    def layers(self) -> int:
        """Number of layers, 1 to 16."""

    @property
    def fingerprint(self) -> bytes:
        """sha256 of the weights and tables, 32 bytes."""

    def parameters(self, number: int, earlier: Sequence[Layer], header: Header) -> Parameters:
        """The entropy parameters of layer ``number``, computed from integers alone.

        Their shapes follow from ``header.image_hw``.
        """


Quantise = Callable[[int, Parameters], Symbols]


@dataclass(frozen=True)
class Decoded:
    """A decoded file. layers: those read, in coding order; fewer than the header's where ``complete`` is False."""

    header: Header
    layers: tuple[Layer, ...]
    complete: bool


def code(model: LayeredModel, header: Header, quantise: Quantise) -> list[Layer]:
    """The layers 0 to header.layers - 1 of an image, as the encoder codes them, without writing them.

    quantise: (number, parameters) -> the layer's integer symbols, in the shape of ``parameters.index``.

    Raises:
        UsageError: the header has more layers than the model.
    """
    if header.layers > model.layers:
        raise UsageError(f"{header.layers} layers were requested, the model has {model.layers}")
    layers: list[Layer] = []
    for number in range(header.layers):
        parameters = model.parameters(number, layers, header)
        layers.append(Layer(np.asarray(quantise(number, parameters)), parameters))
    return layers


def _calls(layers: Sequence[Layer]) -> list[Call]:
    return [
        Call(layer.symbols, layer.parameters.tables, layer.parameters.index, layer.parameters.mean) for layer in layers
    ]


def estimate_bits(layers: Sequence[Layer]) -> float:
    """The ideal length of these layers in bits, by the integer tables."""
    return estimate_calls(_calls(layers))


def write(model: LayeredModel, header: Header, layers: Sequence[Layer]) -> bytes:
    """The file of layers from ``code`` or ``decode``.

    Raises:
        UsageError: ``header.layers`` is not their number.
    """
    if len(layers) != header.layers:
        raise UsageError(f"{len(layers)} layers came for a header of {header.layers}")
    return pack(header, model.fingerprint, write_payload(_calls(layers), header.context(model.fingerprint)))


def encode(model: LayeredModel, header: Header, quantise: Quantise) -> bytes:
    """Encode an image's layers to a file; arguments and errors are those of ``code``."""
    return write(model, header, code(model, header, quantise))


def decode(model: LayeredModel, data: bytes, *, allow_partial: bool = False) -> Decoded:
    """Decode a file to exactly the symbols that were encoded, or fail.

    allow_partial: also read a file that is cut anywhere, up to its last whole layer (at least the first); the result is
    then unverified.

    Raises:
        BitstreamError: the file is damaged, cut, or of another model.
    """
    stream = unpack(data, model.fingerprint, model.layers, allow_partial=allow_partial)
    decoder = SymbolDecoder(stream.payload, stream.header.context(model.fingerprint), alignment=stream.alignment)
    layers: list[Layer] = []
    for number in range(stream.header.layers):
        parameters = model.parameters(number, layers, stream.header)
        try:
            symbols = decoder.decode(parameters.tables, parameters.index, parameters.mean)
        except BitstreamError:
            if stream.complete or not layers:
                raise
            break
        layers.append(Layer(symbols, parameters))
    if stream.complete:
        decoder.finish()
    return Decoded(stream.header, tuple(layers), stream.complete)


def cut(model: LayeredModel, data: bytes, layers: int) -> bytes:
    """A complete, shorter file of the first ``layers`` layers, with its own checksums.

    The whole file is decoded and verified first, so a cut never turns a damaged file into a valid one.

    Raises:
        BitstreamError: the file is damaged, cut, or of another model.
        UsageError: the file does not hold that many layers.
    """
    decoded = decode(model, data)
    if not 1 <= layers <= decoded.header.layers:
        raise UsageError(f"cannot cut to {layers} layers, expected 1 to the {decoded.header.layers} the file holds")
    return write(model, replace(decoded.header, layers=layers), decoded.layers[:layers])
