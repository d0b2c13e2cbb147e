"""What a person takes from the pages: commands and files as they stand there, with the person's own words put in."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from code_blocks import ROOT, blocks

from benchmarks.cli.main import main


def command(page: str, *words: str) -> str:
    """The first command of a page under docs/ that holds all these words."""
    commands = [line for block in blocks((ROOT / "docs" / page).read_text("utf-8")) for line in block.commands]
    fitting = [line for line in commands if all(word in line for word in words)]
    assert fitting, f"docs/{page} has no command with {' and '.join(words)}"
    return fitting[0]


def file_text(page: str, name: str) -> str:
    """The block of a page under docs/ that is to be written as a file of this name."""
    (text,) = [block.text for block in blocks((ROOT / "docs" / page).read_text("utf-8")) if block.file == name]
    return text


def changed(text: str, words: Mapping[str, str]) -> str:
    """A command or file with other words in it, each of which stands there.

    >>> changed("hsc-bench run --codec jpeg", {"jpeg": "webp"})
    'hsc-bench run --codec webp'
    """
    for old, new in words.items():
        assert old in text, f"{old!r} is not in {text!r}"
        text = text.replace(old, new)
    return text


def option(text: str, name: str) -> str:
    """An option of a command with its value in quotes, as it stands there."""
    match = re.search(rf"{name} '[^']*'", text)
    assert match, f"{text!r} has no {name}"
    return match[0]


def typed(text: str, folder: Path) -> int:
    """Type a command of ``hsc-bench`` in a folder, in this process; returns its exit code."""
    program, *words = shlex.split(text)
    assert program == "hsc-bench"
    with contextlib.chdir(folder):
        return main(words)
