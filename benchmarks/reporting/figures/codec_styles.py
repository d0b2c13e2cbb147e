"""Colour, marker and dashes of each codec, the same in every figure and on the page; they stay distinct in grey too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F3C8D", "#666666")
"""The colour-blind-safe palette of Okabe and Ito (2008), then four colours that are distinct from it."""
MARKERS = "osD^vP*Xhd"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
"""None of them is dotted, as fits are. There are three, so that after ten codecs colours and markers repeat with other
dashes.
"""


class Style(NamedTuple):
    """How a codec is drawn, the same in all panels and all figures."""

    colour: str
    marker: str
    dashes: Any


def styles_of(codecs: Iterable[str]) -> dict[str, Style]:
    """The style of each codec, by its position among all that are drawn; the first thirty differ."""
    return {
        codec: Style(COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)], DASHES[n % len(DASHES)])
        for n, codec in enumerate(dict.fromkeys(codecs))
    }
