"""The part of a codec's latents that a head reads, and its form as a network's input.

    Latents --maps by name--> field (N, C, h, w), vectors (N, V)

Several maps that follow the image are one field, their channels in the order of ``needs``. Where w is vectors alone, a
head that reads only w gets the coordinates of the grid's samples as its field in place of y. So it can learn where in
an image the objects that w describes usually are, and nothing else about position.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from downstream.networks.latents.uses import FEATURE, PLACED, USES, Use
from hsc.api import LatentSpec
from hsc.errors import DataError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

STRIDES = (4, 8, 16, 32, 64)
"""Image pixels per sample of y that the networks can upsample from."""

_COORDINATES = 2  # x and y
_MAX_SIDE = 1 << 16
"""Largest axis or stride of a latent that a weights file may state."""


@dataclass(frozen=True)
class LatentInput:
    """The latents that a head reads.

    needs: the specs of its maps, those that follow the image before vectors. stride: image pixels per sample of the
    grid that the head works on.

    Raises:
        UsageError: there is nothing to read, or a stride is not that of the grid or not one of ``STRIDES``.
    """

    needs: tuple[LatentSpec, ...]
    stride: int

    def __post_init__(self) -> None:
        fields = self.fields
        if (
            not self.needs
            or any(spec.stride != self.stride for spec in fields)
            or self.needs[: len(fields)] != fields
            or self.stride not in STRIDES
        ):
            raise UsageError(
                f"a head on latents came with {[spec.name for spec in self.needs]} at stride {self.stride}, expected "
                f"maps that follow the image at that stride, first, then vectors, at a stride of "
                f"{', '.join(map(str, STRIDES))}"
            )

    @property
    def fields(self) -> tuple[LatentSpec, ...]:
        """The maps that follow the image."""
        return tuple(spec for spec in self.needs if spec.stride)

    @property
    def channels(self) -> int:
        """Number of channels of the field."""
        return sum(int(spec.shape[0] or 0) for spec in self.fields) or _COORDINATES

    @property
    def vector_dim(self) -> int:
        """Length of all vectors together; 0 if none is read."""
        return sum(math.prod(int(side or 0) for side in spec.shape) for spec in self.needs if not spec.stride)

    def grid(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Number of rows and columns of samples that cover an image."""
        return -(-image_hw[0] // self.stride), -(-image_hw[1] // self.stride)

    def inputs(self, maps: Mapping[str, Tensor], image_hw: tuple[int, int]) -> tuple[Tensor, ...]:
        """The network's inputs: field (N, C, h, w), and vectors (N, V) if any are read.

        maps: the latents of N images by name, (N, ...) each.

        Raises:
            DataError: a map is missing, or its shape is not that of its spec.
        """
        import torch

        for spec in self.needs:
            _require(spec, maps.get(spec.name), self.grid(image_hw))
        vectors = [maps[spec.name].flatten(1).float() for spec in self.needs if not spec.stride]
        fields = [maps[spec.name].float() for spec in self.fields]
        field = torch.cat(fields, 1) if fields else _coordinates(self.grid(image_hw), vectors[0])
        return (field, torch.cat(vectors, 1)) if vectors else (field,)

    def to_plain(self) -> dict[str, Any]:
        """Plain values for a weights file, which ``from_plain`` reads back."""
        return {"needs": [asdict(spec) for spec in self.needs], "stride": self.stride}


def from_plain(about: Mapping[str, Any]) -> LatentInput:
    """The latent input that a weights file states.

    Raises:
        DataError: the file states none, or not in this form.
    """
    try:
        needs = tuple(
            LatentSpec(str(need["name"]), tuple(map(_side, need["shape"])), _number(need["stride"]), str(need["space"]))
            for need in about["needs"]
        )
        return LatentInput(needs, _number(about["stride"]))
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise DataError(
            f"the weights do not say which latents they read ({error}); give weights of a latent head, or train them "
            f"again"
        ) from error


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_SIDE:
        raise ValueError(f"a number came as {str(value)[:40]}, expected 0 to {_MAX_SIDE}")
    return value


def _side(value: Any) -> int | None:
    return None if value is None else _number(value)


def latent_input_of(specs: Sequence[LatentSpec], use: Use) -> LatentInput:
    """The latents of a codec that a head reads under ``use``.

    Of several maps the first is y, because codecs name first the latents that are closest to the bitstream. A map of w
    is read beside it where it has y's stride.

    Raises:
        UsageError: ``use`` is unknown, or the codec does not offer such latents.
    """
    if use not in USES:
        raise UsageError(f"use came as {use!r}, expected {', '.join(USES)}")
    maps = tuple(spec for spec in specs if spec.stride and len(spec.shape) == 3)
    main = [spec for spec in maps if use != "F" or spec.name == FEATURE][:1]
    placed = [spec for spec in maps if use in ("both", "w") and spec.name == PLACED and spec.stride == maps[0].stride]
    vectors = tuple(spec for spec in specs if not spec.stride)
    offered = ", ".join(f"{spec.name} {spec.shape} at stride {spec.stride}" for spec in specs) or "nothing"
    if not maps:
        raise UsageError(f"the codec's latents are {offered}; expected a map of channels that follows the image's size")
    if not main:
        raise UsageError(f"use={use} reads the map {FEATURE}, the codec's latents are {offered}; give use=y")
    if use in ("both", "w") and not vectors:
        raise UsageError(
            f"use={use} reads vectors that describe the whole image, the codec's latents are {offered}; give use=y"
        )
    fields = (*(main if use != "w" else ()), *placed)
    return LatentInput((*fields, *(vectors if use in ("both", "w") else ())), main[0].stride)


def _require(spec: LatentSpec, values: Tensor | None, grid: tuple[int, int]) -> None:
    sides = iter(grid)
    expected = tuple(next(sides) if side is None else side for side in spec.shape)
    shape = None if values is None else tuple(values.shape[1:])
    if shape != expected:
        raise DataError(
            f"the latent {spec.name} came as {shape or 'nothing'}, expected {expected}; check that the codec that "
            f"decoded the stream is the one that coded it"
        )


def _coordinates(grid: tuple[int, int], like: Tensor) -> Tensor:
    """x and y of every sample, -1 to 1: (N, 2, h, w), for N and the device of ``like``."""
    import torch

    rows, columns = ((torch.arange(side, device=like.device) + 0.5) / side * 2 - 1 for side in grid)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y]).expand(len(like), -1, -1, -1)
