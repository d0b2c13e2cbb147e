"""The device that a head's networks run on, for its provenance."""

from __future__ import annotations

from hsc.devices import current_device


def device_facts() -> dict[str, str]:
    """Entries of a head's provenance: the kind of device unless it is the CPU, since results differ between kinds."""
    kind = current_device().partition(":")[0]
    return {} if kind == "cpu" else {"device": kind}
