"""Networks in integer arithmetic: what gives entropy parameters, the same on every machine.

    integers --x int8 weights, + bias--> sum --floor(sum / 2**shift)--> clip to 12 bits --> integers --> ...
                (exact)

Integers below 2**53 add and multiply in float64 without error in any order: threads, batch size, memory format and
device change nothing.
The largest sum here is 127 * 4096 * fan-in + 2**23, so a fan-in of ten thousand million would be too much. Where a sum
provably stays below 2**24 it is made in float32, with the same result in half the time
(``hsc.entropy_coding.exact_matmul``). Convolutions are unfolded into one matrix product, because libraries have other
algorithms (Winograd, FFT) for convolutions, whose steps are no integers. Off the CPU the sum is rounded before it is
shifted, which is nothing where it is exact and mends a library that emulates float64 to less than the last bit.

There is one forward path. In training the roundings pass their gradient straight through (Bengio et al., 2013), so that
what is trained is what is coded. Integer entropy networks: Balle, Johnston, Minnen, "Integer networks for data
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
    """clip(round or floor(x * factor)) in float64; the gradient passes as if it were x * factor, clipped.

    Outside the range it passes only where it leads back, and not at all below a ReLU.
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
    """Round or floor of x * factor, a new float64 tensor; factors are powers of two, so a product with one is exact."""
    x = x.double()
    if floor and x.device.type != "cpu":  # emulated, perhaps
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
    """floor(x * multiplier / 2**shift), clipped to 12 bits: symbols times an integer gain become activations.

    x: integers in any dtype. multiplier: integers below 2**20 that broadcast against x (a row of a shipped gain table).
    Returns float64 integers, -2048 to 2047; the gradient passes straight through.
    """
    return _to_integers(x.double() * multiplier, 2.0**-shift, MIN_ACTIVATION, MAX_ACTIVATION, floor=True)


