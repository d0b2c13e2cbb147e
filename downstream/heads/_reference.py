"""The common part of fidelity heads, which compare the decoded image with its original."""

from __future__ import annotations

import importlib.util
from typing import ClassVar, Literal

from downstream.api import LabelSpace
from downstream.label_spaces import NO_CLASSES


class ReferenceHead:
    """Base of fidelity heads: they are neither trained nor adapted, and have no classes."""

    regime: ClassVar[Literal["reference"]] = "reference"
    label_space: ClassVar[LabelSpace] = NO_CLASSES


def why_no_torchmetrics() -> str | None:
    """None if torchmetrics is installed, else one sentence with the cure."""
    if importlib.util.find_spec("torchmetrics") is None:
        return "torchmetrics is not installed; pip install 'hsc-bench[reconstruction]'"
    return None
