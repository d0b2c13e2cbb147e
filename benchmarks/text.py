"""Text from outside (a plug-in's message, a downloaded file) as one line that is safe to show and to keep."""

from __future__ import annotations

from typing import Any

MAX_CHARACTERS = 1000
"""Longer messages are shortened; this is enough for what came, what was expected and the cure."""


def one_line(text: Any, limit: int = MAX_CHARACTERS) -> str:
    """``text`` as one line of at most about ``limit`` printable characters.

    Runs of white space become one space. Characters that are not printable (control characters, terminal sequences,
    marks that turn the writing direction, halves of surrogate pairs) are escaped, so that they are visible and have no
    effect. A long text keeps its beginning, followed by its length. A value whose ``str`` raises is named by its type.

    >>> one_line("two\\nlines, \\x1b[31mred\\x07")
    'two lines, \\\\x1b[31mred\\\\x07'
    >>> one_line("a" * 5000, limit=4)
    'aaaa ... (5,000 characters)'
    """
    try:
        whole = text if type(text) is str else str(text)
    except BaseException:  # the ``str`` of a plug-in's exception may even exit
        return f"({type(text).__name__} without a text)"
    words = " ".join(whole[: 4 * limit].split())
    kept = "".join(letter if letter.isprintable() else _escaped(letter) for letter in words[:limit])
    return kept if len(words) <= limit and len(whole) <= 4 * limit else f"{kept} ... ({len(whole):,} characters)"


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")
