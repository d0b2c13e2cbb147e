"""The numbered notes of one table; a text that comes twice has one number."""

from __future__ import annotations

import re

from benchmarks.reporting.paper.latex import MINUS, escape

DAGGER, DOUBLE_DAGGER = r"\textsuperscript{\dag}", r"\textsuperscript{\ddag}"
"""The marks of numbers for which a cubic stands in, and of those that stand on levelled dips or neighbours alone."""
_HYPHEN = re.compile(r"(?<![A-Za-z0-9])\{-\}(?=\d)")


class Footnotes:
    """Notes in the order in which they are first marked."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        """The superscript number of a note, as LaTeX. text: plain, without a full stop."""
        if text not in self.texts:
            self.texts.append(text)
        return rf"\textsuperscript{{{self.texts.index(text) + 1}}}"

    def refused(self, reason: str) -> str:
        """The cell of a number that was refused: no dash, which tables keep for rates that a curve does not reach."""
        return "n/a" + self.mark(reason)

    def lines(self) -> list[str]:
        """The notes as LaTeX, one a line."""
        return [
            rf"\textsuperscript{{{n}}} {_HYPHEN.sub(lambda _: MINUS, escape(text))}."
            for n, text in enumerate(self.texts, 1)
        ]
