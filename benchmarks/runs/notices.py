"""Sentences that stand before a run's scores, as ``run.json`` keeps them: what a reader must know before any number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = "notices"
"""Their key in run.json."""
MOST = 100
"""More are not shown; a run has a few."""


def notices_of(about: Mapping[str, Any]) -> tuple[str, ...]:
    """The notices of ``run.json``, each on one line; none of runs that were made before there were any."""
    kept = about.get(NAME)
    return (
        tuple(" ".join(text.split()) for text in kept[:MOST] if isinstance(text, str)) if isinstance(kept, list) else ()
    )
