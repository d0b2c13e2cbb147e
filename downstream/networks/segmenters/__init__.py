"""The two networks behind the head ``segmenter``: names to classes, imported when one is built.

They differ in trunk, in how they see far and in how they find their way back to fine pixels, so that what one says of a
codec the other can confirm.
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
