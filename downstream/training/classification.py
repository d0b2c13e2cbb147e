"""The training task of the networks behind the head ``classifier``: single objects, by their exact boxes.

Augmentation is flip, the place and size of the cut around the box, and colour. Never compression, blur or noise: a head
that had seen coding artefacts in training could not measure what they cost.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from downstream.networks.classifiers import build
from downstream.networks.detectors.layers import Network
from downstream.ops.object_views import square_view
from downstream.training.box_augmentation import coloured
from downstream.training.crop_shards import GROWN, Crop, Crops
from downstream.training.map_loss import class_weights
from downstream.training.recipe import Recipe
from downstream.training.shuffling import indices_of, random_of

_SMOOTHING = 0.05
_INWARDS = 0.08
"""The share of a box's longer side that a view may lose on each side."""
_MIN_SIDE = 3


@dataclass(frozen=True)
class Classification:
    """Classification of the objects in ``crops``; the weights are the last step's."""

    crops: Crops

    head: ClassVar[str] = "classifier"
    parts: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    scored: ClassVar[bool] = False

    @property
    def images(self) -> int:
        return len(self.crops.crops)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.crops.classes

    @property
    def source(self) -> str:
        return f"objects cut out of {self.crops.source}"

    def build(self, arch: str) -> Network:
        return build(arch, len(self.classes))

    def batch_of(self, recipe: Recipe, step: int) -> tuple[tuple[Tensor, ...], Tensor]:
        random = random_of(recipe.seed, step)
        chosen = [self.crops.crops[i] for i in indices_of(recipe.seed, step, recipe.batch, self.images)]
        views = torch.stack([training_view(crop, random, recipe.height) for crop in chosen])  # (batch, 3, side, side)
        return (views,), torch.tensor([crop.label for crop in chosen])

    def loss(self, recipe: Recipe, raw: tuple[Tensor, ...], truth: Tensor) -> dict[str, Tensor]:
        device = raw[0].device
        weights = self._weights.to(device)
        return {"cross_entropy": cross_entropy(raw[0], truth.to(device), weights, label_smoothing=_SMOOTHING)}

    def score(self, network: Network, device: str) -> float | None:
        return None

    def about(self) -> dict[str, Any]:
        return {"task": "classification", "classes": self.classes}

    @functools.cached_property
    def _weights(self) -> Tensor:
        labels = np.array([crop.label for crop in self.crops.crops])
        return class_weights(torch.from_numpy(np.bincount(labels, minlength=len(self.classes))))


def training_view(crop: Crop, random: np.random.Generator, side: int) -> Tensor:
    """One view of an object: float32 (3, side, side), 0 to 255. Each edge of the cut lies between a little inside of
    the object's box and the end of its crop; half of the views are mirrored.
    """
    left, top, right, bottom = crop.box
    height, width = crop.image.shape[:2]
    longer = max(right - left, bottom - top)
    moves = np.round(random.uniform(-_INWARDS, GROWN, 4) * longer).astype(int).tolist()
    x0, y0 = min(max(0, left - moves[0]), width - 1), min(max(0, top - moves[1]), height - 1)
    x1 = min(width, max(right + moves[2], x0 + _MIN_SIDE))
    y1 = min(height, max(bottom + moves[3], y0 + _MIN_SIDE))
    view = coloured(square_view(crop.image[y0:y1, x0:x1], side), random)
    return view.flip(2) if random.random() < 0.5 else view
