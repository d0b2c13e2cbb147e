"""The latents of a learned codec, from the transform to symbols and from symbols back, for encoder and decoder alike.

    encoder: y, z --choose--> symbols --SymbolEncoder--> payload
    decoder: payload --SymbolDecoder--> symbols --> z_hat, y_hat

Both run the same steps in the same order (``code_latents``), so what one computes for a table the other does, too. They
differ in where symbols come from: a ``Chooser`` rounds them, a ``Reader`` decodes them.

Networks with context decode a sample of y after its neighbours to the left and above. Samples on a line of slope three
do not depend on each other and are done together, which takes w + 3 h steps for a map of h x w and not w * h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.learned.entropy_networks import EntropyNetworks
from hsc.entropy_coding.ans_coder import SymbolDecoder, SymbolEncoder
from hsc.errors import CodecError

if TYPE_CHECKING:
    from hsc.entropy_coding.cdf_tables import CdfTables

_WINDOW = 2  # samples of context above and to each side
_LARGEST_SYMBOL = 1 << 24


class Latents(NamedTuple):
    """The decoded latents of one image: (1, M, h, w) and (1, N, h / 4, w / 4), z_hat None without a hyperprior."""

    y_hat: Tensor
    z_hat: Tensor | None


class Source(Protocol):
    """Where symbols come from. tables, index: their distributions, index in the shape of the symbols."""

    def z(self, networks: EntropyNetworks, gain: Tensor | None, tables: CdfTables, index: Tensor) -> Tensor: ...

    def y(
        self,
        networks: EntropyNetworks,
        gain: Tensor | None,
        position: tuple[Tensor, Tensor] | None,
        scales: Tensor,
        means: Tensor | None,
    ) -> Tensor:
        """The symbols of all of y, (1, M, h, w), or of n positions (rows, columns), (n, M)."""
        ...


class Chooser:
    """Rounds the transform's output to symbols, and keeps them for ``finish``.

    y, z: (1, M, h, w) and (1, N, h / 4, w / 4); without a hyperprior z is what the bottleneck codes, and y is None.
    bits: the networks' estimate of the symbols' bits, if ``estimate`` is set.
    """

    def __init__(self, y: Tensor | None, z: Tensor, context: bytes, *, estimate: bool = False) -> None:
        self._y, self._z, self._coder = y, z, SymbolEncoder(context)
        self._estimate, self.bits = estimate, 0.0

    def z(self, networks: EntropyNetworks, gain: Tensor | None, tables: CdfTables, index: Tensor) -> Tensor:
        symbols = networks.z_symbols(self._z, gain)
        self._coder.encode(_integers(symbols), tables, _array(index))
        if self._estimate:
            self.bits += networks.z_bits(symbols, gain)
        return symbols

    def y(
        self,
        networks: EntropyNetworks,
        gain: Tensor | None,
        position: tuple[Tensor, Tensor] | None,
        scales: Tensor,
        means: Tensor | None,
    ) -> Tensor:
        assert self._y is not None  # networks with y beside the bottleneck are given y
        y = self._y if position is None else self._y[0, :, position[0], position[1]].T
        symbols = networks.y_symbols(y.to(networks.dtype), means, gain)
        self._coder.encode(_integers(symbols), networks.y_tables, _array(networks.index(scales, gain)))
        if self._estimate:
            self.bits += networks.y_bits(symbols, scales, gain)
        return symbols

    def finish(self) -> bytes:
        """The payload of all symbols."""
        return self._coder.finish()


class Reader:
    """Decodes symbols from a payload. Errors are those of ``SymbolDecoder``."""

    def __init__(self, payload: bytes, context: bytes) -> None:
        self._coder = SymbolDecoder(payload, context)

    def z(self, networks: EntropyNetworks, gain: Tensor | None, tables: CdfTables, index: Tensor) -> Tensor:
        return torch.from_numpy(self._coder.decode(tables, _array(index))).to(networks.device, networks.dtype)

    def y(
        self,
        networks: EntropyNetworks,
        gain: Tensor | None,
        position: tuple[Tensor, Tensor] | None,
        scales: Tensor,
        means: Tensor | None,
    ) -> Tensor:
        index = _array(networks.index(scales, gain))
        return torch.from_numpy(self._coder.decode(networks.y_tables, index)).to(networks.device, networks.dtype)

    def finish(self) -> None:
        """Verify that all data was read and that the symbols are those that were encoded."""
        self._coder.finish()


@torch.no_grad()
def code_latents(
    networks: EntropyNetworks, source: Source, gain: Tensor | None, bottleneck_hw: tuple[int, int]
) -> Latents:
    """Run the entropy model over one image in coding order, and return the latents that the decoder will have.

    bottleneck_hw: height and width of the bottleneck's latent: of z, or of y without a hyperprior.
    """
    tables = networks.z_tables(gain)
    channels = torch.arange(tables.groups).view(1, -1, 1, 1)
    symbols = source.z(networks, gain, tables, channels.expand(1, -1, *bottleneck_hw))
    bottleneck = networks.z_hat(symbols, gain)
    if not networks.architecture.hyperprior:
        return Latents(bottleneck, None)
    hyper = networks.hyper_parameters(bottleneck)
    if networks.architecture.context:
        return Latents(_with_context(networks, source, gain, hyper), bottleneck)
    scales, means = hyper.chunk(2, 1) if networks.architecture.means else (hyper, None)
    symbols = source.y(networks, gain, None, scales, means)
    return Latents(networks.y_hat(symbols, scales, means, gain), bottleneck)


def _with_context(networks: EntropyNetworks, source: Source, gain: Tensor | None, hyper: Tensor) -> Tensor:
    """y_hat, step by step along lines of independent samples."""
    height, width = hyper.shape[2:]
    channels = networks.channels[1]
    padded = hyper.new_zeros(height + _WINDOW, width + 2 * _WINDOW, channels)  # sample (i, j) is at (i + 2, j + 2)
    offsets = [(row, column) for row in range(3) for column in range(5)][: 2 * 5 + 2]
    window_rows, window_columns = (torch.tensor(part, device=hyper.device) for part in zip(*offsets, strict=True))
    hyper_rows = hyper[0].permute(1, 2, 0)
    for line in range(width + 3 * (height - 1)):
        rows = torch.arange(max(0, -(-(line - width + 1) // 3)), min(height - 1, line // 3) + 1, device=hyper.device)
        columns = line - 3 * rows
        if not len(rows):
            continue
        neighbours = padded[rows[:, None] + window_rows, columns[:, None] + window_columns]  # (n, 12, M)
        parameters = networks.in_context(neighbours, hyper_rows[rows, columns], gain)
        scales, means = parameters.chunk(2, 1)
        symbols = source.y(networks, gain, (rows, columns), scales, means)
        padded[rows + _WINDOW, columns + _WINDOW] = networks.y_hat(symbols, scales, means, gain)
    return padded[_WINDOW:, _WINDOW:-_WINDOW].permute(2, 0, 1)[None]


def _integers(symbols: Tensor) -> npt.NDArray[np.int32]:
    """Symbols for the coder.

    Raises:
        CodecError: the networks gave values that are not finite, or absurdly large.
    """
    if symbols.numel() and not float(symbols.abs().max()) <= _LARGEST_SYMBOL:
        raise CodecError("the networks give latents that are not finite or absurdly large; check the weights")
    integers: npt.NDArray[np.int32] = symbols.to(torch.int32).cpu().numpy()
    return integers


def _array(index: Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = index.cpu().numpy()
    return array


def padded_to(image: Tensor, multiple: int) -> Tensor:
    """An image (1, 3, H, W), its last row and column repeated until both sides are multiples of ``multiple``."""
    height, width = image.shape[2:]
    return functional.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")
