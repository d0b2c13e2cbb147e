"""What one check of a finished run found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple


class Verdict(NamedTuple):
    """What one check found. about: what was checked; text: in words what holds, what differs, or why it could not be
    checked.
    """

    state: Literal["holds", "differs", "unchecked", "note"]
    about: str
    text: str


def verdicts(about: str, wrong: Sequence[str], right: str) -> list[Verdict]:
    """One for each thing that is wrong, or one that says what is right."""
    return [Verdict("differs", about, text) for text in wrong] or [Verdict("holds", about, right)]
