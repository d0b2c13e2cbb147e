"""ESPNetv2 segmenters of other people, trained on photographs (Cityscapes, PASCAL VOC), as teachers.

    x ──level 1──> 1/2 ──level 2──> 1/4 ──level 3──> 1/8 ──level 4──> 1/16       encoder, x added at every level
                    │               │                │                │
                    └─weighted─┐    └─weighted─┐     └─weighted─┐     └──pool──┐
    class maps, 1/2 <──pool── + <──up, pool── + <──up, pool──── + <────── up ──┘  decoder of pyramids

    EESP:  x ──1x1, fewer──┬─> 3x3 dilated ──> each the sum with the one before ──> side by side ──1x1──> + x
                           ├─> ...
    pool:  x ──1x1──> at five scales: 3x3, back to size ──> merged

The checkpoints are state dicts of sacmehta/EdgeNets (MIT), whose names of tensors the modules here bear. Source: Mehta
et al. 2019, "ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network", section 3;
the decoder is that of EdgeNets.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.errors import DataError
from hsc.files.tensor_files import outline, require_room
from hsc.training.teachers.imagenet import Normalised
from hsc.training.teachers.seen import Seen
from hsc.training.teachers.weights_file import load_strictly, read_weights

_MULTIPLE = 16
_BRANCHES = 4
_WIDE, _NARROW = (1, 2, 3, 4), (1, 1, 2, 3)
"""Dilations of the branches; the narrow ones are those of the units of level 4."""
_SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)
_LEAST_SIDE = 5  # of a map in a pyramid
_IMAGE = 3


class EspNetV2(nn.Module):
    """The segmenter, randomly initialised.

    widths: of the encoder's levels. units: numbers of EESP units of the levels 3 and 4. decoder: widths of the
    decoder's first three pyramids. pyramid: width inside the pyramids. classes: of the label maps.
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int],
        units: tuple[int, int],
        decoder: tuple[int, int, int],
        pyramid: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.base_net = _Encoder(widths, units)
        inputs, outputs = (widths[3], *decoder), (*decoder, classes)
        for number, (a, b) in enumerate(zip(inputs, outputs, strict=True), start=1):
            self.add_module(f"bu_dec_l{number}", _Pyramid(a, pyramid, b, last=number == 4))
        for number, (a, b) in enumerate(zip(reversed(widths[:3]), decoder, strict=True), start=2):
            self.add_module(f"merge_enc_dec_l{number}", _Weighted(a, b))
            self.add_module(f"bu_br_l{number}", nn.Sequential(nn.BatchNorm2d(b), nn.PReLU(b)))

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Class maps at half the side of normalised images, and the encoder's maps at 1/2, 1/4, 1/8 and 1/16."""
        levels = self.base_net(x)
        decoded = self.get_submodule("bu_dec_l1")(levels[3])
        for number, level in enumerate(reversed(levels[:3]), start=2):
            decoded = functional.interpolate(decoded, scale_factor=2.0, mode="bilinear", align_corners=True)
            decoded = decoded + self.get_submodule(f"merge_enc_dec_l{number}")(level)
            decoded = self.get_submodule(f"bu_dec_l{number}")(self.get_submodule(f"bu_br_l{number}")(decoded))
        return decoded, levels


class _Encoder(nn.Module):
    """The encoder, whose every level also sees the image."""

    def __init__(self, widths: tuple[int, int, int, int], units: tuple[int, int]) -> None:
        super().__init__()
        self.level1 = _Unit(_IMAGE, widths[0], 3, 2)
        self.level2_0 = _Down(widths[0], widths[1])
        self.level3_0 = _Down(widths[1], widths[2])
        self.level3 = nn.ModuleList(_Eesp(widths[2], widths[2], _WIDE) for _ in range(units[0]))
        self.level4_0 = _Down(widths[2], widths[3])
        self.level4 = nn.ModuleList(_Eesp(widths[3], widths[3], _NARROW) for _ in range(units[1]))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        level1 = self.level1(x)
        level2 = self.level2_0(level1, x)
        level3 = self.level3_0(level2, x)
        for unit in self.level3:
            level3 = unit(level3)
        level4 = self.level4_0(level3, x)
        for unit in self.level4:
            level4 = unit(level4)
        return level1, level2, level3, level4


class _Unit(nn.Module):
    """A convolution, its normalisation, and a PReLU where it is ``active``."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, *, active: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        if active:
            self.act = nn.PReLU(outputs)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return self.act(x) if self.active else x


class _Dilated(nn.Module):
    """A dilated depthwise convolution of 3x3."""

    def __init__(self, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride, dilation, dilation, groups=width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y


class _Activated(nn.Module):
    """A normalisation and a PReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn, self.act = nn.BatchNorm2d(width), nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn(x))
        return y


class _Eesp(nn.Module):
    """The unit EESP. stride: with 2, neither x is added nor the last PReLU applied, which ``_Down`` does after it."""

    def __init__(self, inputs: int, outputs: int, dilations: tuple[int, ...], stride: int = 1) -> None:
        super().__init__()
        inner = outputs // _BRANCHES
        self.proj_1x1 = _Unit(inputs, inner, groups=_BRANCHES)
        self.spp_dw = nn.ModuleList(_Dilated(inner, stride, dilation) for dilation in dilations)
        self.conv_1x1_exp = _Unit(outputs, outputs, groups=_BRANCHES, active=False)
        self.br_after_cat = _Activated(outputs)
        self.module_act = nn.PReLU(outputs)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        inner, sums = self.proj_1x1(x), list[Tensor]()
        for branch in self.spp_dw:
            sums.append(branch(inner) + sums[-1] if sums else branch(inner))
        y: Tensor = self.conv_1x1_exp(self.br_after_cat(torch.cat(sums, 1)))
        return y if self.stride > 1 else self.module_act(y + x)


