"""The networks that decide probabilities: z to the scales and means of y, and the gains of variable-rate networks.

    z symbols --z_hat--> z_hat --hyper_parameters--> scales, means --index--> rows of the Gaussian tables
    symbols of y, scales, means --y_hat--> y_hat

An encoder and a decoder whose scales differ in the last bit may choose different tables, and then the decoder reads
nonsense. CompressAI computes scales in float32, where two machines, or two numbers of threads, differ that much. Here
they are computed in float64 by copies of the same networks. Borders between tables are 13 % apart: in an image of 1e5
samples, a relative error of 1e-6 meets one about once, one of 1e-15 once in 1e9 images. The coder's checksum tells.
"""

from __future__ import annotations

import copy
import functools
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.learned.container import GAIN_STEPS
from benchmarks.learned.tables import bottleneck_tables, gaussian_tables, scale_table, stored_tables

if TYPE_CHECKING:
    from benchmarks.learned.networks import Network
    from hsc.entropy_coding.cdf_tables import CdfTables

_DECIDING = (
    "h_s",
    "entropy_parameters",
    "context_prediction",
    "scale_to_context",
    "QuantABCD",
    "gayn2zqstep",
    "entropy_bottleneck",
)
_BOUND = 0.11  # of scales, as in CompressAI
_LEAST_LIKELIHOOD = 1e-9


