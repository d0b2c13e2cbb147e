"""Whether torchmetrics is here, which several heads of fidelity compute with."""

from __future__ import annotations

import importlib.util


def why_no_torchmetrics() -> str | None:
    """None if torchmetrics is installed, else one sentence with the cure."""
    if importlib.util.find_spec("torchmetrics") is None:
        return "torchmetrics is not installed; pip install 'hsc-bench[reconstruction]'"
    return None
