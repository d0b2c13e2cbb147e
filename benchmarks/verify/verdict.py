"""The outcome of one check of a finished run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from benchmarks.harness.guard import why


class Verdict(NamedTuple):
    """The outcome of one check. about: what was checked; text: what holds, what is wrong, or why it was skipped."""

    state: Literal["pass", "fail", "skipped", "note"]
    about: str
    text: str


def verdicts(about: str, wrong: Sequence[str], right: str) -> list[Verdict]:
    """A failure for each text in ``wrong``, or a pass with the text ``right`` where there is none."""
    return [Verdict("fail", about, text) for text in wrong] or [Verdict("pass", about, right)]


def attempted(about: str, check: Iterator[Verdict]) -> Iterator[Verdict]:
    """The verdicts of a check; an error that a stranger's numbers lead it to ends it as skipped, with the reason."""
    try:
        yield from check
    except Exception as error:
        yield Verdict("skipped", about, why(error))
