"""Jobs that try codecs, labels and heads before a run begins: the networks of each codec, one original for each head,
every label map once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmarks.api import LoadsImages, Region
from benchmarks.harness.guard import guarded, why
from benchmarks.harness.head_calls import ask
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.harness.readers import Reader, latents_of
from benchmarks.harness.worker import step
from downstream.api import VOID, sees_originals
from hsc.api import Codec, Staged
from hsc.errors import DataError, HscError, UnavailableError


@dataclass(frozen=True)
class LoadCodecs:
    """A job: codecs that decode in steps load what these work with, such as networks. curves: their labels."""

    curves: tuple[str, ...]
    codecs: tuple[Staged, ...]

    def reasons(self) -> list[str]:
        """For each codec the reason that its weights or libraries cannot be used, empty if they can; all other failures
        are left to the run.
        """
        return [self._reason(codec) for codec in self.codecs]

    def _reason(self, codec: Staged) -> str:
        try:
            step()
            guarded(codec.stages)
        except (UnavailableError, DataError) as error:
            return why(error)
        except HscError:
            return ""
        return ""


@dataclass(frozen=True)
class ReadOriginal:
    """A job: one reader reads one original, or the latents of it.

    index: of the image in the data set. codec: the one that the latents come from. data: its coded bytes, None where
    they are not known. regions: those of the image.
    """

    reader: Reader
    dataset: LoadsImages
    index: int
    codec: Codec
    data: bytes | None
    regions: tuple[Region, ...] | None = None

    def reasons(self) -> list[str]:
        """The reason that the reader cannot read it, empty if it can. Failures of the codec are left to the run."""
        head, route = self.reader.head, self.reader.route
        try:
            step()
            original = guarded(self.dataset.load, self.index).image
            given = guarded(self._latents, original) if route == "latent" else original
        except HscError:
            return []
        try:
            step()
            guarded(ask, head, route, [given], [original] if sees_originals(head) else [], [self.regions])
        except HscError as error:
            return [why(error)]
        return []

    def _latents(self, original: Any) -> Any:
        codec: Any = self.codec
        return codec.decode_latents(self.data or codec.encode(original), latents_of([self.reader.head]))


@dataclass(frozen=True)
class ReadLabelMaps:
    """A job: the label maps of some images are read. classes: how many the data set has."""

    on_device: ClassVar[bool] = False
    dataset: Any
    images: tuple[IndexedImage, ...]
    classes: int

    def reasons(self) -> list[str]:
        """One sentence for each label map that cannot be scored against."""
        reasons = ((image.image_id, self._reason(image)) for image in self.images)
        return [f"{image_id}: {reason}" for image_id, reason in reasons if reason]

    def _reason(self, image: IndexedImage) -> str:
        image_hw = image.pixels.image_hw
        try:
            step()
            labels = guarded(self.dataset.label_map, image.index).labels
        except HscError as error:
            return why(error)
        if not isinstance(labels, np.ndarray) or labels.dtype != np.uint8 or labels.shape != image_hw:
            came = f"{labels.dtype} {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
            return f"its label map is {came}, expected uint8 {image_hw}, as its image"
        strange = [label for label in np.unique(labels).tolist() if label >= self.classes and label != VOID]
        if strange:
            return f"its label map holds {strange[0]}, expected 0 to {self.classes - 1}, or {VOID} for none"
        return ""


def reasons_of(job: LoadCodecs | ReadOriginal | ReadLabelMaps) -> list[str]:
    """The work of a worker on these jobs: the sentences on what cannot be loaded or read."""
    return job.reasons()
