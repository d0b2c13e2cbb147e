"""Docstrings of this project as markup: they are plain prose with indented drawings, not reStructuredText.

A docstring is made of blocks with a blank line between them. A block that begins indented is a drawing or code and
keeps its lines. ``Raises:`` becomes a list of exceptions. All else is prose, in which marks that a markup would read
are kept as they are.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

_RAISES = re.compile(r"^(Raises|Returns|Yields):\s*$")
_LITERAL = re.compile(r"``(.+?)``")


def blocks(docstring: str) -> Iterator[tuple[str, list[str]]]:
    """The parts of a docstring in order: ("prose", lines), ("drawing", lines) or ("raises", lines)."""
    lines = inspect.cleandoc(docstring).splitlines()
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line.rstrip())
            continue
        yield from _split(block)
        block = []


def _split(block: list[str]) -> Iterator[tuple[str, list[str]]]:
    """One block, or two where prose is followed by indented lines."""
    if not block:
        return
    if block[0].startswith(" ") or block[0].startswith(">>>"):
        yield "drawing", block
        return
    if _RAISES.match(block[0]):
        yield "raises", [line.strip() for line in block[1:]]
        return
    end = next((i for i, line in enumerate(block) if line.startswith(" ")), len(block))
    yield "prose", block[:end]
    if end < len(block):
        yield "drawing", block[end:]


def to_markdown(docstring: str) -> str:
    """A docstring as MyST Markdown."""
    parts = []
    for kind, lines in blocks(docstring):
        if kind == "drawing":
            parts.append("\n".join(["```text", *_dedented(lines), "```"]))
        elif kind == "raises":
            parts.append("Raises: " + _plain_markdown(" ".join(lines)))
        else:
            parts.append(_plain_markdown(" ".join(lines)))
    return "\n\n".join(parts)


def to_rst(docstring: str) -> list[str]:
    """A docstring as lines of reStructuredText."""
    text: list[str] = []
    for kind, lines in blocks(docstring):
        if kind == "drawing":
            text += ["::", "", *("    " + line for line in _dedented(lines))]
        elif kind == "raises":
            text += [f"**Raises**: {_plain_rst(' '.join(lines))}"]
        else:
            text.append(_plain_rst(" ".join(lines)))
        text.append("")
    return text


def _dedented(lines: Sequence[str]) -> list[str]:
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return [line[margin:] for line in lines]


def _plain_markdown(text: str) -> str:
    """Prose in which only ``code`` is marked."""
    parts = _LITERAL.split(text)
    return "".join(f"`{part}`" if i % 2 else _escaped(part, "\\*_|<>[]{}$`#") for i, part in enumerate(parts))


def _plain_rst(text: str) -> str:
    parts = _LITERAL.split(text)
    return "".join(f"``{part}``" if i % 2 else _escaped(part, "\\*_|`") for i, part in enumerate(parts))


def _escaped(text: str, signs: str) -> str:
    return "".join("\\" + sign if sign in signs else sign for sign in text)
