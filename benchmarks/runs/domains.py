"""What titles call a head's route: the field's words for reading decoded images and for reading latents."""

from __future__ import annotations

import pandas as pd

_DOMAINS = {"image": "pixel domain", "latent": "compressed domain"}


def domain_of(route: str) -> str:
    """The domain in which a head reads by this route, as Video Coding for Machines (MPEG) names it.

    >>> domain_of("image"), domain_of("latent")
    ('pixel domain', 'compressed domain')
    """
    return _DOMAINS.get(route, f"{route} route")


def head_title(scores: pd.DataFrame, head: str, route: str) -> str:
    """A head's name, with its domain where the run has it by both routes. scores: of the run."""
    routes = set(scores.loc[scores["head"] == head, "route"])
    return f"{head}, {domain_of(route)}" if len(routes) > 1 else head
