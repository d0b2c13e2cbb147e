"""The two networks behind the head ``segmenter``, built by name; a network is imported when it is built.

They differ in trunk, in how they see context and in how they return to fine pixels, so that one can confirm the other's
ranking of codecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsc.errors import UsageError

if TYPE_CHECKING:
    from downstream.networks.segmenters.layers import Segmenter

ARCHITECTURES = ("pyramid", "context")


def build(arch: str, classes: int) -> Segmenter:
    """A network with random weights from torch's generator.

    Raises:
        UsageError: there is no such architecture.
    """
    if arch == "pyramid":
        from downstream.networks.segmenters.pyramid import Pyramid

        return Pyramid(classes)
    if arch == "context":
        from downstream.networks.segmenters.context import Context

        return Context(classes)
    raise UsageError(f"no segmenter is named {arch!r}; there are {', '.join(ARCHITECTURES)}")
