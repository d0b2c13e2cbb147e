"""An external program as a process group of its own: started with a mark, and ended with all that it started.

process, mark = started(command, cwd=folder)
...
end_group(process, mark)     the program, its group, and children in other sessions that carry the mark
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarks.programs.leftovers import end_orphans, marked_environment
from hsc.errors import ProcessError

STDERR_BYTES = 1 << 16
"""How much of the end of stderr is kept."""
_LOOK_S = 0.005
_CALL = "HSC_CALL"
"""The environment variable by which processes left behind by one program are recognised."""
_numbers = itertools.count()


def started(
    command: Sequence[str], *, cwd: Path | None = None, without: Collection[str] = ()
) -> tuple[subprocess.Popen[bytes], str]:
    """Start a program with three unbuffered pipes, in a session of its own; the process and its mark ("NAME=value").

    cwd: where it runs. without: environment variables of this process that it does not get.

    Raises:
        ProcessError: it cannot start.
    """
    number = f"{os.getpid()}-{next(_numbers)}"
    environment = {name: value for name, value in marked_environment().items() if name not in without}
    try:
        process = subprocess.Popen(
            list(command),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**environment, _CALL: number},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise ProcessError(
            f"{os.path.basename(command[0])} does not start: {error}; "
            f"is {command[0]} an executable program for this machine?"
        ) from error
    return process, f"{_CALL}={number}"


def end_group(process: subprocess.Popen[bytes], mark: str) -> None:
    """End and collect the program if it still runs, and every child it left, also those in other sessions if known."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with contextlib.suppress(ChildProcessError):
        while True:  # members of its group that this process adopted
            os.waitpid(-process.pid, 0)
    end_orphans(mark)


def has_ended(pid: int) -> bool:
    """Whether a child has ended. It stays uncollected, so that its id, which is its group's, is not used again."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def ends_within(pid: int, wait_s: float) -> bool:
    """Wait for the end of a child, as ``has_ended``; whether it came in time."""
    deadline = time.monotonic() + wait_s
    while not has_ended(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
    return True


def last_lines(stderr: bytes, count: int = 4) -> str:
    """The last lines of stderr as the end of a sentence; empty where there are none."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    return ": " + " | ".join(lines[-count:])[-600:] if lines else ""


def status_text(returncode: int | None) -> str:
    """How a program ended, as "ended with status 3" or "was ended by SIGKILL"."""
    if returncode is not None and returncode < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with status {returncode}"
