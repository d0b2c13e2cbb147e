"""What of a codec's latents a head reads, and how it becomes a network's input.

    Latents --maps by name--> field (N, C, h, w), words (N, V)

A head that reads w alone gets the places of the grid's samples in y's stead, so that it can say where on an image what
the semantics tell of is most often found, and no more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from downstream.networks.latents.uses import USES, Use
from hsc.api import LatentSpec
from hsc.errors import DataError, UsageError

STRIDES = (4, 8, 16, 32, 64)
"""Image pixels per sample of y that the networks can climb back from."""

_PLACES = 2  # x and y
_LARGEST = 1 << 16
"""No side of a latent that weights tell of is longer."""


@dataclass(frozen=True)
class Reading:
    """needs: the specs of the maps a head reads, y's before w's. stride: image pixels per sample of the grid it works
    on.

    Raises:
        UsageError: there is nothing to read, or more than one map that follows the image, or a stride the networks do
        not know.
    """

    needs: tuple[LatentSpec, ...]
    stride: int

    def __post_init__(self) -> None:
        fields = [spec for spec in self.needs if spec.stride]
        if (
            not self.needs
            or len(fields) > 1
            or self.needs[: len(fields)] != tuple(fields)
            or self.stride not in STRIDES
        ):
            raise UsageError(
                f"a latent head was to read {[spec.name for spec in self.needs]} at stride {self.stride}, "
                f"expected at most one map that follows the image, first, then vectors, at a stride of "
                f"{', '.join(map(str, STRIDES))}"
            )

    @property
    def channels(self) -> int:
        """Of the field."""
        first = self.needs[0]
        return int(first.shape[0] or 0) if first.stride else _PLACES

    @property
    def words(self) -> int:
        """Length of all vectors together, 0 where none is read."""
        return sum(math.prod(int(side or 0) for side in spec.shape) for spec in self.needs if not spec.stride)

    def grid(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of samples that cover an image."""
        return -(-image_hw[0] // self.stride), -(-image_hw[1] // self.stride)

    def inputs(self, maps: Mapping[str, Tensor], image_hw: tuple[int, int]) -> tuple[Tensor, ...]:
        """The network's inputs: field (N, C, h, w), and words (N, V) where vectors are read, for maps by name, (N, ...)
        each.

        Raises:
            DataError: a map is missing or of another shape than its spec says.
        """
        for spec in self.needs:
            _require(spec, maps.get(spec.name), self.grid(image_hw))
        vectors = [maps[spec.name].flatten(1).float() for spec in self.needs if not spec.stride]
        first = self.needs[0]
        field = maps[first.name].float() if first.stride else _places(self.grid(image_hw), vectors[0])
        return (field, torch.cat(vectors, 1)) if vectors else (field,)

    def to_plain(self) -> dict[str, Any]:
        """Plain values for a weights file; ``from_plain`` reads them back."""
        return {"needs": [asdict(spec) for spec in self.needs], "stride": self.stride}


def from_plain(about: Mapping[str, Any]) -> Reading:
    """The reading that a weights file tells of.

    Raises:
        DataError: it tells of none.
    """
    try:
        needs = tuple(
            LatentSpec(str(n["name"]), tuple(map(_side, n["shape"])), _number(n["stride"]), str(n["space"]))
            for n in about["needs"]
        )
        return Reading(needs, _number(about["stride"]))
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise DataError(
            f"the weights do not say which latents they read ({error}); give weights of a latent head, or train them "
            f"again"
        ) from error


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise ValueError(f"a number came as {str(value)[:40]}, expected 0 to {_LARGEST}")
    return value


def _side(value: Any) -> int | None:
    return None if value is None else _number(value)


def reading_of(specs: Sequence[LatentSpec], use: Use) -> Reading:
    """What a head reads of a codec's latents. Of several maps the first is y: codecs name first what is nearest to
    their bytes.

    Raises:
        UsageError: the codec does not hand that out.
    """
    if use not in USES:
        raise UsageError(f"use came as {use!r}, expected {', '.join(USES)}")
    fields = tuple(spec for spec in specs if spec.stride and len(spec.shape) == 3)[:1]
    vectors = tuple(spec for spec in specs if not spec.stride)
    offered = ", ".join(f"{spec.name} {spec.shape} at stride {spec.stride}" for spec in specs) or "nothing"
    if not fields:
        raise UsageError(f"the codec's latents are {offered}; expected a map of channels that follows the image's size")
    if use != "y" and not vectors:
        raise UsageError(
            f"use={use} reads vectors that stand for the whole image, the codec's latents are {offered}; give use=y"
        )
    return Reading((fields if use != "w" else ()) + (vectors if use != "y" else ()), fields[0].stride)


def _require(spec: LatentSpec, found: Tensor | None, grid: tuple[int, int]) -> None:
    sides = iter(grid)
    expected = tuple(next(sides) if side is None else side for side in spec.shape)
    came = None if found is None else tuple(found.shape[1:])
    if came != expected:
        raise DataError(
            f"the latent {spec.name} came as {came or 'nothing'}, expected {expected}; was the stream decoded by the "
            f"codec it is of?"
        )


def _places(grid: tuple[int, int], like: Tensor) -> Tensor:
    """x and y of every sample, -1 to 1: (N, 2, h, w)."""
    rows, columns = ((torch.arange(side, device=like.device) + 0.5) / side * 2 - 1 for side in grid)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y]).expand(len(like), -1, -1, -1)
