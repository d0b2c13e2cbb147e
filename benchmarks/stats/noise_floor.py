"""The noise floor of Bjontegaard numbers: a codec compared with itself on a second ladder.

The points of the second ladder lie halfway between those of the first, on the same curve, so the true difference is 0.
The measured one shows what the method makes of other points, and of a curve that dips. A difference between two codecs
that is no larger means nothing.
"""

from __future__ import annotations

SECOND = "second"
"""The mark of a second ladder in the column ``ladder`` of ``scores.csv`` and in ``run.json``."""


def second_label(label: str) -> str:
    """The label of a codec's second ladder in progress bars and messages."""
    return f"{label}, second ladder"
