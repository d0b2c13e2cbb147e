"""The networks behind the latent heads: built for what a codec hands out, so no width or stride of any codec is written
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from downstream.networks.latents.detector import Centres
    from downstream.networks.latents.inputs import Reading
    from downstream.networks.latents.segmenter import Pixels


def build_detector(reading: Reading, classes: int) -> Centres:
    """A detector with random weights from torch's generator."""
    from downstream.networks.latents.detector import Centres

    return Centres(reading, classes)


def build_segmenter(reading: Reading, classes: int) -> Pixels:
    """A segmenter with random weights from torch's generator."""
    from downstream.networks.latents.segmenter import Pixels

    return Pixels(reading, classes)
