"""The device that a plug-in's networks run on, for its provenance."""

from __future__ import annotations

from hsc.devices import current_device


def device_facts() -> dict[str, str]:
    """Entries of a plug-in's provenance: the kind of device, unless it is the CPU; results differ between kinds."""
    kind = current_device().partition(":")[0]
    return {} if kind == "cpu" else {"device": kind}
