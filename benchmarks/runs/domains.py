"""What titles call a head's route: the field's words for reading decoded images and for reading latents."""

from __future__ import annotations

_DOMAINS = {"image": "pixel domain", "latent": "compressed domain"}


def domain_of(route: str) -> str:
    """The domain in which a head reads by this route, as Video Coding for Machines (MPEG) names it.

    >>> domain_of("image"), domain_of("latent")
    ('pixel domain', 'compressed domain')
    """
    return _DOMAINS.get(route, f"{route} route")
