"""Modulated convolution and the resampling around it: the operations of StyleGAN2, without its layers.

    style (B, I) ───────────┬───────────────────────────┐
                            v                           v
    x (B, I, h, w) ──> * style ──> conv, shared W ──> * demodulation (B, O) ──> (B, O, h, w) or (B, O, 2h, 2w)

Scaling the input channels, convolving with weights all samples share, and scaling the output equals convolving each
sample with its own weights, since a convolution is linear in each input channel. It needs no grouped convolution and is
much the faster form on a CPU where maps are small. Large maps of few channels are convolved sample by sample with
weights of their own instead, which saves passes over the map. ``modulated_conv_per_sample`` is the paper's order, kept
as the reference.

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
    """The filter [1, 3, 3, 1] in both directions, of sum ``gain``: shape (channels, 1, 4, 4), type and device of
    ``like``.
    """
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], device=like.device, dtype=like.dtype)
    square = line[:, None] * line[None, :] * (gain / 64)
    return square.expand(channels, 1, 4, 4).contiguous()


def blur(x: Tensor, gain: float = 1.0) -> Tensor:
    """Filter (B, C, h, w) by [1, 3, 3, 1] with one zero at each border: (B, C, h - 1, w - 1)."""
    channels = x.shape[1]
    return functional.conv2d(x, binomial_kernel(channels, gain, x), padding=1, groups=channels)


def upsample(x: Tensor) -> Tensor:
    """Double (B, C, h, w) by zeros between the samples and [1, 3, 3, 1] of gain 4: (B, C, 2h, 2w)."""
    channels = x.shape[1]
    return functional.conv_transpose2d(x, binomial_kernel(channels, 4.0, x), stride=2, padding=1, groups=channels)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """What brings each output channel back to unit variance: rsqrt(sum over I, k, k of (weight * style)^2 + 1e-8).

    weight: (O, I, k, k), style: (B, I); the result is (B, O), float32 also under autocast. As a matrix product no
    (B, O, I, k, k) is ever built.
    """
    with torch.autocast(style.device.type, enabled=False):
        energy = weight.float().square().sum((2, 3))  # (O, I)
        return torch.rsqrt(style.float().square() @ energy.t() + EPSILON)


def modulated_conv(x: Tensor, weight: Tensor, style: Tensor, *, up: bool = False, demodulate: bool = True) -> Tensor:
    """Convolve x with the weights scaled by each sample's style.

    x: (B, I, h, w). weight: (O, I, k, k) with k odd. style: (B, I), float32.
    up: double the side, by a convolution transposed with stride 2 and then a blur of gain 4.
    The result is (B, O, h, w), or (B, O, 2h, 2w) with ``up``.
    """
    scale = demodulation(weight, style).to(x.dtype) if demodulate else None
    if x[0].numel() > weight.numel():  # a large map: scaling it costs more than scaling the weights, sample by sample
        own = weight.to(x.dtype) * style.to(x.dtype)[:, None, :, None, None]  # (B, O, I, k, k)
        own = own if scale is None else own * scale[:, :, None, None, None]
        return torch.cat([_convolve(one, kernel, up) for one, kernel in zip(torch.split(x, 1), own, strict=True)])
    x = _convolve(x * style.to(x.dtype)[:, :, None, None], weight, up)
    return x if scale is None else x * scale[:, :, None, None]


def _convolve(x: Tensor, weight: Tensor, up: bool) -> Tensor:
    if up:
        return blur(functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2), 4.0)
    if (
        weight.shape[-1] == 1
    ):  # as a matrix product its sums do not depend on the number of threads, as those of a 1x1 convolution do
        return (weight.flatten(1) @ x.flatten(2)).reshape(x.shape[0], -1, *x.shape[2:])
    return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)


def modulated_conv_per_sample(
    x: Tensor, weight: Tensor, style: Tensor, *, up: bool = False, demodulate: bool = True
) -> Tensor:
    """The same as ``modulated_conv``, in the paper's own order: modulate weights, demodulate weights, convolve."""
    batch, channels, height, width = x.shape
    own = weight[None] * style[:, None, :, None, None]  # (B, O, I, k, k)
    if demodulate:
        own = own * torch.rsqrt(own.square().sum((2, 3, 4), keepdim=True) + EPSILON)
    grouped = x.reshape(1, batch * channels, height, width)
    if up:
        kernel = own.transpose(1, 2).flatten(0, 1)  # (B * I, O, k, k)
        y = functional.conv_transpose2d(grouped, kernel, stride=2, groups=batch)
        return blur(y.reshape(batch, -1, *y.shape[2:]), 4.0)
    y = functional.conv2d(grouped, own.flatten(0, 1), padding=weight.shape[-1] // 2, groups=batch)  # (1, B * O, h, w)
    return y.reshape(batch, -1, *y.shape[2:])


class EqualizedLinear(nn.Module):
    """A linear layer whose weights are kept at unit variance and scaled when used (Karras et al. 2018, section 4.1).

    (B, inputs) -> (B, outputs). bias: its initial value. rate: learning rate multiplier; weights are stored 1/rate as
    large. Always computed in float32, also under autocast: styles multiply whole channels.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.gain, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return functional.linear(x.float(), self.weight.float() * self.gain, self.bias.float() * self.rate)
