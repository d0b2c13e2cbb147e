"""The networks behind the head ``classifier``, built by name; a network is imported when it is built.

They differ in trunk and in how they gather the picture, so that one can confirm the other's ranking of codecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsc.errors import UsageError

if TYPE_CHECKING:
    from downstream.networks.classifiers.layers import Classifier

ARCHITECTURES = ("residual", "separable")


def build(arch: str, classes: int) -> Classifier:
    """A network with random weights from torch's generator.

    Raises:
        UsageError: there is no such architecture.
    """
    if arch == "residual":
        from downstream.networks.classifiers.residual import ResidualClassifier

        return ResidualClassifier(classes)
    if arch == "separable":
        from downstream.networks.classifiers.separable import SeparableClassifier

        return SeparableClassifier(classes)
    raise UsageError(f"no classifier is named {arch!r}; there are {', '.join(ARCHITECTURES)}")
