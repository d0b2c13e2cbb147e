"""torch's version and the device that a plug-in's networks run on, for its provenance."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from hsc.devices import current_device


def torch_version() -> str:
    """torch's version with its build, such as "2.9.1+cu130", as ``torch.__version__`` says it.

    It is read from torch's own file, since an import of torch takes a second and hundreds of megabytes.
    """
    if "torch" not in sys.modules:
        place = importlib.util.find_spec("torch")
        file = Path(place.origin).with_name("version.py") if place and place.origin else None
        spec = importlib.util.spec_from_file_location("torch_version", file) if file and file.is_file() else None
        if spec and spec.loader:
            stated = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(stated)
            return str(stated.__version__)
    import torch

    return str(torch.__version__)


def device_facts() -> dict[str, str]:
    """Entries of a plug-in's provenance: the kind of device, unless it is the CPU; results differ between kinds."""
    kind = current_device().partition(":")[0]
    return {} if kind == "cpu" else {"device": kind}
