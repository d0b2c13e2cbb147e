"""The notices of ``run.json``: sentences that a reader must know before any number of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = "notices"
"""The key of the notices in run.json."""
MAX_NOTICES = 100
"""Notices shown; a run has a few."""


def notices_of(about: Mapping[str, Any]) -> tuple[str, ...]:
    """The notices of ``run.json``, each on one line; none for runs of versions that did not write any."""
    kept = about.get(NAME)
    return (
        tuple(" ".join(text.split()) for text in kept[:MAX_NOTICES] if isinstance(text, str))
        if isinstance(kept, list)
        else ()
    )
