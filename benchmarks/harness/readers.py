"""Who reads in a run: a head by one of its routes. A head of two routes is two readers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from downstream.api import Route


class ReaderName(NamedTuple):
    """The name of a reader in tables, plans and jobs, unique in a run: the label of its head, and its route."""

    label: str
    route: Route


@dataclass(frozen=True)
class Reader:
    """A head by one of its routes.

    label: how tables name the head. route: "image" for decoded images, "latent" for decoded latents.
    """

    label: str
    head: Any
    route: Route

    @property
    def name(self) -> ReaderName:
        """The reader without its head, which is what cells and answers are keyed by."""
        return ReaderName(self.label, self.route)


def latent_names(readers: Iterable[Reader]) -> tuple[str, ...]:
    """The names of the latents that readers of the latent route read together, sorted, each once."""
    return latents_of(reader.head for reader in readers if reader.route == "latent")


def latents_of(heads: Iterable[Any]) -> tuple[str, ...]:
    """The names of the latents that heads on latents read, sorted, each once."""
    return tuple(sorted({spec.name for head in heads for spec in head.needs}))
