"""The networks behind the latent heads: built for what a codec hands out, so no width or stride of any codec is written here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from downstream.latent_networks.centres import Centres
    from downstream.latent_networks.pixels import Pixels
    from downstream.latent_networks.reading import Reading


def build_detector(reading: Reading, classes: int) -> Centres:
    """A detector with random weights from torch's generator."""
    from downstream.latent_networks.centres import Centres

    return Centres(reading, classes)


def build_segmenter(reading: Reading, classes: int) -> Pixels:
    """A segmenter with random weights from torch's generator."""
    from downstream.latent_networks.pixels import Pixels

    return Pixels(reading, classes)
