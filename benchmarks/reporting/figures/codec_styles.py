"""Colour, marker and dashes of each codec, by its name: the same on the page, in every figure and in every paper.

The codecs of this package have styles of their own, whichever of them a run has. Every other codec begins at a style
that follows from its name and takes the next one where another codec of the same figure has it already.
"""

from __future__ import annotations

import functools
import hashlib
import pkgutil
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import benchmarks.codecs
from benchmarks.api import CODECS
from benchmarks.codecs._wrapper import Wrapper
from hsc.errors import HscError

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F3C8D", "#666666")
"""The colour-blind-safe palette of Okabe and Ito (2008), then four colours that are distinct from it."""
MARKERS = "osD^vP*Xhd"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
"""None of them is dotted, as fits are. There are three, so that after ten codecs colours repeat with other dashes."""
_MARKER_SHIFT = 3
"""Places between the markers of two codecs that share a colour: dashes alone are hard to tell apart."""
_SALT = "codecs 43394"
"""Chosen so that the codecs that most runs have get the colours that are easiest to keep apart."""


class Style(NamedTuple):
    """How a codec is drawn, the same in all panels and all figures."""

    colour: str
    marker: str
    dashes: Any


def styles_named(names: Mapping[str, str]) -> dict[str, Style]:
    """Styles by the name that people read, each that of the codec's own label. names: by label."""
    return {names[label]: style for label, style in styles_of(names).items()}


def styles_of(codecs: Iterable[str]) -> dict[str, Style]:
    """The style of each codec, which does not depend on their order; the first thirty differ."""
    labels = list(dict.fromkeys(codecs))
    fixed = _fixed()
    slots = {label: fixed[label] for label in labels if label in fixed}
    for label in sorted(slots.keys() ^ set(labels), key=_natural):
        name = label.partition("(")[0].strip()
        slots[label] = _free(fixed.get(name, _hashed(label)), slots.values())
    return {label: _style(slots[label]) for label in labels}


def _style(slot: int) -> Style:
    turn = slot // len(COLOURS)
    marker = (slot + _MARKER_SHIFT * turn) % len(MARKERS)
    return Style(COLOURS[slot % len(COLOURS)], MARKERS[marker], DASHES[(marker + turn) % len(DASHES)])


@functools.cache
def _fixed() -> dict[str, int]:
    """The slots of this package's codecs, in the order of their names: last wrappers, then those without a curve."""
    names = sorted(info.name for info in pkgutil.iter_modules(benchmarks.codecs.__path__) if info.name[:1] != "_")
    slots: dict[str, int] = {}
    for name in sorted(names, key=lambda name: (not _draws_curve(name), _wraps(name))):
        slots[name] = _free(_hashed(name), slots.values())
    return slots


def _draws_curve(name: str) -> bool:
    try:
        codec: Any = CODECS.get(name)
    except HscError:  # a file that does not import here, or one that registers no codec of its name
        return name in CODECS.broken
    return len(codec.ladder) > 1


def _wraps(name: str) -> bool:
    try:
        return issubclass(CODECS.get(name), Wrapper)
    except HscError:
        return False


def _hashed(label: str) -> int:
    return int(hashlib.sha256(f"{_SALT} {label}".encode()).hexdigest(), 16) % len(COLOURS)


def _free(start: int, taken: Collection[int]) -> int:
    """The first free slot from ``start`` on, of the first round of colours that has a free one."""
    count, rounds = len(COLOURS), len(DASHES)
    for turn in range(rounds):
        for step in range(count):
            if (slot := turn * count + (start + step) % count) not in taken:
                return slot
    return (start + len(taken)) % (count * rounds)  # more than all styles: some repeat


def _natural(label: str) -> tuple[tuple[bool, int, str], ...]:
    """Sorts "codec 2" before "codec 10"."""
    parts = re.findall(r"\d+|\D+", label)
    return tuple((part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts)
