"""Weights for the zoo's networks under which they code a picture at a quarter of its size, without any training.

    g_a: 2x2 means, 2x2 means, 2x2 samples to channels, 2x2 samples to channels, times ``gain``        g_s: the reverse

The normalisations are the identity, and residual blocks add nothing. The networks that decide probabilities keep random
weights, small enough that scales stay near those of such a y. So every part of a codec has work to do, and a decoded
picture looks like the original.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.learned import networks

CHANNELS = (48, 48)
"""N and M: y has 3 x 4 x 4 samples of a quarter-sized picture."""

_LIFT = 100.0
"""Added in front of a leaky rectifier and taken off behind it, so that it passes everything."""


def written(architecture: str, path: Path, gain: float = 24.0, seed: int = 0) -> Path:
    """A weights file of such a network. gain: the size of y, on which rate and quality depend."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = networks.new_model(architecture, CHANNELS)
        _set(model, gain)
    networks.save(model, architecture, path)
    return path


@torch.no_grad()
def _set(model: Any, gain: float) -> None:
    for name, module in model.named_modules():
        if hasattr(module, "gamma_reparam") and name.startswith("g_"):
            module.gamma.copy_(module.gamma_reparam.init(torch.zeros_like(module.gamma)))
    stages = [
        part for part in model.g_a if any(isinstance(m, nn.Conv2d) and m.stride == (2, 2) for m in part.modules())
    ]
    for stage, split in zip(stages, (False, False, True, True), strict=True):
        _analysis_stage(stage, split)
    last = stages[-1]
    last.weight.mul_(gain)
    last.bias.fill_(-gain / 2)
    _synthesis(model.g_s, gain)
    for block in (*model.g_a, *model.g_s):
        _silence(block)
    if hasattr(model, "h_s"):
        _probabilities(model, gain)
    else:
        _widen(model.entropy_bottleneck, gain / 20)


def _analysis_stage(stage: Any, split: bool) -> None:
    conv = stage if isinstance(stage, nn.Conv2d) else stage.conv1
    centre = conv.kernel_size[0] // 2
    conv.weight.zero_()
    conv.bias.zero_()
    for channel in range(conv.in_channels if not split else min(conv.in_channels, conv.out_channels // 4)):
        for row in range(2):
            for column in range(2):
                if split:
                    conv.weight[4 * channel + 2 * row + column, channel, centre + row, centre + column] = 1
                elif channel < 3:
                    conv.weight[channel, channel, centre + row, centre + column] = 0.25
    if conv is not stage:
        conv.bias.add_(_LIFT)
        stage.skip.weight.zero_()
        stage.skip.bias.zero_()
        stage.conv2.weight.zero_()
        for channel in range(conv.out_channels):
            stage.conv2.weight[channel, channel, 1, 1] = 1
        stage.conv2.bias.fill_(-_LIFT)


def _synthesis(g_s: Any, gain: float) -> None:
    """Depth to space twice, then nearest neighbours twice; the first stage divides by the gain."""
    transposed = [part for part in g_s if isinstance(part, nn.ConvTranspose2d)]
    shuffled = [part.upsample[0] if hasattr(part, "upsample") else part[0] for part in g_s if _shuffles(part)]
    for number, conv in enumerate(transposed or shuffled):
        conv.weight.zero_()
        conv.bias.zero_()
        outputs = conv.out_channels if transposed else conv.out_channels // 4
        centre = conv.kernel_size[0] // 2
        for channel in range(min(outputs, 12 if number == 0 else 3)):
            for part in range(4):
                source = 4 * channel + part if number < 2 else channel
                if transposed:
                    conv.weight[source, channel, centre + part // 2, centre + part % 2] = 1
                else:
                    conv.weight[4 * channel + part, source, 1, 1] = 1
    layers = transposed or shuffled
    layers[0].weight.div_(gain)
    layers[-1].bias.fill_(0.5)


def _shuffles(part: Any) -> bool:
    return hasattr(part, "upsample") or (isinstance(part, nn.Sequential) and isinstance(part[-1], nn.PixelShuffle))


def _silence(block: Any) -> None:
    """Let a residual or attention block return its input, and an upsampling block its short path."""
    if hasattr(block, "conv_b"):  # attention: a gate of about 0
        block.conv_b[-1].weight.zero_()
        block.conv_b[-1].bias.fill_(-100)
    for name in ("conv2", "conv"):
        conv = getattr(block, name, None)
        if conv is not None and not hasattr(block, "conv_b") and not _is_analysis(block):
            conv.weight.zero_()
            conv.bias.zero_()


def _is_analysis(block: Any) -> bool:
    return getattr(block, "conv1", None) is not None and block.conv1.stride == (2, 2)


def _probabilities(model: Any, gain: float) -> None:
    """Scales around that of y, over an octave or two; means near 0; small offsets of variable-rate networks."""
    last = [m for m in model.h_a.modules() if isinstance(m, nn.Conv2d)][-1]
    last.weight.mul_(4)
    deciding = getattr(model, "entropy_parameters", model.h_s)
    head = [m for m in deciding.modules() if isinstance(m, nn.Conv2d)][-1]
    inputs = torch.randn(1, next(m for m in deciding.modules() if hasattr(m, "in_channels")).in_channels, 8, 8)
    outputs = deciding(inputs)
    outputs = outputs - outputs.mean()
    channels = CHANNELS[1]
    for part, spread, centre in ((slice(channels), 0.05, 0.2), (slice(channels, None), 0.05, 0.0)):
        if head.bias[part].numel():
            head.weight[part] *= spread * gain / outputs.std()
            head.bias[part] = centre * gain
    if hasattr(model, "QuantABCD"):
        model.QuantABCD[-1].weight.mul_(0.2)
        model.QuantABCD[-1].bias.fill_(0.05)


def _widen(bottleneck: Any, factor: float) -> None:
    """Stretch the bottleneck's distributions, which begin with a reach of 10, to that of y."""
    slope = torch.nn.functional.softplus(bottleneck.matrices[0]) / factor
    bottleneck.matrices[0].copy_(slope.expm1().log())
    bottleneck.quantiles.mul_(factor)
