"""The lattice in decoded scenes: how much stronger pictures change across multiples of 16, 8 and 4 pixels.

``PACKAGED`` states for each packaged weights the bound that holds for them. Weights without a lattice keep to
``NO_LATTICE``, as originals do; new weights are entered with that bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.datasets.roadscenes.dataset import Roadscenes
from downstream.ops.blockiness import blockiness
from hsc.api import Image
from hsc.codec import HscCodec
from hsc.weights import files

PERIODS = (16, 8, 4)
NO_LATTICE = 1.05
PACKAGED = {"roadscenes": 1.2, "roadscenes-coarse": NO_LATTICE, "photos": 1.4}
"""The bound of the mean over scenes at each period, by the name of the weights."""


def scenes(count: int) -> list[Image]:
    dataset = Roadscenes(split="val")
    return [dataset.load(index).image for index in range(count)]


def lattice(images: Sequence[Image]) -> dict[int, float]:
    """The mean blockiness of images, by period in pixels."""
    return {period: float(np.mean([blockiness(image, period) for image in images])) for period in PERIODS}


def decoded(weights: str, quality: float, images: Sequence[Image]) -> list[Image]:
    codec = HscCodec(files.load(weights))
    return [codec.decode(codec.encode(image, quality)) for image in images]


@pytest.mark.parametrize("count", [4, pytest.param(64, marks=pytest.mark.slow)])
def test_originals_have_no_lattice(count: int) -> None:
    found = lattice(scenes(count))
    assert all(0.9 < value <= NO_LATTICE for value in found.values()), found


@pytest.mark.parametrize(
    ("quality", "count"), [(6.0, 3), *(pytest.param(q, 16, marks=pytest.mark.slow) for q in (1.0, 3.0, 6.0))]
)
@pytest.mark.parametrize(("weights", "bound"), PACKAGED.items())
def test_decoded_scenes_keep_to_the_bound_of_their_weights(
    weights: str, bound: float, quality: float, count: int
) -> None:
    found = lattice(decoded(weights, quality, scenes(count)))
    assert all(value <= bound for value in found.values()), found
