"""Published figures of others with their sources (``references.toml``), shown beside ours and never mixed with them.

They were measured on other data, with other heads, by other rules. Nothing here is a ``ScoreRow``, so no comparison can
take one in; ``tests/reporting/test_paper.py`` checks the imports.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hsc.errors import UnknownNameError

OWN_RATE = "original_pixels"


@dataclass(frozen=True)
class PublishedCurve:
    """A codec's operating points.

    points: their names, if the source has any. scores: by metric, one a rate. rates: bits per pixel by metric, of those
    whose rates differ from ``bpp``, since each figure of the source was read by itself.
    """

    codec: str
    points: tuple[str, ...]
    bpp: tuple[float, ...]
    scores: dict[str, tuple[float, ...]]
    rates: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def bpp_of(self, metric: str) -> tuple[float, ...]:
        """The rates at which a metric's scores were read."""
        return self.rates.get(metric, self.bpp)


@dataclass(frozen=True)
class Reference:
    """A publication's figures.

    title: short, for a legend. source, data, head: where, on what and how it measured. rate: the definition of its
    rates, a spec as ``--rate`` takes it. bits: what they count, "files", "estimated" (likelihoods, no file) or "not
    published".
    """

    name: str
    title: str
    source: str
    data: str
    head: str
    curves: tuple[PublishedCurve, ...]
    rate: str = OWN_RATE
    bits: str = "not published"

    @property
    def of_own_rate(self) -> bool:
        """Whether its rates are over the pixels of the originals, as those of every table here."""
        return self.rate == OWN_RATE

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(metric for curve in self.curves for metric in curve.scores))


@functools.cache
def references() -> dict[str, Reference]:
    """All references, by name."""
    read = tomllib.loads((Path(__file__).parent / "references.toml").read_text(encoding="utf-8"))
    return {name: _reference(name, dict(entry)) for name, entry in read.items()}


def find_reference(name: str) -> Reference:
    """A reference by name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    known = references()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.5)
        raise UnknownNameError(
            f"no reference is called {name!r}; "
            + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")
        )
    return known[name]


def _reference(name: str, entry: dict[str, Any]) -> Reference:
    curves = entry.pop("curves")
    return Reference(name, curves=tuple(_curve(codec, dict(numbers)) for codec, numbers in curves.items()), **entry)


def _curve(codec: str, numbers: dict[str, Any]) -> PublishedCurve:
    bpp = tuple(numbers.pop("bpp"))
    points = tuple(str(p) for p in numbers.pop("points", []))
    rates = {metric: tuple(values) for metric, values in numbers.pop("rates", {}).items()}
    return PublishedCurve(codec, points, bpp, {metric: tuple(values) for metric, values in numbers.items()}, rates)
