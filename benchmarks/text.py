"""Text of others (a plug-in's message, a stranger's file) as one line that is safe to show and to keep."""

from __future__ import annotations

from typing import Any

MOST_CHARACTERS = 1000
"""What is kept of a message: enough for what came, what was expected and the cure."""


def one_line(text: Any, limit: int = MOST_CHARACTERS) -> str:
    """``text`` as one line of at most about ``limit`` printable characters.

    Runs of white space become one space. What is not printable (control characters, terminal sequences, marks that turn
    the writing direction, halves of surrogate pairs) is written as its escape, so that it is seen and does nothing. A
    long text keeps its beginning, and says how long it was. Whatever has no text at all (its ``str`` raises) is named
    by its type.

    >>> one_line("two\\nlines, \\x1b[31mred\\x07")
    'two lines, \\\\x1b[31mred\\\\x07'
    >>> one_line("a" * 5000, limit=4)
    'aaaa ... (5,000 characters)'
    """
    try:
        whole = text if type(text) is str else str(text)
    except BaseException:  # a plug-in's exception may even exit when it is shown
        return f"({type(text).__name__} without a text)"
    words = " ".join(whole[: 4 * limit].split())
    kept = "".join(letter if letter.isprintable() else _escaped(letter) for letter in words[:limit])
    return kept if len(words) <= limit and len(whole) <= 4 * limit else f"{kept} ... ({len(whole):,} characters)"


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")
