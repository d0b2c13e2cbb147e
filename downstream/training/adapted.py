"""The training task of heads adapted to a codec: on its latents or its decoded images, from the same bitstreams.

    coded view --latents or decoded image--> network --> loss of its task
    clean view --teacher--------------------------------> + distance from the teacher's answers

Heads on latents and heads on pixels see the same views at the same rates and can start from the same pixel head, so
they differ only in their input. Before the first step, the linear layer of the lift is fitted to the clean views by
least squares. A recipe with ``lift_only`` continues with the whole lift by gradient descent; a head on latents can
start from its result, just as a head on pixels starts with decoded images.
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
from downstream.networks.latents.detector import LatentHourglass
from downstream.networks.latents.inputs import LatentInput, latent_input_of
from downstream.networks.latents.segmenter import LatentContext
from downstream.networks.latents.uses import Use
from downstream.training.coded_shards import Coded
from downstream.training.detection import LOSSES
from downstream.training.distillation import DISTILLED
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
_LATENT_DETECTOR_LAYOUT = "hourglass"
"""The architecture whose raw maps have the layout of a latent detector's."""
_FITTED_VIEWS, _FITTED_AT_ONCE = 512, 32
"""Views that a lift's linear layer is fitted to, and how many go through at a time."""


@dataclass(frozen=True, eq=False)
class Targets:
    """The targets of one batch.

    labels: the boxes of each view, or label maps int64 (N, H, W), or the planes that a lift should give. teacher: the
    teacher's raw maps, None without a teacher.
    """

    labels: Any
    teacher: tuple[Tensor, ...] | None


