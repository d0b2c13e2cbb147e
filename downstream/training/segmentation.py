"""The training task of the networks behind the head ``segmenter``."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from downstream.networks.detectors.layers import Network
from downstream.networks.segmenters import build
from downstream.networks.segmenters.layers import Segmenter
from downstream.ops.batching import as_batch
from downstream.training.map_augmentation import map_view
from downstream.training.map_loss import class_weights, map_loss
from downstream.training.map_shards import Maps
from downstream.training.recipe import Recipe
from downstream.training.shuffling import indices_of, random_of
from hsc.errors import DataError


@dataclass(frozen=True)
class Segmentation:
    """Segmentation of the images in ``maps``.

    holdout: images that are never trained on; the weights of the step with the best score on them are kept.

    Raises:
        DataError: the two have different label spaces.
    """

    maps: Maps
    holdout: Maps | None = None

    head: ClassVar[str] = "segmenter"
    parts: ClassVar[tuple[str, ...]] = ("cross_entropy", "lovasz", "coarse")

    def __post_init__(self) -> None:
        if self.holdout is not None and self.holdout.space != self.maps.space:
            raise DataError(
                f"the images held out are labelled in {self.holdout.space}, the others in {self.maps.space}; export "
                f"both from one set"
            )

    @property
    def scored(self) -> bool:
        return self.holdout is not None

    @property
    def images(self) -> int:
        return len(self.maps.images)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.maps.space.classes

    @property
    def source(self) -> str:
        return self.maps.source

    def build(self, arch: str) -> Network:
        return build(arch, len(self.classes))

    def batch_of(self, recipe: Recipe, step: int) -> tuple[tuple[Tensor, ...], Tensor]:
        random = random_of(recipe.seed, step)
        views = [
            map_view(self.maps.images[i], self.maps.labels[i], random, height=recipe.height, width=recipe.width)
            for i in indices_of(recipe.seed, step, recipe.batch, self.images)
        ]
        return (torch.stack([pixels for pixels, _ in views]),), torch.stack([labels for _, labels in views])

    def loss(self, recipe: Recipe, raw: tuple[Tensor, ...], truth: Tensor) -> dict[str, Tensor]:
        device = raw[0].device
        return map_loss(raw, truth.to(device), self._weights.to(device), recipe.lovasz)

    def score(self, network: Network, device: str) -> float | None:
        assert isinstance(network, Segmenter)
        return None if self.holdout is None else mean_iou(network, self.holdout, device)

    def about(self) -> dict[str, Any]:
        held_out = None if self.holdout is None else self.holdout.source
        return {"task": "segmentation", "space": self.maps.space.name, "classes": self.classes, "holdout": held_out}

    @functools.cached_property
    def _weights(self) -> Tensor:
        return class_weights(torch.from_numpy(self.maps.class_counts()))


def mean_iou(network: Segmenter, maps: Maps, device: str) -> float:
    """mIoU, 0 to 1, from one confusion matrix over whole images: the mean over the classes that occur in the labels.

    Void is left out. Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.
    """
    training = network.training
    network.eval()
    planes = (as_batch(image).to(device) for image in maps.images)
    value = iou_of((network.labels(pixels)[0].cpu().numpy() for pixels in planes), maps.labels, len(maps.space.classes))
    network.train(training)
    return value


def iou_of(answers: Iterable[npt.NDArray[np.uint8]], truth: Iterable[npt.NDArray[np.uint8]], classes: int) -> float:
    """mIoU of predicted label maps (H, W) against the true ones, as ``mean_iou`` defines it."""
    matrix = np.zeros((classes, classes), np.int64)
    for predicted, labels in zip(answers, truth, strict=True):
        labelled = labels < classes
        pairs = labels[labelled].astype(np.int64) * classes + predicted[labelled]
        matrix += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    correct, true = np.diag(matrix), matrix.sum(1)
    union = true + matrix.sum(0) - correct
    return float((correct[true > 0] / union[true > 0]).mean()) if true.any() else 0.0
