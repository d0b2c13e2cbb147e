"""Networks in integer arithmetic, which compute the same entropy parameters on every machine.

    integers --x int8 weights, + bias--> sum --floor(sum / 2**shift)--> clip to 12 bits --> integers --> ...
                (exact)

Integers below 2**53 add and multiply in float64 without error, in any order: threads, batch size, memory format and
device change nothing. The largest sum here is 127 * 4096 * fan-in + 2**23, which stays exact up to a fan-in of about
10**10. Where a sum provably stays below 2**24 it is computed in float32, with the same result in half the time
(``hsc.entropy_coding.exact_matmul``). Convolutions are unfolded into one matrix product, because libraries have other
algorithms for convolutions (Winograd, FFT) with non-integer intermediate values. Off the CPU the sum is rounded before
it is shifted: that changes nothing where the sum is exact, and corrects a library that emulates float64 with an error
in the last bit.

There is one forward path. In training the roundings have a straight-through gradient (Bengio et al., 2013), so the
trained network is the coded one. Integer entropy networks: Balle, Johnston, Minnen, "Integer networks for data
compression", 2019.

Nominal units: an activation of 1.0 is 64 integer steps, so 12 bits reach from 0 to 64 (behind a ReLU) or -32 to 32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy_coding.exact_matmul import ExactLayer
from hsc.errors import DataError, UsageError

UNIT = 64
"""Integer steps in a nominal activation of 1."""

MIN_ACTIVATION, MAX_ACTIVATION = -2048, 2047
_MAX_RELU = 4095
_MAX_WEIGHT = 127
_MAX_BIAS = (1 << 23) - 1
_BAND = 1 << 22  # entries of an unfolded band: 32 MiB


class _ToIntegers(torch.autograd.Function):
    """clip(round or floor(x * factor)) in float64, with the gradient of clipped x * factor.

    Outside the range the gradient passes only where it points back into it, and never below a ReLU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float, lowest: int, highest: int, floor: bool, relu: bool) -> Tensor:
        dtype, whole = x.dtype, _whole(x, factor, floor)
        ctx.save_for_backward(whole < lowest, whole > highest)
        ctx.factor, ctx.relu, ctx.dtype = factor, relu, dtype
        return whole.clamp_(lowest, highest)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient = gradients[0]
        below, above = ctx.saved_tensors
        stopped = (above & (gradient < 0)) | (below if ctx.relu else below & (gradient > 0))
        return (gradient * ctx.factor).masked_fill(stopped, 0).to(ctx.dtype), None, None, None, None, None


def _whole(x: Tensor, factor: float, floor: bool) -> Tensor:
    """Round or floor of x * factor, a new float64 tensor; factors are powers of two, so the product is exact."""
    x = x.double()
    if floor and x.device.type != "cpu":  # its float64 may be emulated
        x = x.round()
    return (x * factor).floor_() if floor else (x * factor).round_()


def _to_integers(
    x: Tensor, factor: float, lowest: int, highest: int, *, floor: bool = False, relu: bool = False
) -> Tensor:
    if not torch.is_grad_enabled():
        return _whole(x, factor, floor).clamp_(lowest, highest)
    result: Tensor = _ToIntegers.apply(x, factor, lowest, highest, floor, relu)
    return result


def requantise(x: Tensor, multiplier: Tensor | int = 1, shift: int = 0) -> Tensor:
    """floor(x * multiplier / 2**shift) clipped to 12 bits, which turns symbols into activations by an integer gain.

    x: integers in any dtype. multiplier: integers below 2**20 that broadcast against x (a row of a shipped gain table).
    Returns float64 integers, -2048 to 2047, with a straight-through gradient.
    """
    return _to_integers(x.double() * multiplier, 2.0**-shift, MIN_ACTIVATION, MAX_ACTIVATION, floor=True)


