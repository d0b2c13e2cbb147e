"""The two networks behind the head ``small``, built by name; a network is imported when it is built.

They differ in trunk, neck, assignment and decoding, so that one can confirm the other's ranking of codecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsc.errors import UsageError

if TYPE_CHECKING:
    from downstream.networks.detectors.layers import Detector

ARCHITECTURES = ("pyramid", "hourglass")


def build(arch: str, classes: int) -> Detector:
    """A network with random weights from torch's generator.

    Raises:
        UsageError: there is no such architecture.
    """
    if arch == "pyramid":
        from downstream.networks.detectors.pyramid import Pyramid

        return Pyramid(classes)
    if arch == "hourglass":
        from downstream.networks.detectors.hourglass import Hourglass

        return Hourglass(classes)
    raise UsageError(f"no small detector is named {arch!r}; there are {', '.join(ARCHITECTURES)}")
