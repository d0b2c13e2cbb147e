"""The shape of every command: its parser, its work, and the way it ends.

    def main(argv=None) -> int:
        return run(parser(), work, argv)          work(options) -> exit code

An error of ours, a file that cannot be read, a stop by a signal and a closed pipe end all commands in the same way: one
sentence on standard error, no traceback, and an exit code of this file.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import NoReturn

from benchmarks.cli.places import settle
from benchmarks.harness.endings import Stopped, listened
from benchmarks.text import one_line
from hsc.errors import HscError

DONE, FAILED, REFUSED, STOPPED = 0, 1, 2, 130
"""Exit codes: done; some cells or checks failed; the request cannot be met; stopped by Ctrl-C (143 by SIGTERM)."""
_MAX_ERROR = 10_000
_APPENDED = argparse._AppendAction
_UNKNOWN = "unrecognized arguments: "
"""What argparse says of options that it does not know, before them."""
_OPENED = re.compile(r"(--[a-z-]+=)?[A-Za-z_][A-Za-z0-9_-]*\(")
"""The beginning of a spec with arguments, or of an option with one."""


def version() -> str:
    """The version of the installed distribution; a checkout that is not installed has none."""
    try:
        return installed_version("hsc-bench")
    except PackageNotFoundError:
        return "unknown (not installed)"


class _Parser(argparse.ArgumentParser):
    """A parser that refuses arguments in one sentence, with the options of near names."""

    def error(self, message: str) -> NoReturn:
        near = ""
        if message.startswith(_UNKNOWN):
            words = [word.partition("=")[0] for word in message.removeprefix(_UNKNOWN).split()]
            known = [option for action in self._actions for option in action.option_strings]
            names = [name for word in words[:1] for name in difflib.get_close_matches(word, known, n=2)]
            near = f"; did you mean {' or '.join(names)}?" if names else ""
            repeated = [action.option_strings[-1] for action in self._actions if isinstance(action, _APPENDED)]
            if repeated and not words[0].startswith("-"):
                near = f"; repeat the option for each value: {repeated[0]} A {repeated[0]} B"
        self.exit(REFUSED, f"error: {message}{near or f'; {self.prog} --help shows what there is'}\n")


def new_parser(
    command: str, description: str, examples: str, *, done: str = "done", failed: str = "", refused: str = ""
) -> argparse.ArgumentParser:
    """The parser of ``hsc-bench COMMAND``, with ``--version``; its help ends with examples and exit codes.

    done, failed, refused: what the exit codes 0, 1 and 2 mean for this command; a command without ``failed`` has no 1.
    """
    codes = [f"0 {done}", *([f"1 {failed}"] if failed else []), f"2 {refused or 'the request cannot be met'}"]
    parser = _Parser(
        prog=f"hsc-bench {command}",
        description=description,
        epilog=f"examples:\n{examples.strip(chr(10))}\n\nexit codes: {', '.join(codes)}, 130 stopped (143 by SIGTERM)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hsc-bench {version()}")
    return parser


def run(
    parser: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None = None,
    *,
    if_stopped: str = "stopped",
    if_unread: int = DONE,
) -> int:
    """Parse the arguments (those of the process by default), do the work, and return its exit code.

    if_stopped: what is printed after a signal. if_unread: the exit code where the reader of standard output has left.

    Raises:
        SystemExit: by argparse, after ``--help`` (0) and for arguments that it refuses (2).
    """
    if message := _split_spec(sys.argv[1:] if argv is None else argv):
        return _refused(message)
    options = parser.parse_args(argv)
    try:
        with listened():
            settle(parser, options)
            return work(options)
    except HscError as error:
        return _refused(one_line(error, _MAX_ERROR))
    except BrokenPipeError:  # the reader of standard output (head, less) has left, and nothing can be flushed to it
        sys.stdout = None
        return if_unread
    except OSError as error:
        place = f" {error.filename}" if error.filename else " a file"
        return _refused(one_line(f"cannot read or write{place}: {error.strerror or error}", _MAX_ERROR))
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"{if_stopped}\n")
        return 128 + stop.number if isinstance(stop, Stopped) else STOPPED


def warn(text: str) -> None:
    """Print one sentence on standard error at once."""
    sys.stderr.write(f"warning: {one_line(text)}\n")
    sys.stderr.flush()


def _split_spec(arguments: Sequence[str]) -> str:
    """A sentence on a spec that a shell has split at its blanks, where there is one; else empty."""
    for start, first in enumerate(arguments):
        if _OPENED.match(first) and _open_brackets(first) > 0:
            words = [first]
            for word in arguments[start + 1 :]:
                if word.startswith("--") or _open_brackets(" ".join(words)) <= 0:
                    break
                words.append(word)
            if len(words) > 1 and _open_brackets(" ".join(words)) == 0:
                whole = " ".join([first.partition("=")[2] if first.startswith("--") else first, *words[1:]])
                return f"a spec came in {len(words)} pieces; put it into single quotes, as in '{one_line(whole)}'"
    return ""


def _open_brackets(text: str) -> int:
    return sum(text.count(opening) for opening in "([") - sum(text.count(closing) for closing in ")]")


def _refused(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return REFUSED