class IntegerConv2d(nn.Module):
    """A convolution in integers, of stride 1, that keeps the size; with kernel 1 on a 1x1 map it is a linear layer.

    (B, C, H, W) integers of at most 12 bits and a sign -> (B, O, H, W) float64 integers, 0 to 4095 with relu, else
    -2048 to 2047. ``shift`` follows from the fan-in, so that weights start with a deviation of about 30 steps.

    Raises:
        UsageError: the kernel is even.
    """

    weight_int8: Tensor | None
    bias_int32: Tensor | None

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, *, relu: bool = True) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise UsageError(f"the kernel came as {kernel}, expected an odd number")
        fan_in = in_channels * kernel * kernel
        spread = math.sqrt((2.0 if relu else 1.0) / fan_in)
        self.kernel, self.relu = kernel, relu
        self.shift = min(max(round(math.log2(32 / spread)), 4), 14)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel) * spread)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("weight_int8", None, persistent=False)
        self.register_buffer("bias_int32", None, persistent=False)
        self._doubles: tuple[Tensor, Tensor] | None = None  # the two above as float64, computed on first use
        self._exact: dict[tuple[int, ...], ExactLayer] = {}  # the same, by the widths of the input's parts

    @property
    def frozen(self) -> bool:
        """Whether the integers are fixed; then training and casts to half precision leave them unchanged."""
        return self.weight_int8 is not None

    def integers(self) -> tuple[Tensor, Tensor]:
        """Weights (O, C, k, k), -127 to 127, and bias (O,), below 2**23 in absolute value.

        Both are float64 integers, with gradient unless frozen.
        """
        if self.weight_int8 is not None and self.bias_int32 is not None:
            if self._doubles is None or self._doubles[0].device != self.weight_int8.device:
                self._doubles, self._exact = (self.weight_int8.double(), self.bias_int32.double()), {}
            return self._doubles
        scale = 2.0**self.shift
        weight = _to_integers(self.weight, scale, -_MAX_WEIGHT, _MAX_WEIGHT)
        return weight, _to_integers(self.bias, scale * UNIT, -_MAX_BIAS, _MAX_BIAS)

    def freeze(self, weight: Tensor | None = None, bias: Tensor | None = None) -> None:
        """Fix the integers: the given ones, or those of the current parameters."""
        current_weight, current_bias = (t.detach() for t in self.integers())
        self._doubles, self._exact = None, {}
        self.weight_int8 = (current_weight if weight is None else weight.to(current_weight.device)).to(torch.int8)
        self.bias_int32 = (current_bias if bias is None else bias.to(current_bias.device)).to(torch.int32)
        with torch.no_grad():  # training can continue from loaded integers; exact, since both fit float32
            self.weight.copy_(self.weight_int8 * 2.0**-self.shift)
            self.bias.copy_(self.bias_int32 * (2.0**-self.shift / UNIT))

    def thaw(self) -> None:
        """Release the integers, so that training continues from the parameters."""
        self.weight_int8 = self.bias_int32 = self._doubles = None
        self._exact = {}

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        self.thaw()  # fixed integers would hide the parameters that are being loaded
        super()._load_from_state_dict(*arguments, **named)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = self.integers()
            return self._activate(self._sums(x.double(), weight.flatten(1)) + bias[:, None, None])

    def of_parts(self, parts: Sequence[Tensor], largest: float) -> Tensor:
        """The layer, with kernel 1, at L positions -> (B, O, L).

        parts: the inputs, (B, C_i, L), or (B, C_i, 1) where all positions share it. largest: bound of the inputs'
        absolute values. Frozen and without gradient, the result may be float32.
        """
        weight, bias = self.integers()
        widths = [part.shape[1] for part in parts]
        weights = torch.split(weight.flatten(1), widths, 1)
        if torch.is_grad_enabled() or not self.frozen:
            products = [matrix @ part.double() for matrix, part in zip(weights, parts, strict=True)]
            return self._activate(sum(products, start=bias[:, None]))
        key = tuple(widths)
        if key not in self._exact:
            self._exact[key] = ExactLayer(weights, bias)
        sums = self._exact[key].sums(parts, largest)
        lowest, highest = self._range
        return sums.mul_(2.0**-self.shift).floor_().clamp_(lowest, highest)

    def check_integers(self, number: int, weight: Tensor, bias: Tensor, shift: Tensor) -> None:
        """Check the integers of a weights file before ``freeze``. number: of this layer, for the message.

        Raises:
            DataError: a tensor is of another type, shape or range.
        """
        came = f"{weight.dtype} {tuple(weight.shape)}, {bias.dtype} {tuple(bias.shape)}, {shift.dtype} {shift.tolist()}"
        expected = (
            f"{torch.int8} {tuple(self.weight.shape)}, {torch.int32} {tuple(self.bias.shape)}, "
            f"{torch.int32} {[self.shift]}"
        )
        if came != expected:
            raise DataError(
                f"layer {number} of the integer weights has weight, bias, shift = {came}, expected {expected}; load "
                f"weights of this profile"
            )
        if int(weight.min()) < -_MAX_WEIGHT or int(bias.long().abs().max()) > _MAX_BIAS:
            raise DataError(
                f"layer {number} of the integer weights holds numbers out of range; fetch or export them again"
            )

    @property
    def _range(self) -> tuple[int, int]:
        return (0, _MAX_RELU) if self.relu else (MIN_ACTIVATION, MAX_ACTIVATION)

    def _activate(self, sums: Tensor) -> Tensor:
        lowest, highest = self._range
        return _to_integers(sums, 2.0**-self.shift, lowest, highest, floor=True, relu=self.relu)

    def _sums(self, x: Tensor, weight: Tensor) -> Tensor:
        """The convolution as a matrix product, in bands of rows, so that a large image is never unfolded as a whole."""
        batch, channels, height, width = x.shape
        if self.kernel == 1:
            return (weight @ x.flatten(2)).view(batch, -1, height, width)
        margin = self.kernel // 2
        padded = functional.pad(x, (margin,) * 4)
        rows = max(1, _BAND // (batch * channels * self.kernel**2 * width))
        bands = []
        for top in range(0, height, rows):
            count = min(rows, height - top)
            columns = functional.unfold(padded[:, :, top : top + count + 2 * margin], self.kernel)
            bands.append((weight @ columns).view(batch, -1, count, width))  # of (B, C k k, count * W)
        return bands[0] if len(bands) == 1 else torch.cat(bands, dim=2)

    def macs(self, height: int, width: int) -> int:
        """Number of multiplications for a map of this size."""
        return self.weight.numel() * height * width


class IntegerSequence(nn.Module):
    """Integer convolutions one after another, with ReLU between them and none after the last.

    widths: channels of the input, of each hidden layer, and of the output: ``IntegerSequence([24, 48, 48, 32],
    kernel=3)`` has three layers. kernel: of all layers, or one for each.

    Raises:
        UsageError: the numbers of widths and kernels do not fit.
    """

    def __init__(self, widths: Sequence[int], kernel: int | Sequence[int] = 3) -> None:
        super().__init__()
        count = len(widths) - 1
        kernels = [kernel] * count if isinstance(kernel, int) else list(kernel)
        if count < 1 or len(kernels) != count:
            raise UsageError(
                f"{len(widths)} widths and {len(kernels)} kernels came, expected one width more than kernels"
            )
        self.layers = nn.ModuleList(
            IntegerConv2d(widths[i], widths[i + 1], kernels[i], relu=i + 1 < count) for i in range(count)
        )

    def convolutions(self) -> list[IntegerConv2d]:
        return [layer for layer in self.layers if isinstance(layer, IntegerConv2d)]

    def forward(self, x: Tensor | Sequence[Tensor], largest: float = -MIN_ACTIVATION) -> Tensor:
        """Run the network: (B, C, H, W) integers in any dtype, -4096 to 4095 -> (B, O, H, W) float64, -2048 to 2047.

        If all kernels are 1, x may also be the inputs at L positions in parts, (B, C_i, L), or (B, C_i, 1) where all
        positions share it -> (B, O, L), float64 or float32. Parts are results of ``requantise``, at most ``largest`` in
        absolute value, which is not checked again. They are never concatenated: the first layer adds its products with
        each of them.

        Raises:
            UsageError: outside training, x holds other values than such integers; a float would decode differently
                elsewhere.
        """
        if not isinstance(x, Tensor):
            return self._at_positions(x, largest)
        activations = x.double()
        if not self.training:
            inputs = activations.detach()
            if not (torch.equal(inputs, inputs.round()) and bool((inputs.abs() <= 4096).all())):
                raise UsageError(
                    "an integer network was given numbers that are not integers from -4096 to 4095; use requantise "
                    "on decoded symbols"
                )
        for layer in self.layers:
            activations = layer(activations)
        return activations

    def _at_positions(self, parts: Sequence[Tensor], largest: float) -> Tensor:
        with torch.autocast(parts[0].device.type, enabled=False):
            for layer in self.convolutions():
                parts, largest = [layer.of_parts(parts, largest)], _MAX_RELU
        return parts[0]

    def freeze(self) -> None:
        """Fix the integers of all layers."""
        for layer in self.convolutions():
            layer.freeze()

    def thaw(self) -> None:
        """Release the integers of all layers, so that training continues."""
        for layer in self.convolutions():
            layer.thaw()

    def macs(self, height: int, width: int) -> int:
        """Number of multiplications for a map of this size."""
        return sum(layer.macs(height, width) for layer in self.convolutions())

    def integer_tensors(self) -> dict[str, Tensor]:
        """The tensors of a weights file: for layer i, ``i.weight`` int8, ``i.bias`` int32, ``i.shift`` int32 (1,)."""
        tensors = {}
        for i, layer in enumerate(self.convolutions()):
            weight, bias = layer.integers()
            tensors[f"{i}.weight"] = weight.detach().to(torch.int8).cpu().contiguous()
            tensors[f"{i}.bias"] = bias.detach().to(torch.int32).cpu().contiguous()
            tensors[f"{i}.shift"] = torch.tensor([layer.shift], dtype=torch.int32)
        return tensors

    def load_integers(self, tensors: Mapping[str, Tensor]) -> None:
        """Fix the tensors of ``integer_tensors``.

        Raises:
            DataError: a tensor is missing, is of another type, shape or range, or does not belong to the network.
        """
        layers = self.convolutions()
        expected = {f"{i}.{part}" for i in range(len(layers)) for part in ("weight", "bias", "shift")}
        if set(tensors) != expected:
            differing = ", ".join(sorted(expected ^ set(tensors)))
            raise DataError(
                f"the integer weights do not fit the network: {differing} is missing or unexpected; load weights of "
                f"this profile"
            )
        for i, layer in enumerate(layers):
            layer.check_integers(i, tensors[f"{i}.weight"], tensors[f"{i}.bias"], tensors[f"{i}.shift"])
        for i, layer in enumerate(layers):
            layer.freeze(tensors[f"{i}.weight"], tensors[f"{i}.bias"])


class GaussianParameters(NamedTuple):
    """Fixed-point means in 1/16, -2048 to 2047, and table levels: float64 integers (B, C, L) with gradient."""

    mean: Tensor
    level: Tensor


def scale_levels(output: Tensor, levels: int) -> Tensor:
    """Table levels, 0 to levels - 1, from a network's output: float64 integers with gradient, of the same shape.

    A level is 16 steps of the output wide, and an output of 0 is the middle level, so a fresh network starts with
    medium scales.
    """
    return _to_integers(output + 16 * (levels // 2), 1 / 16, 0, levels - 1, floor=True)
