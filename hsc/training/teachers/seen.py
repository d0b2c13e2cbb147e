"""What a teacher sees in images, and what a teacher is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Seen(NamedTuple):
    """A teacher's outputs for images (B, 3, h, w).

    features: maps (B, channels, ...) of any sizes. logits: of class maps, (B, classes, ...), None where a network has
    none. objects: (B, kinds + 4, h/4, w/4) as ``hsc.training.object_maps`` describes them, None where it has none.
    """

    features: tuple[Tensor, ...]
    logits: Tensor | None = None
    objects: Tensor | None = None


class Teacher(Protocol):
    """A frozen network that says what a machine sees in images, (B, 3, h, w), -1 to 1.

    The sides are multiples of 16; gradients reach the images.
    """

    def __call__(self, images: Tensor, /) -> Seen: ...
