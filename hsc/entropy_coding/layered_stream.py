"""Layer after layer of integer symbols, each coded by what the layers before it say: one path for all who need it.

    model.parameters(i, earlier, header) -> Parameters(tables, index, mean)
         |                                        |
         v                                        v
    quantise(i, parameters) -> symbols --code--> file         encode
    file --decode--> symbols                                  decode, cut

The encoder asks the model the same questions with the same integers as the decoder does, so the answers agree as far as
the model is exact (``hsc.entropy_coding.integer_nets``). Channel-wise slices: Minnen and Singh, 2020.
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
from hsc.entropy_coding.container import Header, Stream, pack, unpack
from hsc.errors import BitstreamError, UsageError


@dataclass(frozen=True, eq=False)
class Parameters:
    """What one layer is coded by; the shape of ``index`` is the shape of its symbols.

    index: integers, which table (``CdfTables.groups``). mean: integers in 1/phases, or None for 0.
    offset: integers the coder does not read but hands on: the mean that ``quantise`` takes off before it rounds, for
        models that code Q(y - mean) around 0 and add it again.
    """

    tables: CdfTables
    index: npt.NDArray[Any]
    mean: npt.NDArray[Any] | None = None
    offset: npt.NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer that is known: its symbols, int32, and what they were coded by."""

    symbols: Symbols
    parameters: Parameters


class LayeredModel(Protocol):
    """Exact entropy parameters, layer by layer."""

    @property
    def layers(self) -> int:
        """How many layers there are, 1 to 16."""

    @property
    def fingerprint(self) -> bytes:
        """sha256 of the weights and tables, 32 bytes."""

    def parameters(self, number: int, earlier: Sequence[Layer], header: Header) -> Parameters:
        """What layer ``number`` is coded by: a function of integers alone, in shapes that follow from
        ``header.image_hw``.
        """


Quantise = Callable[[int, Parameters], Symbols]


@dataclass(frozen=True)
class Decoded:
    """``layers``: those read, in coding order; fewer than the header's where ``complete`` is False."""

    header: Header
    layers: tuple[Layer, ...]
    complete: bool


def code(model: LayeredModel, header: Header, quantise: Quantise) -> list[Layer]:
    """Run the encoder's side without writing: the layers 0 to header.layers - 1.

    quantise: (number, parameters) -> the layer's integer symbols, in the shape of ``parameters.index``.
    """
    if header.layers > model.layers:
        raise UsageError(f"{header.layers} layers were asked for, the model has {model.layers}")
    known: list[Layer] = []
    for number in range(header.layers):
        parameters = model.parameters(number, known, header)
        known.append(Layer(np.asarray(quantise(number, parameters)), parameters))
    return known


def _calls(layers: Sequence[Layer]) -> list[Call]:
    return [
        Call(layer.symbols, layer.parameters.tables, layer.parameters.index, layer.parameters.mean) for layer in layers
    ]


def estimate_bits(layers: Sequence[Layer]) -> float:
    """The ideal length of these layers by the integer tables, in bits; of one layer: ``estimate_bits(layers[i:i +
    1])``.
    """
    return estimate_calls(_calls(layers))


def write(model: LayeredModel, header: Header, layers: Sequence[Layer]) -> bytes:
    """The file of layers that ``code`` or ``decode`` gave; ``header.layers`` must be their number."""
    if len(layers) != header.layers:
        raise UsageError(f"{len(layers)} layers came for a header of {header.layers}")
    return pack(header, model.fingerprint, write_payload(_calls(layers), header.context(model.fingerprint)))


def encode(model: LayeredModel, header: Header, quantise: Quantise) -> bytes:
    """Code an image's layers into a file; see ``code``."""
    return write(model, header, code(model, header, quantise))


def decode(model: LayeredModel, data: bytes, *, allow_partial: bool = False) -> Decoded:
    """Read a file: the very symbols that were coded, or an error.

    allow_partial: of a file cut anywhere, the layers that are whole (at least the first); what is given is then
    unproven.

    Raises:
        BitstreamError: the file is damaged, cut, or of another model.
    """
    stream = unpack(data, model.fingerprint, model.layers, allow_partial=allow_partial)
    decoder = SymbolDecoder(stream.payload, stream.header.context(model.fingerprint), alignment=stream.alignment)
    known: list[Layer] = []
    for number in range(stream.header.layers):
        parameters = model.parameters(number, known, stream.header)
        try:
            symbols = decoder.decode(parameters.tables, parameters.index, parameters.mean)
        except BitstreamError:
            if stream.complete or not known:
                raise
            break
        known.append(Layer(symbols, parameters))
    return _close(stream, decoder, known)


def _close(stream: Stream, decoder: SymbolDecoder, known: list[Layer]) -> Decoded:
    if stream.complete:
        decoder.finish()
    return Decoded(stream.header, tuple(known), stream.complete)


def cut(model: LayeredModel, data: bytes, layers: int) -> bytes:
    """A complete, shorter file of the first ``layers`` layers, with checksums of its own.

    The file is decoded and proven whole first, so a cut never makes a good file of a bad one.

    Raises:
        BitstreamError: the file is damaged, cut, or of another model.
        UsageError: it does not hold that many layers.
    """
    whole = decode(model, data)
    if not 1 <= layers <= whole.header.layers:
        raise UsageError(f"cannot cut to {layers} layers, expected 1 to the {whole.header.layers} the file holds")
    return write(model, replace(whole.header, layers=layers), whole.layers[:layers])
