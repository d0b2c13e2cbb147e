"""The shapes of w's coarse map (``hsc.networks.coarse_map``) as plain data, without torch."""

from __future__ import annotations

from dataclasses import dataclass

from hsc.errors import UsageError


@dataclass(frozen=True)
class CoarseMapConfig:
    """Shapes of the coarse map of w, which is stretched over the picture whatever its size.

    symbols: number of coded coefficients, a multiple of w_dim. grid: rows and columns of the map that F is read from
    and predicted from, multiples of 4. reading: channels to which F is reduced before it is read. channels: of the map
    that F is predicted from. width: hidden channels of the network that predicts F.
    context_side, context_channels: of the map of integers that the entropy parameters are predicted from.
    context_width: hidden channels of the integer networks that make it and read it.
    silent: code no semantics at all. W+ and the map have the values of their priors' means, F is predicted to be its
    mean, and the layer costs next to nothing: the control that tells what the hierarchy is worth.

    Raises:
        UsageError: the fields do not describe a map.
    """

    symbols: int = 64
    grid: tuple[int, int] = (16, 24)
    reading: int = 12
    channels: int = 8
    width: int = 64
    context_side: int = 8
    context_channels: int = 16
    context_width: int = 64
    silent: bool = False

    def __post_init__(self) -> None:
        counts = [self.symbols, self.reading, self.channels, self.width]
        counts += [self.context_side, self.context_channels, self.context_width]
        if min(counts) < 1:
            raise UsageError(f"sizes of the coarse map came as {counts}, expected 1 or more each")
        if len(self.grid) != 2 or min(self.grid) < 4 or any(side % 4 for side in self.grid):
            raise UsageError(f"grid came as {self.grid}, expected two multiples of 4")
