"""Judges of fidelity that need no weights: they see the original beside the decoded image.

psnr: squared error, whose mean over all samples of a set gives one PSNR in dB for the set. ms_ssim: Wang, Simoncelli,
Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003, by torchmetrics (Apache-2.0), on
R, G and B alike.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from downstream.api import HEADS, Fidelity, LabelSpace, Prediction
from downstream.heads._torchmetrics import why_no_torchmetrics
from downstream.label_spaces import NO_CLASSES
from downstream.ops.batching import as_batch
from hsc.api import Image
from hsc.errors import UnavailableError

LEAST_SIDE = 161
"""Pixels: five scales of a window of 11."""


@HEADS.register("psnr")
@dataclass(frozen=True)
class Psnr:
    """Squared error of R, G and B; a set's PSNR comes from the mean over all its samples."""

    output: ClassVar[type[Prediction]] = Fidelity
    regime: ClassVar[Literal["reference"]] = "reference"
    label_space: ClassVar[LabelSpace] = NO_CLASSES
    measure: ClassVar[str] = "psnr"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """There are no weights."""
        return None

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """numbers: the sum of squared differences, and how many samples."""
        found: list[Prediction] = []
        for original, image in zip(originals, images, strict=True):
            difference = image.astype(np.int64) - original
            found.append(Fidelity("psnr", np.array([np.sum(difference * difference), difference.size], np.float64)))
        return found

    def available(self) -> str | None:
        """Always: nothing but numpy is needed."""
        return None

    def provenance(self) -> Mapping[str, str]:
        return {"code": "psnr-1"}


@HEADS.register("ms_ssim")
@dataclass(frozen=True)
class MsSsim:
    """MS-SSIM, 0 to 1, the mean of R, G and B: five scales, Gaussian windows of 11 pixels, sides of 161 pixels or more."""

    output: ClassVar[type[Prediction]] = Fidelity
    regime: ClassVar[Literal["reference"]] = "reference"
    label_space: ClassVar[LabelSpace] = NO_CLASSES
    measure: ClassVar[str] = "ms_ssim"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """There are no weights."""
        return None

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """numbers: the image's MS-SSIM.

        Raises:
            UnavailableError: an image is too small for five scales.
        """
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

        found: list[Prediction] = []
        for original, image in zip(originals, images, strict=True):
            height, width = image.shape[:2]
            if min(height, width) < LEAST_SIDE:
                raise UnavailableError(
                    f"MS-SSIM needs sides of {LEAST_SIDE} pixels or more, an image has {width}x{height}; leave "
                    f"ms_ssim out"
                )
            value = measure(as_batch(image), as_batch(original), data_range=255.0, normalize="relu")
            found.append(Fidelity("ms_ssim", np.array([float(value)], np.float64)))
        return found

    def available(self) -> str | None:
        """None if torchmetrics is installed, else the cure."""
        return why_no_torchmetrics()

    def provenance(self) -> Mapping[str, str]:
        return {"code": "ms_ssim-1", "torchmetrics": importlib.metadata.version("torchmetrics")}
