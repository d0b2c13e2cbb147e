"""The shape of every command: its parser, its work, and the way it ends.

    def main(argv=None) -> int:
        return run(parser(), work, argv)          work(options) -> exit code

An error of ours, a file that cannot be read, a stop by a signal and a closed pipe end all commands in the same way: one
sentence on standard error, no traceback, and an exit code of this file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

from benchmarks.harness.endings import Stopped, listened
from benchmarks.text import one_line
from hsc.errors import HscError

DONE, FAILED, REFUSED, STOPPED = 0, 1, 2, 130
"""Exit codes: done; some cells or checks failed; the request cannot be met; stopped by Ctrl-C (143 by SIGTERM)."""
_MAX_ERROR = 10_000


def version() -> str:
    """The version of the installed distribution; a checkout that is not installed has none."""
    try:
        return installed_version("hsc-bench")
    except PackageNotFoundError:
        return "unknown (not installed)"


def new_parser(
    command: str, description: str, examples: str, *, done: str = "done", failed: str = "", refused: str = ""
) -> argparse.ArgumentParser:
    """The parser of ``hsc-bench COMMAND``, with ``--version``; its help ends with examples and exit codes.

    done, failed, refused: what the exit codes 0, 1 and 2 mean for this command; a command without ``failed`` has no 1.
    """
    codes = [f"0 {done}", *([f"1 {failed}"] if failed else []), f"2 {refused or 'the request cannot be met'}"]
    parser = argparse.ArgumentParser(
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
    options = parser.parse_args(argv)
    try:
        with listened():
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


def _refused(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return REFUSED
