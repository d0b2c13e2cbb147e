"""Text of others becomes one harmless line."""

from __future__ import annotations

import pytest

from benchmarks.text import one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain words, ümlauts and 漢字", "plain words, ümlauts and 漢字"),
        ("two\nlines\r\n\tand  gaps\u2028here ", "two lines and gaps here"),
        ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
        ("bell\x07 null\x00 c1\x9b", r"bell\x07 null\x00 c1\x9b"),
        ("turned \u202eround", r"turned \u202eround"),
        ("half \udcff a pair", r"half \udcff a pair"),
        ("", ""),
        (7, "7"),
    ],
)
def test_one_line_keeps_what_is_printable_and_shows_the_rest_as_escapes(text: object, line: str) -> None:
    assert one_line(text) == line
    one_line(text).encode("utf-8")


def test_one_line_shortens_and_says_how_long_it_was() -> None:
    assert one_line("x" * 2_000_000, limit=10) == "xxxxxxxxxx ... (2,000,000 characters)"
    assert one_line("x" * 10, limit=10) == "x" * 10
    assert one_line("\x1b" * 10_000_000, limit=20) == r"\x1b" * 20 + " ... (10,000,000 characters)"


class _OddError(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")


def test_one_line_names_what_has_no_text() -> None:
    assert one_line(_OddError()) == "(_OddError without a text)"
