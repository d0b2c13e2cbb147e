"""Peak signal-to-noise ratio of 8-bit images."""

from __future__ import annotations

import math

import numpy as np

from hsc.api import Image


def psnr(image: Image, original: Image) -> float | None:
    """PSNR over all three channels in dB, rounded to 2 digits; None where the images are equal."""
    error = float(np.mean((image.astype(np.float64) - original) ** 2))
    return round(10 * math.log10(255**2 / error), 2) if error else None
