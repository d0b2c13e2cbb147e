"""The adapter ("lift") in front of a pixel network that reads latents: from a map modulated by w to image-like planes.

    field -+---------------------------------------------> 1x1 -+-> pixel shuffle -> planes -> the pixel network
           |                                                    |
           +-> 1x1 -> FiLM <- vectors -> residual block -> 1x1 -+

The lift is one linear layer and a narrow block, a twentieth of the computation of HSC's floating-point networks.
Everything behind it is the network of a pixel head and can start from that head's weights, or from those of a head on
other latents. The lift itself can start as
a map to pixels: the linear layer by least squares, then all of it by gradient descent. After that nothing forces the
planes to be an image; the network learns which planes are useful.

Networks on compressed features: Torfason, Mentzer, Agustsson, Tschannen, Timofte, Van Gool, "Towards Image
Understanding from Deep Compression without Decoding", ICLR 2018. FiLM: Perez et al., AAAI 2018. Pixel shuffle: Shi et
al., "ESPCN", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from downstream.networks.detectors.hourglass import Hourglass
from downstream.networks.detectors.layers import ConvNorm, Network, normalised
from downstream.networks.detectors.pyramid import Residual
from downstream.networks.latents.inputs import LatentInput
from downstream.networks.segmenters.context import Context

_WIDTH = 96
_FILM_WIDTH = 64
_PLANES = 3
_RIDGE = 1e-3
"""Ridge of the least squares, in units of a normalised channel's variance: constant channels get no weights."""
_MIN_STD = 1e-4
"""Least standard deviation of a channel that is divided by, so that the factor fits into 16 bits."""
_PREFIX = "lift."
"""Names of the lift's tensors in a weights file begin so."""


class Film(nn.Module):
    """Scales and shifts the channels of a map by functions of a vector; the identity before training."""

    def __init__(self, vector_dim: int, width: int) -> None:
        super().__init__()
        last = nn.Linear(_FILM_WIDTH, 2 * width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.read = nn.Sequential(
            nn.LayerNorm(vector_dim, elementwise_affine=False), nn.Linear(vector_dim, _FILM_WIDTH), nn.ReLU(), last
        )

    def forward(self, x: Tensor, vectors: Tensor) -> Tensor:
        """The modulated map, shaped as x. x: (N, width, h, w). vectors: (N, V)."""
        scale, shift = self.read(vectors)[:, :, None, None].chunk(2, 1)  # (N, 2 * width) -> twice (N, width, 1, 1)
        modulated: Tensor = x * (1 + scale) + shift
        return modulated


class Lift(nn.Module):
    """The lift for one latent input; the module's docstring draws it.

    mean, scale: (C,), which normalise its field. zoom: size of the planes relative to the image. stride: samples of a
    plane for each sample of the field, on either axis.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, latent_input: LatentInput, zoom: float = 1.0) -> None:
        super().__init__()
        self.stride = round(latent_input.stride * zoom)
        channels = _PLANES * self.stride**2
        self.register_buffer("mean", torch.zeros(latent_input.channels))
        self.register_buffer("scale", torch.ones(latent_input.channels))
        self.linear = nn.Conv2d(latent_input.channels, channels, 1)
        self.enter = ConvNorm(latent_input.channels, _WIDTH, 1, relu=False)
        self.film = Film(latent_input.vector_dim, _WIDTH) if latent_input.vector_dim else None
        self.block = nn.Sequential(nn.ReLU(), Residual(_WIDTH), nn.Conv2d(_WIDTH, channels, 1, bias=False))
        nn.init.zeros_(self.block[2].weight)  # type: ignore[arg-type]  # at first only the linear map

    def forward(self, field: Tensor, vectors: Tensor | None = None) -> Tensor:
        """Planes (N, 3, stride * h, stride * w), in the units of ``normalised``.

        field: (N, C, h, w). vectors: (N, V) if any are read.
        """
        field = (field - self.mean[:, None, None]) * self.scale[:, None, None]
        x = self.enter(field)
        if self.film is not None:
            assert vectors is not None
            x = self.film(x, vectors)
        return pixel_shuffle(self.linear(field) + self.block(x), self.stride)

    @torch.no_grad()
    def fit(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Set the linear layer to the least-squares map from fields to pixels.

        pairs: fields (N, C, h, w) with their pixels (N, 3, stride * h, stride * w), 0 to 255.
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
        std = (square.diagonal()[:-1] / square[-1, -1] - mean**2).clamp(min=0).sqrt()
        scale = 1 / std.clamp(min=_MIN_STD)
        # Rows become (row - mean) * scale, so that one ridge fits all channels.
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
    """A pixel network's raw maps for planes (N, 3, H, W), whose sides are padded to the network's multiple.

    The padding is zero, which is a middle grey.
    """
    height, width = planes.shape[2:]
    return network.answers(pad(planes, (0, -width % network.multiple, 0, -height % network.multiple)))


def begin(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Load weights into a network with a lift: its own, or those of the network behind an unchanged lift.

    The latter are weights of a pixel head, or of a head whose lift is of other shapes because it reads other latents.

    Raises:
        RuntimeError: the weights are of another network.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(_PREFIX)}
    given = {name: tensor for name, tensor in tensors.items() if name.startswith(_PREFIX)}
    if {name: tensor.shape for name, tensor in given.items()} == {name: tensor.shape for name, tensor in own.items()}:
        own = given
    network.load_state_dict({name: tensor for name, tensor in tensors.items() if name not in given} | own)
