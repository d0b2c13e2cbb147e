"""The files that decide a program's results: those that its command line names, and that its scripts call or import.

    word of a command ─┬─ a file, alone or after "=", "@", "-x", ":" or "," ──> itself
                       ├─ a folder below the codec file's ─────────────────────> the files in it
                       ├─ a program on PATH, as behind "env" or in "sh -c" ────> itself
    a Python file ─────── imports of modules beside it ────────────────────────> those
    a shell script ────── programs and scripts it names ───────────────────────> those, and what they name

Nothing is run. Data files that a script opens by itself and libraries are not found: a codec file lists them under
``files``.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.programs.script_imports import imported_beside

_SHELL = re.compile(rb"#!.*\b(ba|da|k|z)?sh\b")
_PYTHON = re.compile(rb"#!.*python")
_SEPARATORS = re.compile(r"[=,;:\s\"'`|&<>(){}]+")
_SHELL_SEPARATORS = re.compile(r"[=,;\s\"'`|&<>(){}]+|\$\w*")
_MAX_SHELL_BYTES = 1 << 20
_MAX_FIRST_LINE_BYTES = 256


def program_path(word: str, folder: str) -> str | None:
    """The full path of a program, None if there is none: relative to ``folder`` if it has a slash, else on PATH."""
    word = word.replace("{folder}", folder)
    return shutil.which(str(Path(folder, word)) if "/" in word else word)


def named_files(words: Iterable[str], folder: str, cwd: str = "") -> list[Path]:
    """The files that a command's words name, and the files that these call or import; each once, in order.

    folder: where the codec file lies. cwd: where the command runs, "" for a folder of its own.
    """
    starts = [folder, cwd] if cwd else [folder]
    files: dict[Path, None] = {}  # an ordered set
    waiting = [file for word in words for file in _of_word(word, starts)]
    while waiting:
        file = waiting.pop(0)
        if file not in files:
            files[file] = None
            waiting += called_by(file)
    return list(files)


def called_by(file: Path) -> list[Path]:
    """The files that a script calls or imports, as far as its text shows; empty for a program that is no script."""
    try:
        with file.open("rb") as script:
            first_line = script.readline(_MAX_FIRST_LINE_BYTES)
            if file.suffix == ".py" or _PYTHON.match(first_line):
                return list(imported_beside(file.resolve()))
            if file.suffix == ".sh" or _SHELL.match(first_line):
                text = script.read(_MAX_SHELL_BYTES).decode(errors="replace")
                return list(_in_shell(text, file.resolve().parent))
    except OSError:
        pass
    return []


def files_of(pattern: str, folder: str) -> list[Path]:
    """The sorted files of one entry of ``files``: a file, all files below a folder, or the matches of a pattern."""
    paths = glob.glob(pattern.replace("{folder}", glob.escape(folder)), root_dir=folder, recursive=True)
    return sorted({file for path in paths for file in files_below(Path(folder, path))})


def files_below(path: Path) -> Iterator[Path]:
    """The file itself, or every file below a folder; links are followed, hidden files and Python's caches skipped."""
    if os.path.isfile(path):
        yield path
    walked: set[str] = set()
    for root, folders, names in os.walk(path, followlinks=True):
        real = os.path.realpath(root)
        folders[:] = [
            name for name in folders if not name.startswith(".") and name != "__pycache__" and real not in walked
        ]
        if real not in walked:
            walked.add(real)
            yield from (
                Path(root, name)
                for name in sorted(names)
                if not name.startswith(".") and os.path.isfile(Path(root, name))
            )


def _of_word(word: str, starts: Sequence[str]) -> Iterator[Path]:
    """The files that a command's word names, anywhere in the word."""
    for part in _parts(word):
        paths = [Path(start, part) for start in starts]
        yield from (path for path in paths if os.path.isfile(path))
        yield from (
            file
            for path in paths
            if os.path.isdir(path) and _inside(path, starts[0])
            for file in sorted(files_below(path))
        )
        if "/" not in part and (program := shutil.which(part)):
            yield Path(program)


def _parts(word: str) -> list[str]:
    """A word, its parts between separators, and each of these without an option's prefix, such as "-x" or "@"."""
    parts = [word, word.partition("=")[2], *_SEPARATORS.split(word)]
    parts += [part.lstrip("@+-") for part in parts] + [part[2:] for part in parts if part.startswith("-")]
    parts += [part[part.index("/") :] for part in parts if "/" in part]
    return [part for part in dict.fromkeys(parts) if part.strip("./") and "\0" not in part]


def _inside(path: Path, folder: str) -> bool:
    """Whether a path lies below the folder, and is not the folder itself."""
    return Path(folder).resolve() in path.resolve().parents


def _in_shell(text: str, folder: Path) -> Iterator[Path]:
    """The programs on PATH, and the programs and scripts by path, that a shell script in ``folder`` names."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for word in dict.fromkeys(part for line in lines for part in _SHELL_SEPARATORS.split(line)):
        if not word.strip("./"):
            continue
        for path in (Path(folder, word), Path(folder, word.lstrip("/"))):
            if os.path.isfile(path) and (os.access(path, os.X_OK) or path.suffix in (".py", ".sh")):
                yield path
        if "/" not in word and (program := shutil.which(word)):
            yield Path(program)
