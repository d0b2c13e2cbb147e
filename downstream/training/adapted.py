"""The lesson of heads that are adapted to a codec: on its latents, or on the images it decodes, from the very same
bytes.

    coded view --latents or decoded image--> network --> loss of its task
    clean view --teacher--------------------------------> + distance from the teacher's answers

Both kinds see the same views at the same rates and may begin with the same pixel head, so that a head on latents and
its rival on pixels differ in their input alone. Before the first step the linear layer of a lift is fitted to the clean
views, by least squares; a recipe of the lift alone goes on from there by gradient descent, and what it leaves is where
the head can begin, as its rival begins with decoded images.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, mse_loss, pad

from downstream.networks import detectors, segmenters
from downstream.networks.detectors.layers import Network, normalised
from downstream.networks.latents import build_detector, build_segmenter
from downstream.networks.latents.adapter import Lift
from downstream.networks.latents.detector import Centres
from downstream.networks.latents.inputs import Reading, reading_of
from downstream.networks.latents.segmenter import Pixels
from downstream.networks.latents.uses import Use
from downstream.training.coded_shards import Coded
from downstream.training.detection import LOSSES
from downstream.training.distillation import TAUGHT
from downstream.training.hourglass_loss import hourglass_loss
from downstream.training.map_loss import class_weights, map_loss
from downstream.training.recipe import Recipe
from downstream.training.segmentation import iou_of
from downstream.training.shards import Boxes, in_words
from downstream.training.shuffling import indices_of
from downstream.training.teacher import Teacher, enlarged
from hsc.api import Image
from hsc.errors import DataError, UsageError

_HEADS = {
    ("detection", "latents"): "latent_detector",
    ("segmentation", "latents"): "latent_segmenter",
    ("detection", "images"): "small_adapted",
    ("segmentation", "images"): "segmenter_adapted",
}
_LAYOUT = "hourglass"
"""The architecture whose raw maps are those of a latent detector."""
_FITTED, _TOGETHER = 512, 32
"""Views that a lift's linear layer is fitted to, and how many at a time."""


@dataclass(frozen=True, eq=False)
class Truth:
    """truth: boxes of each view, or int64 (N, H, W), or the planes a lift should give. taught: the teacher's raw maps,
    None without one.
    """

    truth: Any
    taught: tuple[Tensor, ...] | None


