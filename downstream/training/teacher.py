"""The teacher of distillation: a trained pixel head whose answers on clean views a student on coded views learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from downstream.networks import detectors, segmenters
from downstream.networks.detectors.layers import Network, fused
from downstream.training.distillation import as_halves
from downstream.weights.file_hash import sha256_of
from downstream.weights.state_dicts import fitted
from downstream.weights.weights_file import classes_of, read_weights
from hsc.api import Image
from hsc.errors import DataError


class Teacher:
    """The network of a weights file of ``small`` or ``segmenter``. Its answers never change, so they are kept.

    arch: its architecture. label: name and sha256 of its file.

    Raises:
        DataError: the file is of another kind of network, or has other classes.
        UnavailableError: the file is missing.
    """

    def __init__(self, path: Path, task: str, classes: Sequence[str], device: str = "cpu") -> None:
        self.label = f"{path.name} sha256 {sha256_of(path)}"
        tensors, about = read_weights(path)
        self.arch = str(about.get("arch"))
        family = segmenters if task == "segmentation" else detectors
        if (
            about.get("task", "detection") != task
            or about.get("input", "clean") != "clean"
            or self.arch not in family.ARCHITECTURES
        ):
            raise DataError(
                f"{path.name} does not hold a {task} network on clean images; give weights of "
                f"{'segmenter' if task == 'segmentation' else 'small'}"
            )
        if classes_of(path, about) != tuple(classes):
            raise DataError(
                f"the teacher {path.name} knows {about.get('classes')}, the shards are labelled in {list(classes)}; "
                f"give another teacher"
            )
        network: Network = fitted(
            lambda: family.build(self.arch, len(classes)), tensors, str(path), f"the {self.arch} of this version"
        )
        self.network = fused(network).to(memory_format=torch.channels_last).to(device)
        self.device = device
        self._answers: dict[tuple[int, float], tuple[Tensor, ...]] = {}

    def raw(self, numbers: Sequence[int], images: Sequence[Image], zoom: float = 1.0) -> tuple[Tensor, ...]:
        """Its raw maps, float32 (N, ...), for images of one size. numbers: the image's index in the training set.

        images: (H, W, 3) each. zoom: factor by which they are enlarged first.
        """
        new = [i for i, number in enumerate(numbers) if (number, zoom) not in self._answers]
        if new:
            answers = self._predict(np.stack([images[i] for i in new]), zoom)
            self._answers |= {(numbers[i], zoom): answer for i, answer in zip(new, answers, strict=True)}
        answers = [self._answers[number, zoom] for number in numbers]
        return tuple(torch.stack(maps).to(self.device).float() for maps in zip(*answers, strict=True))

    @torch.inference_mode()
    def _predict(self, images: Image, zoom: float) -> list[tuple[Tensor, ...]]:
        planes = enlarged(torch.from_numpy(images).permute(0, 3, 1, 2).float(), zoom)  # (N, H, W, 3) -> (N, 3, H, W)
        raw = self.network(planes.to(self.device).contiguous(memory_format=torch.channels_last))
        return as_halves(raw)


def enlarged(planes: Tensor, zoom: float) -> Tensor:
    """Images (N, 3, H, W) enlarged by ``zoom`` as the head ``small`` enlarges them."""
    if zoom == 1:
        return planes
    size = round(planes.shape[2] * zoom), round(planes.shape[3] * zoom)
    return interpolate(planes, size=size, mode="bilinear", align_corners=False)