class _Down(nn.Module):
    """Halves the sides: means and an EESP unit side by side, plus the image at that size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.eesp = _Eesp(inputs, outputs - inputs, _WIDE, 2)
        self.inp_reinf = nn.Sequential(_Unit(_IMAGE, _IMAGE, 3), _Unit(_IMAGE, outputs, active=False))
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        means = functional.avg_pool2d(x, 3, 2, 1)
        while image.shape[2] > means.shape[2]:
            image = functional.avg_pool2d(image, 3, 2, 1)
        y: Tensor = self.act(torch.cat([means, self.eesp(x)], 1) + self.inp_reinf(image))
        return y


class _Pyramid(nn.Module):
    """Depthwise convolutions at five scales, merged. last: of class maps, which stay as they are."""

    def __init__(self, inputs: int, inner: int, outputs: int, *, last: bool) -> None:
        super().__init__()
        count = len(_SCALES)
        self.projection_layer = _named("cbr", _layers(inputs, inner, 1))
        self.stages = nn.ModuleList(nn.Conv2d(inner, inner, 3, 1, 1, groups=inner, bias=False) for _ in _SCALES)
        self.merge_layer = nn.Sequential(
            _named("br", [nn.BatchNorm2d(inner * count), nn.PReLU(inner * count)]),
            nn.ChannelShuffle(count),
            _named("cbr", _layers(inner * count, inner, 3, groups=inner)),
            nn.Conv2d(inner, outputs, 1, bias=last),
        )
        self.br = nn.Identity() if last else _named("br", [nn.BatchNorm2d(outputs), nn.PReLU(outputs)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.projection_layer(x)
        size, maps = (x.shape[2], x.shape[3]), []
        for scale, stage in zip(_SCALES, self.stages, strict=True):
            height, width = (max(_LEAST_SIDE, math.ceil(side * scale)) for side in size)
            scaled = (height, width)
            if scale < 1:
                small = stage(functional.adaptive_avg_pool2d(x, scaled))
                maps.append(functional.interpolate(small, size, mode="bilinear", align_corners=True))
            elif scale > 1:
                large = stage(functional.interpolate(x, scaled, mode="bilinear", align_corners=True))
                maps.append(functional.adaptive_avg_pool2d(large, size))
            else:
                maps.append(stage(x))
        y: Tensor = self.br(self.merge_layer(torch.cat(maps, 1)))
        return y


class _Weighted(nn.Module):
    """A level of the encoder as the decoder reads it: a convolution, each map weighted by the means of all."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.wt_layer = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, outputs, 1, bias=False), nn.Sigmoid())
        self.expansion_layer = _named("cbr", _layers(inputs, outputs, 3, groups=math.gcd(inputs, outputs)))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.expansion_layer(x) * self.wt_layer(x)
        return y


def _layers(inputs: int, outputs: int, kernel: int, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.PReLU(outputs)]


def _named(name: str, layers: list[nn.Module]) -> nn.Sequential:
    """Layers in turn, under a name of the checkpoints."""
    sequence = nn.Sequential()
    sequence.add_module(name, nn.Sequential(*layers))
    return sequence


class EspNetTeacher(nn.Module):
    """The segmenter as a teacher: class maps at half the sides, and the encoder's maps at 1/4, 1/8 and 1/16."""

    def __init__(self, network: EspNetV2) -> None:
        super().__init__()
        self.normalised, self.network = Normalised(), network

    def forward(self, images: Tensor) -> Seen:
        """What it sees in images (B, 3, h, w), -1 to 1; last rows and columns are repeated up to multiples of 16."""
        height, width = (-side % _MULTIPLE for side in images.shape[2:])
        padded = functional.pad(images, (0, width, 0, height), mode="replicate") if height or width else images
        logits, levels = self.network(self.normalised(padded))
        return Seen(levels[1:], logits)


def _build(weights: Mapping[str, Tensor]) -> Callable[[], EspNetV2]:
    """What makes the network whose sizes are those of a checkpoint's tensors.

    Raises:
        KeyError: a tensor is missing that tells a size.
    """
    downs = ("level2_0", "level3_0", "level4_0")
    wide, middle, narrow = (len(weights[f"base_net.{down}.act.weight"]) for down in downs)
    units = tuple(
        len({name.split(".")[2] for name in weights if name.startswith(f"base_net.{level}.")})
        for level in ("level3", "level4")
    )
    decoder = tuple(len(weights[f"bu_dec_l{number}.merge_layer.3.weight"]) for number in (1, 2, 3))
    return functools.partial(
        EspNetV2,
        (len(weights["base_net.level1.conv.weight"]), wide, middle, narrow),
        (units[0], units[1]),
        (decoder[0], decoder[1], decoder[2]),
        len(weights["bu_dec_l1.projection_layer.cbr.0.weight"]),
        len(weights["bu_dec_l4.merge_layer.3.weight"]),
    )


def load_espnetv2(path: Path) -> EspNetTeacher:
    """The teacher of a checkpoint of sacmehta/EdgeNets, in evaluation mode.

    Raises:
        DataError: the file is missing or damaged, or holds another network.
    """
    weights = read_weights(path)
    try:
        build = _build(weights)
    except KeyError as error:
        raise DataError(
            f"{path} holds no ESPNetv2 segmenter ({error} is missing); give a checkpoint of sacmehta/EdgeNets such as "
            f"espnetv2_s_1.0_city_512x256.pth"
        ) from error
    require_room(outline(build, path), {name: tuple(tensor.shape) for name, tensor in weights.items()}, path)
    network = build()
    load_strictly(network, weights, path)
    return EspNetTeacher(network).eval().to(memory_format=torch.channels_last)
