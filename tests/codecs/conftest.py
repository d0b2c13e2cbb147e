"""The raccoon photo with its table of measured rates, for the tests that hold a codec against it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from hsc.api import Codec, Image

Curve = list[tuple[float, float]]
"""(RGB PSNR in dB, bytes), ascending."""


@dataclass(frozen=True)
class Raccoon:
    """photo: 768x512. reference: curves by the table's codec names."""

    photo: Image
    reference: dict[str, Curve]

    def curve(self, codecs: list[Any]) -> Curve:
        return sorted(self._point(codec) for codec in codecs)

    def _point(self, codec: Codec) -> tuple[float, float]:
        data = codec.encode(self.photo)
        error = np.mean((codec.decode(data).astype(np.float64) - self.photo) ** 2)
        return 10 * np.log10(255**2 / error), len(data)

    def bd_rate(self, anchor: str, curve: Curve) -> float:
        """Bjontegaard delta rate in percent: log bytes over PSNR by PCHIP, mean difference where both curves exist."""
        curves = self.reference[anchor], curve
        low, high = max(c[0][0] for c in curves), min(c[-1][0] for c in curves)
        means = [
            PchipInterpolator([p for p, _ in c], np.log([b for _, b in c])).integrate(low, high) / (high - low)
            for c in curves
        ]
        return float(100 * np.expm1(means[1] - means[0]))


@pytest.fixture(scope="session")
def raccoon(shared: Path) -> Raccoon:
    from PIL import Image as Pillow

    folder = shared / "data" / "raccoon"
    reference: dict[str, Curve] = {}
    with open(folder / "reference.csv", newline="") as file:
        for row in csv.DictReader(file):
            reference.setdefault(row["codec"], []).append((float(row["psnr_rgb_db"]), float(row["size_bytes"])))
    with Pillow.open(folder / "raccoon_768x512.png") as opened:
        photo = np.asarray(opened.convert("RGB"))
    return Raccoon(photo, {name: sorted(points) for name, points in reference.items()})