@dataclass(frozen=True, eq=False)
class Adapted:
    """``coded`` holds latents or decoded images, as ``recipe.input`` says. holdout: whole images, coded, never trained
    on (segmentation).

    Raises:
        UsageError: the codec's latents are not such that a head could read them, the teacher's answers are of another
        layout or its views of
            no size it takes, or there is a teacher for the lift alone.
        DataError: the images held out are of another codec or other classes.
    """

    recipe: Recipe
    coded: Coded
    teacher: Teacher | None = None
    holdout: Coded | None = None

    def __post_init__(self) -> None:
        own, other = self.coded, self.holdout
        if other is not None and (own.codec, own.specs, own.space) != (other.codec, other.specs, other.space):
            raise DataError(
                f"the images held out are of {other.codec} in {other.space.name}, the others of {own.codec} in "
                f"{own.space.name}"
            )
        layout = _LAYOUT if self.recipe.input == "latents" else self.recipe.arch
        if self.teacher is not None and self.recipe.task == "detection" and self.teacher.arch != layout:
            raise UsageError(
                f"the teacher is a {self.teacher.arch}, whose answers a {self.recipe.arch} cannot be held to; give a "
                f"{layout}"
            )
        if self.teacher is not None and self.recipe.lift_only:
            raise UsageError("a teacher has no part in training the lift alone; leave --teacher away")
        sides = self.recipe.height * self._zoom, self.recipe.width * self._zoom
        if self.teacher is not None and any(side % 32 for side in sides):
            raise UsageError(
                f"a teacher would look at views of {sides[0]:g}x{sides[1]:g}; give a size such that these are "
                f"multiples of 32"
            )
        if self.recipe.input == "latents":
            _ = self.reading

    @property
    def head(self) -> str:
        return _HEADS[self.recipe.task, self.recipe.input]

    @property
    def parts(self) -> tuple[str, ...]:
        if self.recipe.lift_only:
            return ("planes",)
        of_task = ("score", "box") if self.recipe.task == "detection" else ("cross_entropy", "lovasz", "coarse")
        return (*of_task, "taught") if self.teacher else of_task

    @property
    def scored(self) -> bool:
        return self.holdout is not None and not self.recipe.lift_only

    @property
    def images(self) -> int:
        return len(self.coded.truth)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.coded.space.classes

    @property
    def source(self) -> str:
        return in_words(self.coded.sources)

    @functools.cached_property
    def reading(self) -> Reading:
        """What a head on latents reads of them."""
        use: Use = self.recipe.arch  # type: ignore[assignment]  # the recipe has seen to it
        return reading_of(self.coded.specs, use)

    def build(self, arch: str) -> Network:
        detects, classes = self.recipe.task == "detection", len(self.classes)
        if self.recipe.input == "latents":
            network = build_detector(self.reading, classes) if detects else build_segmenter(self.reading, classes)
            network.lift.load_state_dict(self._lift.state_dict())
            network.lift_only = self.recipe.lift_only
            return network
        return detectors.build(arch, classes) if detects else segmenters.build(arch, classes)

    @property
    def _zoom(self) -> float:
        """Of what a detector looks at, in whose pixels its boxes are; label maps are always learnt in the image's own."""
        if self.recipe.task == "segmentation":
            return 1.0
        return Centres.zoom if self.recipe.input == "latents" else self.recipe.zoom

    @functools.cached_property
    def _lift(self) -> Lift:
        """A lift whose linear layer is fitted to the first views; random numbers are torch's."""
        lift = Lift(self.reading, (Centres if self.recipe.task == "detection" else Pixels).zoom)
        firsts = (range(at, min(at + _TOGETHER, self.images)) for at in range(0, min(_FITTED, self.images), _TOGETHER))
        lift.fit((self._inputs(self.coded, chosen)[0], self._clean(chosen, lift.stride)) for chosen in firsts)
        return lift

    def batch_of(self, recipe: Recipe, step: int) -> tuple[tuple[Tensor, ...], Truth]:
        chosen = indices_of(recipe.seed, step, recipe.batch, self.images)
        if recipe.lift_only:
            return self._inputs(self.coded, chosen), Truth(normalised(self._clean(chosen, self._lift.stride)), None)
        taught = (
            None
            if self.teacher is None
            else self.teacher.raw(chosen, [self.coded.clean[i] for i in chosen], self._zoom)
        )
        return self._inputs(self.coded, chosen), Truth(self._truth([self.coded.truth[i] for i in chosen]), taught)

    def loss(self, recipe: Recipe, raw: tuple[Tensor, ...], truth: Truth) -> dict[str, Tensor]:
        if recipe.lift_only:
            return {"planes": mse_loss(raw[0], truth.truth.to(raw[0].device))}
        if recipe.task == "detection":
            # Assignment walks over single boxes, which a CPU does no slower than a GPU.
            parts = LOSSES.get(recipe.arch, hourglass_loss)(tuple(maps.cpu() for maps in raw), truth.truth)
        else:
            parts = map_loss(raw, truth.truth.to(raw[0].device), self._weights.to(raw[0].device), recipe.lovasz)
        if truth.taught is not None:
            taught = recipe.distil * TAUGHT[recipe.task](raw, tuple(maps.to(raw[0].device) for maps in truth.taught))
            parts["taught"] = taught.to(next(iter(parts.values())).device)
        return parts

    @torch.inference_mode()
    def score(self, network: Network, device: str) -> float | None:
        if not self.scored:
            return None
        assert self.holdout is not None
        training = network.training
        network.eval()
        answers = (self._labels(network, self.holdout, i, device) for i in range(len(self.holdout.truth)))
        value = iou_of(answers, self.holdout.truth, len(self.classes))
        network.train(training)
        return value

    def about(self) -> dict[str, Any]:
        held_out = None if self.holdout is None else in_words(self.holdout.sources)
        said: dict[str, Any] = {
            "task": self.recipe.task,
            "input": self.recipe.input,
            "regime": "adapted",
            "classes": self.classes,
            "holdout": held_out,
        }
        said |= {
            "space": self.coded.space.name,
            "codec": self.coded.codec,
            "teacher": self.teacher.label if self.teacher else None,
        }
        if self.coded.specs:  # of maps, the last is the one next to the image
            said["latent_space"] = self.coded.specs[0 if self.recipe.input == "latents" else -1].space
        return said | (self.reading.to_plain() if self.recipe.input == "latents" else {})

    def _inputs(self, coded: Coded, chosen: Sequence[int]) -> tuple[Tensor, ...]:
        if self.recipe.input == "latents":
            maps = {
                name: torch.from_numpy(np.stack([found[i] for i in chosen])) for name, found in coded.latents.items()
            }
            return self.reading.inputs(maps, (coded.clean[chosen[0]].shape[0], coded.clean[chosen[0]].shape[1]))
        return (enlarged(_planes([coded.decoded[i] for i in chosen]), self.recipe.zoom),)

    def _clean(self, chosen: Sequence[int], stride: int) -> Tensor:
        """Clean views at a number of pixels to a sample of the field, for all of its samples: float32 (N, 3, H, W)."""
        planes = _planes([self.coded.clean[i] for i in chosen])
        rows, columns = self.reading.grid((planes.shape[2], planes.shape[3]))
        beyond = columns * self.reading.stride - planes.shape[3], rows * self.reading.stride - planes.shape[2]
        planes = pad(planes, (0, beyond[0], 0, beyond[1]), mode="replicate")
        if stride == self.reading.stride:
            return planes
        return interpolate(
            planes, size=(rows * stride, columns * stride), mode="bilinear", align_corners=False, antialias=True
        )

    def _truth(self, found: Sequence[Any]) -> Any:
        if self.recipe.task == "segmentation":
            return torch.from_numpy(np.stack(found)).long()
        zoom = np.float32(self._zoom)
        return [Boxes(one.boxes_xyxy * zoom, one.labels, one.ignored) for one in found]

    def _labels(self, network: Any, coded: Coded, i: int, device: str) -> Any:
        inputs = tuple(one.to(device) for one in self._inputs(coded, [i]))
        image_hw = coded.clean[i].shape[:2]
        found = network.labels_of(inputs, image_hw) if self.recipe.input == "latents" else network.labels(inputs[0])
        return found[0].cpu().numpy()

    @functools.cached_property
    def _weights(self) -> Tensor:
        counts = sum(np.bincount(labels.ravel(), minlength=256) for labels in self.coded.truth)
        return class_weights(torch.from_numpy(np.asarray(counts)[: len(self.classes)]))


def _planes(images: Sequence[Image]) -> Tensor:
    """Images of one size as float32 (N, 3, H, W), 0 to 255."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()  # (N, H, W, 3) -> (N, 3, H, W)
