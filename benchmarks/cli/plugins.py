"""Capabilities that plug-ins of any kind may have, as commands ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class MayBeUnavailable(Protocol):
    """Capability: it may lack a program, a package or weights here. Codecs, heads and data sets have it."""

    def available(self) -> str | None: ...


@runtime_checkable
class HasProvenance(Protocol):
    """Capability: it says which versions and hashes its results depend on."""

    def provenance(self) -> Mapping[str, str]: ...
