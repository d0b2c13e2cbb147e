"""The contract between a training task and the training loop: network, batches of views, loss and score."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from downstream.networks.detectors.layers import Network
from downstream.training.recipe import Recipe


class TrainingTask(Protocol):
    """One task on one set of training images.

    head: registered name of the head that the weights are for; the name of their file begins with it. parts: names of
    the parts of the loss. scored: whether images are held out, so that ``score`` gives a number. images: number of
    training images. classes: their names. source: the origin of the images, in words.
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
        """The views of one step: the network's inputs, (batch, ...) each, and their labels.

        They depend only on the recipe's seed and the step.
        """

    def loss(self, recipe: Recipe, raw: tuple[Tensor, ...], truth: Any) -> dict[str, Tensor]:
        """The parts of the loss, each a scalar; their sum is minimised. raw: float32, on the network's device."""

    def score(self, network: Network, device: str) -> float | None:
        """A network's score on held-out images, 0 to 1; None if none are held out."""

    def about(self) -> dict[str, Any]:
        """The description of the task and its classes for the weights file, as plain values."""
