"""Availability of heads that find out whether they can run by loading their network."""

from __future__ import annotations

from collections.abc import Callable

from hsc.errors import DataError, UnavailableError


def why_not_loadable(load: Callable[[], object]) -> str | None:
    """None if ``load`` succeeds, else the sentence of the error that it raises: the reason and the cure."""
    try:
        load()
    except (UnavailableError, DataError) as error:
        return str(error)
    return None
