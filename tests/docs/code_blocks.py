"""The code blocks of a page, and a folder in which they run as a reader would run them, on four images.

    ```console        its lines after "$ " are typed into a shell; "\\" at the end continues a line
    ```python         all of a page's run in one namespace, after its commands
    <!-- file: NAME -->    in front of a block: its text is a file of that name
    <!-- not run: WHY -->  in front of a block: it needs what is not here

In that folder, ``hsc-bench run`` takes ``--limit 4`` whatever the line says, ``hsc-bench advise`` the fewest images of
a promise, all pages share one cache, and
``pip install -e .`` writes the entry points that an installation would.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.stats.bootstrap import MIN_IMAGES_KEPT

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=ticks)[ \t]*$", re.MULTILINE | re.DOTALL)
_NOTE = re.compile(r"<!--\s*(file|not run):\s*((?:(?!-->).)+?)\s*-->\s*\Z", re.DOTALL)
_SHIMS = {
    "python": 'exec "{python}" "$@"',
    "hsc-bench": """
few=$1
for word in "$@"; do case $word in --list|--help|--version) few=no;; esac; done
[ "$few" = run ] && set -- "$@" {limit} --quiet
[ "$few" = advise ] && set -- "$@" {enough} --quiet
exec "{python}" -m benchmarks "$@"
""",
    "pip": """
[ "$*" = "install -e ." ] || {{ echo "only pip install -e . is stood in for here, not: pip $*" >&2; exit 2; }}
exec "{python}" "{here}/editable_install.py"
""",
}


class Block(NamedTuple):
    """A fenced block. language: its first word; file: the name it is written under, or ""; reason: why it is not run,
    or ""; line: where it stands in its page."""

    language: str
    text: str
    file: str
    reason: str
    line: int

    @property
    def commands(self) -> list[str]:
        """The lines typed after "$ ", continued ones joined."""
        lines = re.sub(r"\s*\\\n\s*", " ", self.text).splitlines()
        return [line[2:] for line in lines if line.startswith("$ ")]


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page in Markdown, in order."""
    for match in _FENCE.finditer(text):
        words = match["info"].split()
        note = _NOTE.search(text[: match.start()])
        kind, value = note.groups() if note else ("", "")
        yield Block(
            words[0] if words else "",
            match["text"],
            value if kind == "file" else "",
            value if kind == "not run" else "",
            text.count("\n", 0, match.start()) + 1,
        )


def prose(text: str) -> str:
    """A page without its blocks, comments, tables and headings."""
    text = re.sub(r"<!--.*?-->", "", _FENCE.sub("", text), flags=re.DOTALL)
    kept = [line for line in text.splitlines() if not re.match(r"\s*(\||#|!\[|:|\(.*\)=$|\[!)", line)]
    return "\n".join(kept)


class Reader:
    """Somebody who does what a page says, in a folder of their own. cache: shared by all pages. limit: the number of
    images of a run, None for as many as the line says.
    """

    def __init__(self, folder: Path, cache: Path, limit: int | None = 4) -> None:
        self.folder = folder
        programs = folder.parent / f"{folder.name}-bin"
        programs.mkdir()
        for name, body in _SHIMS.items():
            program = programs / name
            most = "" if limit is None else f"--limit {limit}"
            enough = "" if limit is None else f"--limit {MIN_IMAGES_KEPT} --resamples 200"
            text = body.format(python=sys.executable, here=Path(__file__).parent, limit=most, enough=enough)
            program.write_text(f"#!/usr/bin/env bash\n{text}\n", "utf-8")
            program.chmod(0o755)
        (folder / "results").mkdir()
        (folder / "results" / "cache").symlink_to(cache, target_is_directory=True)
        (folder / "results" / "reference").symlink_to(ROOT / "results" / "reference", target_is_directory=True)
        self.environment = os.environ | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
            "OMP_NUM_THREADS": "1",
            "HSC_OFFLINE": "1",
            "MPLBACKEND": "agg",
        }

    def run(self, command: str, expected: int = 0) -> str:
        """Type one command; returns what it printed.

        Raises:
            AssertionError: another exit code than expected.
        """
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == expected, f"$ {command}\nexit code {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def follow(self, page: str) -> str:
        """Write the page's files, type its commands and run its Python; returns what all of it printed."""
        output, script = [], []
        for block in blocks(page):
            if block.reason:
                continue
            if block.file:
                target = self.folder / block.file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.text, "utf-8")
            elif block.language == "console":
                output += [self.run(command) for command in block.commands]
            elif block.language == "python":
                script.append(block.text)
        if script:
            (self.folder / "page_blocks.py").write_text("\n".join(script), "utf-8")
            output.append(self.run("python page_blocks.py"))
        return "\n".join(output)
