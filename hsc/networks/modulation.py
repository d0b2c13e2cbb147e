"""The operations of StyleGAN2 without its layers: modulated convolution and the resampling around it.

    style (B, I) ───────────┬───────────────────────────┐
                            v                           v
    x (B, I, h, w) ──> * style ──> conv, shared W ──> * demodulation (B, O) ──> (B, O, h, w) or (B, O, 2h, 2w)

Scaling the input channels, convolving with weights that all samples share, and scaling the output is the same as
convolving each sample with its own weights, since a convolution is linear in each input channel. It needs no grouped
convolution and is much faster on a CPU where maps are small. Large maps of few channels are instead convolved sample by
sample with their own weights, which saves passes over the map. ``modulated_conv_per_sample`` follows the paper's order
and is kept as the reference.

Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", sections 2.2 and appendix B.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-8
SQRT2 = math.sqrt(2.0)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 times the square root of 2, which keeps the variance about 1."""
    return functional.leaky_relu(x, 0.2).mul_(SQRT2)


def binomial_kernel(channels: int, gain: float, like: Tensor) -> Tensor:
    """The separable filter [1, 3, 3, 1] of sum ``gain``, (channels, 1, 4, 4), with type and device of ``like``."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], device=like.device, dtype=like.dtype)
    square = line[:, None] * line[None, :] * (gain / 64)
    return square.expand(channels, 1, 4, 4).contiguous()


def blur(x: Tensor, gain: float = 1.0) -> Tensor:
    """Filter (B, C, h, w) by [1, 3, 3, 1] with a border of one zero: (B, C, h - 1, w - 1)."""
    channels = x.shape[1]
    return functional.conv2d(x, binomial_kernel(channels, gain, x), padding=1, groups=channels)


def upsample(x: Tensor) -> Tensor:
    """Upsample (B, C, h, w) by zeros between the samples and the filter [1, 3, 3, 1] of gain 4: (B, C, 2h, 2w)."""
    channels = x.shape[1]
    return functional.conv_transpose2d(x, binomial_kernel(channels, 4.0, x), stride=2, padding=1, groups=channels)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """Scales that give output channels unit variance: rsqrt(sum over I, k, k of (weight * style)^2 + 1e-8).

    weight: (O, I, k, k), style: (B, I); the result is (B, O), float32 also under autocast. It is a matrix product, so
    no tensor (B, O, I, k, k) is built.
    """
    with torch.autocast(style.device.type, enabled=False):
        energy = weight.float().square().sum((2, 3))  # (O, I)
        return torch.rsqrt(style.float().square() @ energy.t() + EPSILON)


def modulated_conv(x: Tensor, weight: Tensor, style: Tensor, *, up: bool = False, demodulate: bool = True) -> Tensor:
    """Convolve x with the weights scaled by each sample's style.

    x: (B, I, h, w). weight: (O, I, k, k) with k odd. style: (B, I), float32.
    up: double both sides by a transposed convolution of stride 2, followed by a blur of gain 4.
    The result is (B, O, h, w), or (B, O, 2h, 2w) with ``up``.
    """
    scale = demodulation(weight, style).to(x.dtype) if demodulate else None
    if x[0].numel() > weight.numel():  # a large map: scaling it costs more than scaling the weights of each sample
        kernels = weight.to(x.dtype) * style.to(x.dtype)[:, None, :, None, None]  # (B, O, I, k, k)
        kernels = kernels if scale is None else kernels * scale[:, :, None, None, None]
        samples = zip(torch.split(x, 1), kernels, strict=True)
        return torch.cat([_convolve(sample, kernel, up) for sample, kernel in samples])
    x = _convolve(x * style.to(x.dtype)[:, :, None, None], weight, up)
    return x if scale is None else x * scale[:, :, None, None]


def _convolve(x: Tensor, weight: Tensor, up: bool) -> Tensor:
    if up:
        return blur(functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2), 4.0)
    if weight.shape[-1] == 1:  # sums of a matrix product do not depend on the threads, those of a convolution do
        return (weight.flatten(1) @ x.flatten(2)).reshape(x.shape[0], -1, *x.shape[2:])
    return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)


def modulated_conv_per_sample(
    x: Tensor, weight: Tensor, style: Tensor, *, up: bool = False, demodulate: bool = True
) -> Tensor:
    """Compute ``modulated_conv`` in the paper's own order: modulate weights, demodulate weights, convolve."""
    batch, channels, height, width = x.shape
    kernels = weight[None] * style[:, None, :, None, None]  # (B, O, I, k, k)
    if demodulate:
        kernels = kernels * torch.rsqrt(kernels.square().sum((2, 3, 4), keepdim=True) + EPSILON)
    grouped = x.reshape(1, batch * channels, height, width)
    if up:
        transposed = kernels.transpose(1, 2).flatten(0, 1)  # (B * I, O, k, k)
        y = functional.conv_transpose2d(grouped, transposed, stride=2, groups=batch)
        return blur(y.reshape(batch, -1, *y.shape[2:]), 4.0)
    y = functional.conv2d(grouped, kernels.flatten(0, 1), padding=weight.shape[-1] // 2, groups=batch)
    return y.reshape(batch, -1, *y.shape[2:])  # from (1, B * O, h, w)


class EqualizedLinear(nn.Module):
    """A linear layer with weights that are stored at unit variance and scaled when used.

    (B, inputs) -> (B, outputs). bias: its initial value. rate: learning rate multiplier; weights are stored divided by
    it. Computed in float32, also under autocast, because styles multiply whole channels. Source: Karras et al. 2018,
    section 4.1.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.gain, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return functional.linear(x.float(), self.weight.float() * self.gain, self.bias.float() * self.rate)
