"""What stands before a pixel network that reads latents: from samples of a map, coloured by w, to planes of a size in
proportion to the image's.

    field -+-------------------------------------------> 1x1 -+-> pixel shuffle -> planes -> the pixel network
           |                                                  |
           +-> 1x1 -> FiLM <- words -> residual block -> 1x1 -+

One linear layer and a narrow block: a twentieth of what HSC's networks of floats compute. All behind it is the network
of a pixel head, whose weights it can begin with; the lift can begin as a map to pixels, the linear layer by least
squares and all of it by descent. Nothing holds the planes to
being an image from there on: they are what the network has learnt to ask for. Reading compressed features: Torfason,
Mentzer, Agustsson, Tschannen, Timofte, Van Gool, "Towards Image Understanding from Deep Compression without Decoding",
ICLR 2018. FiLM: Perez et al., AAAI 2018.
Pixel shuffle: Shi et al., "ESPCN", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from downstream.networks.detectors.hourglass import Hourglass
from downstream.networks.detectors.layers import ConvNorm, Network, normalised
from downstream.networks.detectors.pyramid import Residual
from downstream.networks.latents.inputs import Reading
from downstream.networks.segmenters.context import Context

_WIDTH = 96
_FILM_WIDTH = 64
_PLANES = 3
_RIDGE = 1e-3
"""Of the variance of a channel: what keeps channels without any from getting weights."""
_LEAST_SPREAD = 1e-4
"""Of a channel, so that what it is multiplied by can be kept in 16 bits."""
_PREFIX = "lift."


class Film(nn.Module):
    """Scales and shifts the channels of a map as a vector says; before training by nothing."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        last = nn.Linear(_FILM_WIDTH, 2 * width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.read = nn.Sequential(
            nn.LayerNorm(words, elementwise_affine=False), nn.Linear(words, _FILM_WIDTH), nn.ReLU(), last
        )

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """x: (N, width, h, w). words: (N, V). As x."""
        scale, shift = self.read(words)[:, :, None, None].chunk(2, 1)  # (N, 2 * width) -> twice (N, width, 1, 1)
        shaped: Tensor = x * (1 + scale) + shift
        return shaped


class Lift(nn.Module):
    """The lift for one reading; see the module's docstring. mean, scale: (C,), by which its field is normalised.

    zoom: size of the planes, of the image's. stride: samples of a plane to one of the field, on either axis.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, reading: Reading, zoom: float = 1.0) -> None:
        super().__init__()
        self.stride = round(reading.stride * zoom)
        channels = _PLANES * self.stride**2
        self.register_buffer("mean", torch.zeros(reading.channels))
        self.register_buffer("scale", torch.ones(reading.channels))
        self.linear = nn.Conv2d(reading.channels, channels, 1)
        self.enter = ConvNorm(reading.channels, _WIDTH, 1, relu=False)
        self.film = Film(reading.words, _WIDTH) if reading.words else None
        self.block = nn.Sequential(nn.ReLU(), Residual(_WIDTH), nn.Conv2d(_WIDTH, channels, 1, bias=False))
        nn.init.zeros_(self.block[2].weight)  # type: ignore[arg-type]  # the linear map alone, at first

    def forward(self, field: Tensor, words: Tensor | None = None) -> Tensor:
        """field: (N, C, h, w). words: (N, V) where vectors are read. (N, 3, stride * h, stride * w), in units of
        ``normalised``.
        """
        field = (field - self.mean[:, None, None]) * self.scale[:, None, None]
        x = self.enter(field)
        if self.film is not None:
            assert words is not None
            x = self.film(x, words)
        return pixel_shuffle(self.linear(field) + self.block(x), self.stride)

    @torch.no_grad()
    def fit(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Make the linear layer the least-squares map from fields (N, C, h, w) to pixels (N, 3, stride * h, stride *
        w), 0 to 255.
        """
        channels = len(self.mean)
        square = torch.zeros(channels + 1, channels + 1, dtype=torch.float64)
        cross = torch.zeros(channels + 1, self.linear.out_channels, dtype=torch.float64)
        for field, pixels in pairs:
            rows = field.permute(0, 2, 3, 1).flatten(0, 2)  # (N, C, h, w) -> (N * h * w, C)
            rows = torch.cat([rows, torch.ones(len(rows), 1)], 1).double()
            square += rows.T @ rows
            cross += (
                rows.T @ pixel_unshuffle(normalised(pixels), self.stride).permute(0, 2, 3, 1).flatten(0, 2).double()
            )
        mean = square[-1, :-1] / square[-1, -1]
        spread = (square.diagonal()[:-1] / square[-1, -1] - mean**2).clamp(min=0).sqrt()
        scale = 1 / spread.clamp(min=_LEAST_SPREAD)
        # Rows become (row - mean) * scale, so that one ridge does for all channels.
        change = torch.eye(channels + 1, dtype=torch.float64)
        change[-1, :-1] = -mean
        change = change * torch.cat([scale, torch.ones(1, dtype=torch.float64)])
        ridge = torch.full((channels + 1,), float(_RIDGE * square[-1, -1]), dtype=torch.float64)
        ridge[-1] = 0
        solved = torch.linalg.solve(change.T @ square @ change + ridge.diag(), change.T @ cross)
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.linear.weight.copy_(solved[:-1].T[:, :, None, None])
        self.linear.bias.copy_(solved[-1])  # type: ignore[union-attr]


def covering_answers(planes: Tensor, network: Hourglass | Context) -> tuple[Tensor, ...]:
    """A pixel network's raw maps for planes (N, 3, H, W), of sides up to their next multiples: what lies beyond is
    zero, a middle grey.
    """
    height, width = planes.shape[2:]
    return network.answers(pad(planes, (0, -width % network.multiple, 0, -height % network.multiple)))


def begin(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Weights for a network with a lift: its own, or those of the pixel network behind it, before which the lift stays
    as it is.

    Raises:
        RuntimeError: they are of another network.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(_PREFIX)}
    network.load_state_dict(own | dict(tensors) if not any(name.startswith(_PREFIX) for name in tensors) else tensors)
