"""What a task brings to the training loop: its network, its views of the images, its loss and its score."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from downstream.networks.detectors.layers import Network
from downstream.training.recipe import Recipe


class Lesson(Protocol):
    """One task on one set of training images.

    head: the head its weights are for, the first word of their file. parts: the names of the loss's parts. scored:
    whether images are held out, so that ``score`` answers. images: how many are trained on. classes: their names.
    source: where they come from, in words.
    """

    @property
    def head(self) -> str: ...

    @property
    def parts(self) -> tuple[str, ...]: ...

    @property
    def scored(self) -> bool: ...

    @property
    def images(self) -> int: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def source(self) -> str: ...

    def build(self, arch: str) -> Network:
        """The network, with random weights from torch's generator."""

    def batch_of(self, recipe: Recipe, step: int) -> tuple[tuple[Tensor, ...], Any]:
        """Views of one step, which follow from seed and step alone: the network's inputs, (batch, ...) each, and what
        is in them.
        """

    def loss(self, recipe: Recipe, raw: tuple[Tensor, ...], truth: Any) -> dict[str, Tensor]:
        """The loss's parts, each a scalar; what is minimised is their sum. raw: float32, on the device of the network."""

    def score(self, network: Network, device: str) -> float | None:
        """How good a network is on images held out, 0 to 1; None where none are."""

    def about(self) -> dict[str, Any]:
        """What the weights file says of the task and its classes, as plain values."""
