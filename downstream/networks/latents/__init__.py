"""The networks of the heads on latents, built for the latents of a given codec: no codec's width or stride is fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from downstream.networks.latents.detector import LatentHourglass
    from downstream.networks.latents.inputs import LatentInput
    from downstream.networks.latents.segmenter import LatentContext


def build_detector(latent_input: LatentInput, classes: int) -> LatentHourglass:
    """A detector with random weights from torch's generator."""
    from downstream.networks.latents.detector import LatentHourglass

    return LatentHourglass(latent_input, classes)


def build_segmenter(latent_input: LatentInput, classes: int) -> LatentContext:
    """A segmenter with random weights from torch's generator."""
    from downstream.networks.latents.segmenter import LatentContext

    return LatentContext(latent_input, classes)