class EntropyNetworks:
    """Copies of the deciding parts of a network. dtype: torch.float64; float32 computes as CompressAI does.

    gain: in all methods, None for a network of one rate, else the gain of this image, shape (1,), of ``gain``.
    """

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype = torch.float64) -> None:
        self.architecture, self.dtype, self.device = network.architecture, dtype, device
        self.channels = network.widths
        self._stored = network.tables
        self._parts: dict[str, Any] = {
            name: copy.deepcopy(part).to(device, dtype)
            for name in _DECIDING
            if (part := getattr(network.model, name, None)) is not None
        }
        gains = getattr(network.model, "Gain", None)
        self._gains = None if gains is None else gains.detach().to(device, dtype).abs()
        scales = self._stored.get("gaussian_conditional.scale_table")
        self._scales = torch.as_tensor(scale_table() if scales is None else scales, dtype=dtype, device=device)
        self._z_tables: dict[float, CdfTables] = {}

    @property
    def last_gain_step(self) -> int:
        """The gain step of the largest files, 0 for a network of one rate."""
        return 0 if self._gains is None else GAIN_STEPS * (len(self._gains) - 1)

    def gain(self, step: int) -> Tensor | None:
        """The gain between two trained ones in equal ratios, shape (1,); None for a network of one rate.

        step: 0 for the smallest trained gain, then ``GAIN_STEPS`` to the next; at most ``last_gain_step``.
        """
        if self._gains is None:
            return None
        low, part = divmod(step, GAIN_STEPS)
        gain: Tensor = self._gains[low : low + 1]
        if part:
            gain = gain * torch.pow(self._gains[low + 1 : low + 2] / gain, part / GAIN_STEPS)
        return gain

    def z_step(self, gain: Tensor | None) -> Tensor | None:
        """z's quantisation step, shape (1,), at least 0.5; None where it is always 1."""
        if "gayn2zqstep" not in self._parts or gain is None:
            return None
        step: Tensor = self._parts["gayn2zqstep"](1 / gain.view(1)).clamp(min=0.5)
        return step

    @property
    def medians(self) -> Tensor:
        """Medians of the bottleneck's channels, (1, channels, 1, 1)."""
        medians: Tensor = self._parts["entropy_bottleneck"].quantiles[:, 0, 1].detach()
        return medians.view(1, -1, 1, 1)

    def z_tables(self, gain: Tensor | None) -> CdfTables:
        """Tables of the bottleneck, a row for each channel; those of a gain are kept."""
        key = 0.0 if gain is None else float(gain)
        if key not in self._z_tables:
            step = self.z_step(gain)
            stored = stored_tables(self._stored, "entropy_bottleneck") if step is None else None
            self._z_tables[key] = stored or bottleneck_tables(self._parts["entropy_bottleneck"], step, self.dtype)
        return self._z_tables[key]

    @functools.cached_property
    def y_tables(self) -> CdfTables:
        """Tables of the Gaussians, a row for each standard deviation."""
        stored = stored_tables(self._stored, "gaussian_conditional")
        return stored or gaussian_tables(tuple(self._scales.tolist()))

    def z_symbols(self, z: Tensor, gain: Tensor | None) -> Tensor:
        """The latent of the bottleneck in steps from its medians, rounded: (1, channels, h, w)."""
        step = self.z_step(gain)
        centred = z.to(self.dtype) - self.medians
        return torch.round(centred if step is None else centred / step)

    def z_hat(self, symbols: Tensor, gain: Tensor | None) -> Tensor:
        """The latent of the bottleneck from its symbols."""
        step = self.z_step(gain)
        return (symbols if step is None else symbols * step) + self.medians

    def z_bits(self, symbols: Tensor, gain: Tensor | None) -> float:
        """The bottleneck's estimate of its symbols' bits."""
        bottleneck = self._parts["entropy_bottleneck"]
        step = self.z_step(gain)
        values = self.z_hat(symbols, gain).transpose(0, 1).reshape(symbols.shape[1], 1, -1)
        if step is None:
            likelihood = bottleneck._likelihood(values)[0]
        else:
            likelihood = bottleneck._likelihood_variable(values, qs=step)[0]
        return _bits(likelihood)

    def hyper_parameters(self, z_hat: Tensor) -> Tensor:
        """What z says about y: (1, 2M, h, w), scales and then means; scales alone where there are no means.

        Networks with context compute both from this and from y's neighbours (``in_context``).
        """
        parameters: Tensor = self._parts["h_s"](z_hat)
        return parameters

    def in_context(self, neighbours: Tensor, hyper: Tensor, gain: Tensor | None) -> Tensor:
        """Scales and means at n positions, (n, 2M), from the samples decoded before them.

        neighbours: (n, 12, M), the samples above and to the left in a window of 5x5, in reading order. hyper: (n, 2M).
        """
        context = self._parts["context_prediction"]
        weight = context.weight.flatten(2)[:, :, :12].transpose(1, 2).flatten(1)  # (2M, 12 M)
        predicted = neighbours.flatten(1) @ weight.T + context.bias
        if "scale_to_context" in self._parts and gain is not None:
            predicted = predicted + self._parts["scale_to_context"](gain.view(1, 1))
        inputs = torch.cat((hyper, predicted), dim=1)
        parameters: Tensor = self._parts["entropy_parameters"](inputs.T[None, :, None])  # (1, 2M, 1, n)
        return parameters[0, :, 0].T

    def index(self, scales: Tensor, gain: Tensor | None) -> Tensor:
        """The row of the Gaussian tables for each scale: the smallest standard deviation that is not below it."""
        bounded = self.bounded(scales, gain)
        return torch.searchsorted(self._scales[:-1], bounded.contiguous())

    @staticmethod
    def bounded(scales: Tensor, gain: Tensor | None) -> Tensor:
        """Scales of the symbols: of y times the gain, at least 0.11."""
        return (scales if gain is None else scales * gain).clamp(min=_BOUND)

    @staticmethod
    def y_symbols(y: Tensor, means: Tensor | None, gain: Tensor | None) -> Tensor:
        """y less its means, times the gain, rounded."""
        scaled = y if gain is None else y * gain
        if means is not None:
            scaled = scaled - (means if gain is None else means * gain)
        return torch.round(scaled)

    def y_hat(self, symbols: Tensor, scales: Tensor, means: Tensor | None, gain: Tensor | None) -> Tensor:
        """y from its symbols. With a gain, values other than 0 are moved towards 0 by a learned offset."""
        values = symbols
        if gain is not None:
            facts = torch.stack((self.bounded(scales, gain), gain.expand(scales.shape)), dim=-1)
            offset = -self._parts["QuantABCD"](facts)[..., 0]
            magnitude = symbols.abs()
            values = symbols.sign() * (magnitude + torch.where(magnitude > 0, offset, 0.0)) * (1 / gain)
        return values if means is None else values + means

    def y_bits(self, symbols: Tensor, scales: Tensor, gain: Tensor | None) -> float:
        """The Gaussians' estimate of the symbols' bits, with each sample's own scale and not that of a table."""
        scale = self.bounded(scales, gain)
        distance = symbols.abs()
        return _bits(torch.special.ndtr((0.5 - distance) / scale) - torch.special.ndtr((-0.5 - distance) / scale))


def _bits(likelihood: Tensor) -> float:
    return float(-likelihood.clamp(min=_LEAST_LIKELIHOOD).log2().sum()) if math.prod(likelihood.shape) else 0.0
