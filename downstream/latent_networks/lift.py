"""What stands in the stem's place in a pixel network that reads latents: from F's samples, coloured by w, to features at stride 4.

    field -> norm -> 3x3 -> FiLM <- words
                             |
                      residual block -> 1x1 -> pixel shuffle to stride 4 -> 3x3 -> features

All behind it is the network of a pixel head, whose weights it can begin with. Reading compressed features: Torfason, Mentzer, Agustsson,
Tschannen, Timofte, Van Gool, "Towards Image Understanding from Deep Compression without Decoding", ICLR 2018. FiLM: Perez et al., AAAI 2018.
Upsampling: Shi et al., "ESPCN", CVPR 2016: a codec's channels tell where in its cell a thing is, so each pixel gets weights of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import pad

from downstream.detectors.hourglass import STRIDE
from downstream.detectors.layers import ConvNorm, Network
from downstream.detectors.pyramid import Residual
from downstream.latent_networks.reading import Reading

_WIDTH = 128
_FILM_WIDTH = 64


class Film(nn.Module):
    """Scales and shifts the channels of a map as a vector says; before training by nothing."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        last = nn.Linear(_FILM_WIDTH, 2 * width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.read = nn.Sequential(nn.LayerNorm(words, elementwise_affine=False), nn.Linear(words, _FILM_WIDTH), nn.ReLU(), last)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """x: (N, width, h, w). words: (N, V). As x."""
        scale, shift = self.read(words)[:, :, None, None].chunk(2, 1)  # (N, 2 * width) -> twice (N, width, 1, 1)
        shaped: Tensor = x * (1 + scale) + shift
        return shaped


class Lift(nn.Module):
    """The lift for one reading to ``width`` channels; see the module's docstring."""

    def __init__(self, reading: Reading, width: int) -> None:
        super().__init__()
        factor = reading.stride // STRIDE
        self.norm = nn.BatchNorm2d(reading.channels, affine=False)
        self.enter = ConvNorm(reading.channels, _WIDTH, relu=False)
        self.film = Film(reading.words, _WIDTH) if reading.words else None
        self.block = nn.Sequential(nn.ReLU(), Residual(_WIDTH))
        self.spread = nn.Sequential(ConvNorm(_WIDTH, width * factor**2, 1), nn.PixelShuffle(factor), ConvNorm(width, width))

    def forward(self, field: Tensor, words: Tensor | None = None) -> Tensor:
        """field: (N, C, h, w). words: (N, V) where vectors are read. (N, width, H/4, W/4)."""
        x = self.enter(self.norm(field))
        if self.film is not None:
            assert words is not None
            x = self.film(x, words)
        lifted: Tensor = self.spread(self.block(x))
        return lifted


def whole(features: Tensor, multiple: int) -> Tensor:
    """Features (N, width, h, w) at stride 4 with zeros to the right and below, so that they cover multiples of ``multiple`` pixels."""
    cells = multiple // STRIDE
    return pad(features, (0, -features.shape[3] % cells, 0, -features.shape[2] % cells))


def begin(network: Network, tensors: Mapping[str, Tensor], stem: str) -> None:
    """Weights for a network whose module ``stem`` is a lift: its own, or those of the pixel network, whose stem is then left out.

    Raises:
        RuntimeError: they are of another network.
    """
    prefix = f"{stem}."
    if {name for name in tensors if name.startswith(prefix)} == {name for name in network.state_dict() if name.startswith(prefix)}:
        network.load_state_dict(tensors)
        return
    lift = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(prefix)}
    network.load_state_dict({name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)} | lift)