@dataclass(frozen=True, eq=False)
class Adapted:
    """Detection or segmentation on the coded views of ``coded``.

    coded: with latents or decoded images, as ``recipe.input`` requires. holdout: whole images, coded, that are never
    trained on (segmentation only).

    Raises:
        UsageError: no head can read the codec's latents; the teacher's answers have another layout, its views a size
        that it cannot take, or there is a teacher for a training of the lift only.
        DataError: the held-out images have another codec or other classes.
    """

    recipe: Recipe
    coded: Coded
    teacher: Teacher | None = None
    holdout: Coded | None = None

    def __post_init__(self) -> None:
        coded, holdout = self.coded, self.holdout
        if holdout is not None and (coded.codec, coded.specs, coded.space) != (
            holdout.codec,
            holdout.specs,
            holdout.space,
        ):
            raise DataError(
                f"the held-out images are of {holdout.codec} in {holdout.space.name}, the training images of "
                f"{coded.codec} in {coded.space.name}; encode both with one codec"
            )
        if self.teacher is not None:
            self._check_teacher(self.teacher)
        if self.recipe.input == "latents":
            _ = self.latent_input

    def _check_teacher(self, teacher: Teacher) -> None:
        layout = _LATENT_DETECTOR_LAYOUT if self.recipe.input == "latents" else self.recipe.arch
        if self.recipe.task == "detection" and teacher.arch != layout:
            raise UsageError(
                f"the teacher is a {teacher.arch}, whose answers do not have the layout of a {self.recipe.arch}; give "
                f"a {layout}"
            )
        if self.recipe.lift_only:
            raise UsageError("training of the lift only has no teacher; leave out --teacher")
        sides = self.recipe.height * self._zoom, self.recipe.width * self._zoom
        if any(side % 32 for side in sides):
            raise UsageError(
                f"the teacher would see views of {sides[0]:g}x{sides[1]:g}; give a size for which these are multiples "
                f"of 32"
            )

    @property
    def head(self) -> str:
        return _HEADS[self.recipe.task, self.recipe.input]

    @property
    def parts(self) -> tuple[str, ...]:
        if self.recipe.lift_only:
            return ("planes",)
        of_task = ("score", "box") if self.recipe.task == "detection" else ("cross_entropy", "lovasz", "coarse")
        return (*of_task, "distilled") if self.teacher else of_task

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
    def latent_input(self) -> LatentInput:
        """The latents that a head on latents reads."""
        use: Use = self.recipe.arch  # type: ignore[assignment]  # the recipe has checked it
        return latent_input_of(self.coded.specs, use)

    def build(self, arch: str) -> Network:
        detects, classes = self.recipe.task == "detection", len(self.classes)
        if self.recipe.input == "latents":
            network = (
                build_detector(self.latent_input, classes) if detects else build_segmenter(self.latent_input, classes)
            )
            network.lift.load_state_dict(self._lift.state_dict())
            network.lift_only = self.recipe.lift_only
            return network
        return detectors.build(arch, classes) if detects else segmenters.build(arch, classes)

    @property
    def _zoom(self) -> float:
        """The zoom of a detector's input, in whose pixels its boxes are; label maps keep the size of the image."""
        if self.recipe.task == "segmentation":
            return 1.0
        return LatentHourglass.zoom if self.recipe.input == "latents" else self.recipe.zoom

    @functools.cached_property
    def _lift(self) -> Lift:
        """A lift whose linear layer is fitted to the first views; its other weights are from torch's generator."""
        lift = Lift(self.latent_input, (LatentHourglass if self.recipe.task == "detection" else LatentContext).zoom)
        batches = (
            range(start, min(start + _FITTED_AT_ONCE, self.images))
            for start in range(0, min(_FITTED_VIEWS, self.images), _FITTED_AT_ONCE)
        )
        lift.fit((self._inputs(self.coded, batch)[0], self._clean(batch, lift.stride)) for batch in batches)
        return lift

    def batch_of(self, recipe: Recipe, step: int) -> tuple[tuple[Tensor, ...], Targets]:
        batch = indices_of(recipe.seed, step, recipe.batch, self.images)
        inputs = self._inputs(self.coded, batch)
        if recipe.lift_only:
            return inputs, Targets(normalised(self._clean(batch, self._lift.stride)), None)
        teacher = None
        if self.teacher is not None:
            teacher = self.teacher.raw(batch, [self.coded.clean[i] for i in batch], self._zoom)
        return inputs, Targets(self._labels([self.coded.truth[i] for i in batch]), teacher)

    def loss(self, recipe: Recipe, raw: tuple[Tensor, ...], truth: Targets) -> dict[str, Tensor]:
        device = raw[0].device
        if recipe.lift_only:
            return {"planes": mse_loss(raw[0], truth.labels.to(device))}
        if recipe.task == "detection":
            # Assignment loops over single boxes, which is not slower on a CPU than on a GPU.
            parts = LOSSES.get(recipe.arch, hourglass_loss)(tuple(maps.cpu() for maps in raw), truth.labels)
        else:
            parts = map_loss(raw, truth.labels.to(device), self._weights.to(device), recipe.lovasz)
        if truth.teacher is not None:
            distilled = recipe.distil * DISTILLED[recipe.task](raw, tuple(maps.to(device) for maps in truth.teacher))
            parts["distilled"] = distilled.to(next(iter(parts.values())).device)
        return parts

    @torch.inference_mode()
    def score(self, network: Network, device: str) -> float | None:
        if not self.scored:
            return None
        assert self.holdout is not None
        training = network.training
        network.eval()
        answers = (self._predict(network, self.holdout, i, device) for i in range(len(self.holdout.truth)))
        value = iou_of(answers, self.holdout.truth, len(self.classes))
        network.train(training)
        return value

    def about(self) -> dict[str, Any]:
        held_out = None if self.holdout is None else in_words(self.holdout.sources)
        about: dict[str, Any] = {
            "task": self.recipe.task,
            "input": self.recipe.input,
            "regime": "adapted",
            "classes": self.classes,
            "holdout": held_out,
            "space": self.coded.space.name,
            "codec": self.coded.codec,
            "teacher": self.teacher.label if self.teacher else None,
        }
        if self.recipe.input == "latents":
            return about | {"latent_space": self.latent_input.needs[0].space, **self.latent_input.to_plain()}
        if self.coded.specs:  # the last latent is the one closest to the image
            about["latent_space"] = self.coded.specs[-1].space
        return about

    def _inputs(self, coded: Coded, indices: Sequence[int]) -> tuple[Tensor, ...]:
        if self.recipe.input == "latents":
            maps = {
                name: torch.from_numpy(np.stack([arrays[i] for i in indices])) for name, arrays in coded.latents.items()
            }
            height, width = coded.clean[indices[0]].shape[:2]
            return self.latent_input.inputs(maps, (height, width))
        return (enlarged(_planes([coded.decoded[i] for i in indices]), self.recipe.zoom),)

    def _clean(self, indices: Sequence[int], stride: int) -> Tensor:
        """Clean views, float32 (N, 3, H, W), resized to ``stride`` pixels per sample of the field on either axis."""
        planes = _planes([self.coded.clean[i] for i in indices])
        rows, columns = self.latent_input.grid((planes.shape[2], planes.shape[3]))
        beyond = columns * self.latent_input.stride - planes.shape[3], rows * self.latent_input.stride - planes.shape[2]
        planes = pad(planes, (0, beyond[0], 0, beyond[1]), mode="replicate")
        if stride == self.latent_input.stride:
            return planes
        return interpolate(
            planes, size=(rows * stride, columns * stride), mode="bilinear", align_corners=False, antialias=True
        )

    def _labels(self, truth: Sequence[Any]) -> Any:
        """The labels of a batch as the loss takes them. truth: of each view, as in ``Coded.truth``."""
        if self.recipe.task == "segmentation":
            return torch.from_numpy(np.stack(truth)).long()
        zoom = np.float32(self._zoom)
        return [Boxes(boxes.boxes_xyxy * zoom, boxes.labels, boxes.ignored) for boxes in truth]

    def _predict(self, network: Any, coded: Coded, index: int, device: str) -> Any:
        """The predicted label map of one view, uint8 (H, W)."""
        inputs = tuple(maps.to(device) for maps in self._inputs(coded, [index]))
        image_hw = coded.clean[index].shape[:2]
        labels = network.labels_of(inputs, image_hw) if self.recipe.input == "latents" else network.labels(inputs[0])
        return labels[0].cpu().numpy()

    @functools.cached_property
    def _weights(self) -> Tensor:
        counts = sum(np.bincount(labels.ravel(), minlength=256) for labels in self.coded.truth)
        return class_weights(torch.from_numpy(np.asarray(counts)[: len(self.classes)]))


def _planes(images: Sequence[Image]) -> Tensor:
    """Images of one size as float32 (N, 3, H, W), 0 to 255."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()  # (N, H, W, 3) -> (N, 3, H, W)