class IntegerConv2d(nn.Module):
    """A convolution of stride 1 that keeps the size, in integers; with kernel 1 on a 1x1 map, a linear layer.

    in (B, C, H, W) integers of at most 12 bits and a sign -> out (B, O, H, W) float64 integers: 0 to 4095 with relu,
    else
    -2048 to 2047. ``shift`` follows from the fan-in: it is chosen so that weights start some 30 steps wide.
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
        self._doubles: tuple[Tensor, Tensor] | None = None  # of the two above, made when first asked for
        self._exact: dict[tuple[int, ...], ExactLayer] = {}  # the same by widths of parts

    @property
    def frozen(self) -> bool:
        """Whether the integers are fixed, out of reach of training and of casts to half precision."""
        return self.weight_int8 is not None

    def integers(self) -> tuple[Tensor, Tensor]:
        """Weights (O, C, k, k), -127 to 127, and bias (O,) below 2**23 in size: float64 integers, with gradient unless
        frozen.
        """
        if self.weight_int8 is not None and self.bias_int32 is not None:
            if self._doubles is None or self._doubles[0].device != self.weight_int8.device:
                self._doubles, self._exact = (self.weight_int8.double(), self.bias_int32.double()), {}
            return self._doubles
        scale = 2.0**self.shift
        weight = _to_integers(self.weight, scale, -_MAX_WEIGHT, _MAX_WEIGHT)
        return weight, _to_integers(self.bias, scale * UNIT, -_MAX_BIAS, _MAX_BIAS)

    def freeze(self, weight: Tensor | None = None, bias: Tensor | None = None) -> None:
        """Fix the integers: these, or those the parameters stand for now."""
        own_weight, own_bias = (t.detach() for t in self.integers())
        self._doubles, self._exact = None, {}
        self.weight_int8 = (own_weight if weight is None else weight.to(own_weight.device)).to(torch.int8)
        self.bias_int32 = (own_bias if bias is None else bias.to(own_bias.device)).to(torch.int32)
        with torch.no_grad():  # so that training can go on from loaded integers; exact, both fit float32
            self.weight.copy_(self.weight_int8 * 2.0**-self.shift)
            self.bias.copy_(self.bias_int32 * (2.0**-self.shift / UNIT))

    def thaw(self) -> None:
        """Let training go on."""
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
        """The same with kernel 1 at L positions, whose inputs come in parts: (B, C_i, L), or (B, C_i, 1) where all
        share it -> (B, O, L).

        largest: no input is beyond it in size. Frozen and without gradient the integers may come as float32.
        """
        weight, bias = self.integers()
        widths = [part.shape[1] for part in parts]
        if torch.is_grad_enabled() or not self.frozen:
            products = [
                own @ part.double() for own, part in zip(torch.split(weight.flatten(1), widths, 1), parts, strict=True)
            ]
            return self._activate(sum(products, start=bias[:, None]))
        key = tuple(widths)
        if key not in self._exact:
            self._exact[key] = ExactLayer(torch.split(weight.flatten(1), widths, 1), bias)
        sums = self._exact[key].sums(parts, largest)
        lowest, highest = self._range
        return sums.mul_(2.0**-self.shift).floor_().clamp_(lowest, highest)

    @property
    def _range(self) -> tuple[int, int]:
        return (0, _MAX_RELU) if self.relu else (MIN_ACTIVATION, MAX_ACTIVATION)

    def _activate(self, sums: Tensor) -> Tensor:
        lowest, highest = self._range
        return _to_integers(sums, 2.0**-self.shift, lowest, highest, floor=True, relu=self.relu)

    def _sums(self, x: Tensor, weight: Tensor) -> Tensor:
        """The matrix product, in bands of rows so that a large image needs no unfolded copy of itself."""
        batch, channels, height, width = x.shape
        if self.kernel == 1:
            return (weight @ x.flatten(2)).view(batch, -1, height, width)
        margin = self.kernel // 2
        padded = functional.pad(x, (margin,) * 4)
        rows = max(1, _BAND // (batch * channels * self.kernel**2 * width))
        bands = []
        for top in range(0, height, rows):
            count = min(rows, height - top)
            columns = functional.unfold(
                padded[:, :, top : top + count + 2 * margin], self.kernel
            )  # (B, C k k, count * W)
            bands.append((weight @ columns).view(batch, -1, count, width))
        return bands[0] if len(bands) == 1 else torch.cat(bands, dim=2)

    def macs(self, height: int, width: int) -> int:
        """Multiplications for a map of this size."""
        return self.weight.numel() * height * width


class IntegerSequence(nn.Module):
    """Integer convolutions one after another, ReLU between them, none behind the last.

    widths: channels in, of each hidden layer, and out: ``IntegerSequence([24, 48, 48, 32], kernel=3)`` has three
    layers.
    kernel: of all layers, or one for each.
    """

    def __init__(self, widths: Sequence[int], kernel: int | Sequence[int] = 3) -> None:
        super().__init__()
        count = len(widths) - 1
        kernels = [kernel] * count if isinstance(kernel, int) else list(kernel)
        if count < 1 or len(kernels) != count:
            raise UsageError(
                f"{len(widths)} widths and {len(kernels)} kernels do not fit: one width more than kernels is expected"
            )
        self.layers = nn.ModuleList(
            IntegerConv2d(widths[i], widths[i + 1], kernels[i], relu=i + 1 < count) for i in range(count)
        )

    def _convolutions(self) -> list[IntegerConv2d]:
        return [layer for layer in self.layers if isinstance(layer, IntegerConv2d)]

    def forward(self, x: Tensor | Sequence[Tensor], largest: float = -MIN_ACTIVATION) -> Tensor:
        """(B, C, H, W) integers in any dtype, -4096 to 4095 -> (B, O, H, W) float64 integers, -2048 to 2047.

        Where all kernels are 1, also at L positions with the inputs in parts: (B, C_i, L), or (B, C_i, 1) where all
        positions share it
        -> (B, O, L), float64 or float32. Parts hold what ``requantise`` gives, none beyond ``largest`` in size, which
        is not checked again.
        They are never joined: the first layer adds what it makes of each.

        Raises:
            UsageError: outside training, x holds other than such integers: a float would not decode alike elsewhere.
        """
        if not isinstance(x, Tensor):
            return self._at_positions(x, largest)
        found = x.double()
        if not self.training:
            held = found.detach()
            if not (torch.equal(held, held.round()) and bool((held.abs() <= 4096).all())):
                raise UsageError(
                    "an integer network was given numbers that are not integers from -4096 to 4095; use requantise "
                    "on decoded symbols"
                )
        for layer in self.layers:
            found = layer(found)
        return found

    def _at_positions(self, parts: Sequence[Tensor], largest: float) -> Tensor:
        with torch.autocast(parts[0].device.type, enabled=False):
            for layer in self._convolutions():
                parts, largest = [layer.of_parts(parts, largest)], _MAX_RELU
        return parts[0]

    def freeze(self) -> None:
        """Fix the integers of all layers."""
        for layer in self._convolutions():
            layer.freeze()

    def thaw(self) -> None:
        """Let training go on in all layers."""
        for layer in self._convolutions():
            layer.thaw()

    def macs(self, height: int, width: int) -> int:
        """Multiplications for a map of this size."""
        return sum(layer.macs(height, width) for layer in self._convolutions())

    def integer_tensors(self) -> dict[str, Tensor]:
        """What a weights file holds: for layer i ``i.weight`` int8, ``i.bias`` int32, ``i.shift`` int32 of shape (1,)."""
        tensors = {}
        for i, layer in enumerate(self._convolutions()):
            weight, bias = layer.integers()
            tensors[f"{i}.weight"] = weight.detach().to(torch.int8).cpu().contiguous()
            tensors[f"{i}.bias"] = bias.detach().to(torch.int32).cpu().contiguous()
            tensors[f"{i}.shift"] = torch.tensor([layer.shift], dtype=torch.int32)
        return tensors

    def load_integers(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the tensors of ``integer_tensors`` and freeze.

        Raises:
            DataError: one is missing, of other type, shape or range, or there are more.
        """
        layers = self._convolutions()
        expected = {f"{i}.{part}" for i in range(len(layers)) for part in ("weight", "bias", "shift")}
        if set(tensors) != expected:
            differ = ", ".join(sorted(expected ^ set(tensors)))
            raise DataError(
                f"the integer weights do not fit the network: {differ} is missing or too much; load those of its own "
                f"profile"
            )
        for i, layer in enumerate(layers):
            weight, bias, shift = tensors[f"{i}.weight"], tensors[f"{i}.bias"], tensors[f"{i}.shift"]
            kinds = weight.dtype is torch.int8 and bias.dtype is torch.int32 and shift.dtype is torch.int32
            if (
                not kinds
                or weight.shape != layer.weight.shape
                or bias.shape != layer.bias.shape
                or shift.tolist() != [layer.shift]
            ):
                came = f"{weight.dtype} {tuple(weight.shape)}, {bias.dtype} {tuple(bias.shape)}, shift {shift.tolist()}"
                expected_here = (
                    f"int8 {tuple(layer.weight.shape)}, int32 {tuple(layer.bias.shape)}, shift [{layer.shift}]"
                )
                raise DataError(
                    f"layer {i} of the integer weights is {came}, expected {expected_here}; load those of its own "
                    f"profile"
                )
            if int(weight.min()) < -_MAX_WEIGHT or int(bias.long().abs().max()) > _MAX_BIAS:
                raise DataError(
                    f"layer {i} of the integer weights holds numbers out of range; fetch or export them again"
                )
        for i, layer in enumerate(layers):
            layer.freeze(tensors[f"{i}.weight"], tensors[f"{i}.bias"])


class GaussianParameters(NamedTuple):
    """Fixed-point means in 1/16, -2048 to 2047, and table levels: float64 integers (B, C, L), with gradient."""

    mean: Tensor
    level: Tensor


def scale_levels(output: Tensor, levels: int) -> Tensor:
    """Table levels, 0 to levels - 1, of a network's output: float64 integers with gradient, of the same shape.

    A level is 16 steps of the output wide and 0 stands for the middle one, so a fresh network starts with middling
    scales.
    """
    return _to_integers(output + 16 * (levels // 2), 1 / 16, 0, levels - 1, floor=True)
