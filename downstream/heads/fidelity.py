"""Fidelity measures without weights: PSNR and MS-SSIM of a decoded image against its original.

psnr: squared error; its mean over all samples of a set gives one PSNR in dB for the set. ms_ssim: Wang, Simoncelli,
Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003, as torchmetrics (Apache-2.0)
computes it, on R, G and B alike.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from downstream.api import HEADS, Fidelity, Prediction
from downstream.heads._reference import ReferenceHead, why_no_torchmetrics
from downstream.ops.batching import as_batch
from hsc.api import Image
from hsc.errors import UnavailableError

MIN_SIDE = 161
"""Smallest side of an image in pixels: five scales of a window of 11."""


@HEADS.register("psnr")
@dataclass(frozen=True)
class Psnr(ReferenceHead):
    """Squared error of R, G and B; a set's PSNR comes from the mean over all its samples."""

    output: ClassVar[type[Prediction]] = Fidelity
    measure: ClassVar[str] = "psnr"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """It has no weights, so it is always data only."""
        return None

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """One Fidelity for each pair; its numbers are the sum of squared differences and the number of samples."""
        answers: list[Prediction] = []
        for original, image in zip(originals, images, strict=True):
            difference = image.astype(np.int64) - original
            answers.append(Fidelity("psnr", np.array([np.sum(difference * difference), difference.size], np.float64)))
        return answers

    def available(self) -> str | None:
        """Always None, since it needs only numpy."""
        return None

    def provenance(self) -> Mapping[str, str]:
        return {"code": "psnr-1"}


@HEADS.register("ms_ssim")
@dataclass(frozen=True)
class MsSsim(ReferenceHead):
    """MS-SSIM, 0 to 1, mean of R, G and B: five scales, Gaussian windows of 11 pixels, sides of at least 161 pixels."""

    output: ClassVar[type[Prediction]] = Fidelity
    measure: ClassVar[str] = "ms_ssim"

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """It has no weights, so it is always data only."""
        return None

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """One Fidelity for each pair; its one number is the image's MS-SSIM.

        Raises:
            UnavailableError: an image is too small for five scales.
        """
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

        answers: list[Prediction] = []
        for original, image in zip(originals, images, strict=True):
            height, width = image.shape[:2]
            if min(height, width) < MIN_SIDE:
                raise UnavailableError(
                    f"MS-SSIM needs sides of {MIN_SIDE} pixels or more, an image has {width}x{height}; leave ms_ssim "
                    f"out"
                )
            value = measure(as_batch(image), as_batch(original), data_range=255.0, normalize="relu")
            answers.append(Fidelity("ms_ssim", np.array([float(value)], np.float64)))
        return answers

    def available(self) -> str | None:
        """None if torchmetrics is installed, else the cure."""
        return why_no_torchmetrics()

    def provenance(self) -> Mapping[str, str]:
        return {"code": "ms_ssim-1", "torchmetrics": importlib.metadata.version("torchmetrics")}
