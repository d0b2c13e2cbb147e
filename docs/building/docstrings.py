"""Docstrings of this project as markup: they are plain prose with indented drawings, not reStructuredText.

A docstring is made of blocks with a blank line between them. A block that begins indented is a drawing or code and
keeps its lines. Indented lines of the form ``name: text`` are a list. ``Raises:`` becomes a list of exceptions. In all
other prose, marks that a markup would read are kept as they are, and sentences that begin with names of fields or
parameters and a colon are what these mean.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_RAISES = re.compile(r"^(Raises|Returns|Yields):\s*$")
_ITEM = re.compile(r"^\s+[A-Za-z_]+(?:, [A-Za-z_]+)*: ")
_COLUMNS = re.compile(r"\S {3,}\S")
"""A gap between columns, which only a drawing has."""
_LITERAL = re.compile(r"``(.+?)``")


class Part(NamedTuple):
    """A part of a docstring. kind: "prose", "drawing", "items" or "raises"; lines: its text, one of each item."""

    kind: str
    lines: list[str]


def parts(docstring: str) -> Iterator[Part]:
    """The parts of a docstring, in order."""
    block: list[str] = []
    for line in [*inspect.cleandoc(docstring).splitlines(), ""]:
        if line.strip():
            block.append(line.rstrip())
        else:
            yield from _split(block)
            block = []


def _split(block: list[str]) -> Iterator[Part]:
    """The parts of one block: prose and indented lines take turns."""
    if not block:
        return
    if _RAISES.match(block[0]):
        yield Part("raises", [" ".join(line.split()) for line in block[1:]])
        return
    indented = block[0].startswith(" ") or block[0].startswith(">>>")
    end = next((i for i, line in enumerate(block) if line.startswith(" ") != indented), len(block))
    if block[0].startswith(">>>"):
        end = len(block)
    lines = block[:end]
    if not indented:
        yield Part("prose", [" ".join(lines)])
    elif _ITEM.match(lines[0]) and not any(map(_COLUMNS.search, lines)):
        yield Part("items", _items(lines))
    else:
        yield Part("drawing", _dedented(lines))
    yield from _split(block[end:])


def _items(lines: Sequence[str]) -> list[str]:
    """One text an item; lines that begin no item continue the last."""
    items: list[str] = []
    for line in lines:
        if _ITEM.match(line) or not items:
            items.append(line.strip())
        else:
            items[-1] += " " + line.strip()
    return items


def meanings(text: str, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Take what is said of names out of a paragraph: the rest, and name -> text.

    "Scales. a, b: the sides. c: the colour." -> "Scales.", {"a": "the sides.", "b": "the sides.", "c": "the colour."}
    """
    if not names:
        return text, {}
    name = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    begins = list(re.finditer(rf"(?:^|(?<=[.;?)] ))((?:{name})(?:, (?:{name}))*): (?=\S)", text))
    if not begins:
        return text, {}
    said = {}
    for begin, end in zip(begins, [*(b.start() for b in begins[1:]), len(text)], strict=True):
        said |= dict.fromkeys(begin[1].split(", "), text[begin.end() : end].strip())
    return text[: begins[0].start()].strip(), said


def to_markdown(docstring: str, names: Sequence[str] = ()) -> tuple[str, dict[str, str]]:
    """A docstring as MyST Markdown, and what it says of ``names``, each as Markdown of one line."""
    blocks, said = [], {}
    for kind, lines in parts(docstring):
        if kind == "drawing":
            blocks.append("\n".join(["```text", *lines, "```"]))
        elif kind == "items":
            blocks.append("\n".join(f"- {plain_markdown(line)}" for line in lines))
        elif kind == "raises":
            blocks.append("Raises: " + plain_markdown(" ".join(lines)))
        else:
            rest, found = meanings(lines[0], names)
            said |= {name: plain_markdown(text) for name, text in found.items()}
            blocks += [plain_markdown(rest)] if rest else []
    return "\n\n".join(blocks), said


def to_rst(docstring: str, names: Sequence[str] = ()) -> list[str]:
    """A docstring as lines of reStructuredText; what it says of ``names`` stands in a list of parameters."""
    text: list[str] = []
    said: dict[str, str] = {}
    for kind, lines in parts(docstring):
        if kind == "drawing":
            text += ["::", "", *("    " + line for line in lines), ""]
        elif kind == "items":
            text += [*(f"- {_plain_rst(line)}" for line in lines), ""]
        elif kind == "raises":
            text += [f"**Raises**: {_plain_rst(' '.join(lines))}", ""]
        else:
            rest, found = meanings(lines[0], names)
            said |= found
            text += [_plain_rst(rest), ""] if rest else []
    return [*text, *(f":param {name}: {_plain_rst(words)}" for name, words in said.items()), ""]


def _dedented(lines: Sequence[str]) -> list[str]:
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    return [line[margin:] for line in lines]


def plain_markdown(text: str) -> str:
    """Prose in which only ``code`` is marked."""
    split = _LITERAL.split(text)
    return "".join(f"`{part}`" if i % 2 else _escaped(part, "\\*_|<>[]{}$`#") for i, part in enumerate(split))


def _plain_rst(text: str) -> str:
    split = _LITERAL.split(text)
    return "".join(f"``{part}``" if i % 2 else _escaped(part, "\\*_|`") for i, part in enumerate(split))


def _escaped(text: str, signs: str) -> str:
    return "".join("\\" + sign if sign in signs else sign for sign in text)
