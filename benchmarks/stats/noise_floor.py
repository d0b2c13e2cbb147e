"""The noise floor under every Bjontegaard number: one codec against itself, on a second ladder.

The points of the second ladder lie halfway between those of the first, so the true difference is 0. What comes out
instead is what the method makes of other points on one and the same curve, and of a curve that dips. A difference
between two codecs that is no larger says nothing.
"""

from __future__ import annotations

SECOND = "second"
"""What the column ``ladder`` of ``scores.csv`` says of a second ladder, and ``run.json`` of its operating points."""


def second_label(label: str) -> str:
    """The label of a codec's second ladder in progress bars and messages."""
    return f"{label}, second ladder"
