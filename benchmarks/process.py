"""External programs, run so that nothing of theirs outlives or overflows the call.

An argument list and no shell; a private folder that goes away; a time limit that ends the whole process group; output that is
read to a limit and no further; result files that must exist and have a sane size.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hsc.errors import ProcessError
from hsc.file_digests import sha256_of_file

TIMEOUT_S = 120.0
MAX_OUTPUT_BYTES = 1 << 30
_STDERR_BYTES = 1 << 16
_CHUNK = 1 << 16
_POLL_S = 0.02
_SHORT_POLL_S = 0.0005


@dataclass(frozen=True)
class Finished:
    """What a program that ended well left: stdout, the end of stderr, and the files asked for, by name."""

    stdout: bytes
    stderr: str
    files: Mapping[str, bytes] = field(default_factory=dict)


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A fresh folder only this user can enter, removed with all it holds when the block ends, however it ends."""
    with tempfile.TemporaryDirectory(prefix="hsc-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def run_program(
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    folder: Path | None = None,
    cwd: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    outputs: Sequence[str] = (),
    max_output_bytes: int = MAX_OUTPUT_BYTES,
) -> Finished:
    """Run one program to its end.

    folder: where it runs, and where ``outputs`` are looked for. cwd: where it runs instead. outputs: names of files it must leave, none
    empty, read back in full. max_output_bytes: limit on stdout, and on each file; more ends the program.

    Raises:
        ProcessError: it cannot start, ends with another status than 0, takes over ``timeout_s``, writes too much, or leaves an
            output missing or empty. The message holds the last lines of its stderr.
    """
    name = os.path.basename(command[0])
    try:
        process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd or folder, start_new_session=True
        )
    except OSError as error:
        raise ProcessError(f"{name} does not start: {error}; is {command[0]} an executable program for this machine?") from error
    stdout, stderr, why = _talk(process, stdin, timeout_s, max_output_bytes)
    if why or process.returncode != 0:
        raise ProcessError(f"{name} {why or f'ended with status {process.returncode}'}{_last_lines(stderr)}")
    said = f"; it wrote {len(stdout)} bytes to stdout" if stdout else ""
    files = {output: _read_output(Path(folder or ".") / output, name, max_output_bytes, said + _last_lines(stderr)) for output in outputs}
    return Finished(stdout, stderr.decode(errors="replace"), files)


class _Pump(threading.Thread):
    """Reads a pipe to its end, keeping the first (stdout) or last (stderr) ``limit`` bytes."""

    def __init__(self, pipe: IO[bytes], limit: int, *, keep_end: bool) -> None:
        super().__init__(daemon=True)
        self.pipe, self.limit, self.keep_end = pipe, limit, keep_end
        self.data = bytearray()
        self.overflow = threading.Event()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self.pipe.fileno(), _CHUNK):
                self.data += chunk
                if len(self.data) > self.limit:
                    if not self.keep_end:
                        self.overflow.set()
                        return
                    del self.data[: len(self.data) - self.limit]


def _feed(pipe: IO[bytes], data: bytes) -> None:
    """Write all and close; a program that stops reading is judged by its status, not by the broken pipe."""
    with contextlib.suppress(OSError, ValueError):
        pipe.write(data)
    with contextlib.suppress(OSError, ValueError):
        pipe.close()


def _talk(process: subprocess.Popen[bytes], stdin: bytes, timeout_s: float, limit: int) -> tuple[bytes, bytes, str]:
    """Feed and drain until it ends, then end what is left of its group: (stdout, stderr, what went wrong or "")."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    out = _Pump(process.stdout, limit, keep_end=False)
    err = _Pump(process.stderr, _STDERR_BYTES, keep_end=True)
    feeder = threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True)
    why = ""
    try:
        for thread in (out, err, feeder):
            thread.start()
        if not _wait(process.pid, out, time.monotonic() + timeout_s):
            why = f"wrote over {limit} bytes to stdout" if out.overflow.is_set() else f"ran over its {timeout_s:g} s and was ended"
    finally:
        _end_group(process)
        for thread in (out, err, feeder):
            if thread.ident is not None:
                thread.join(5)
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError, ValueError):
                pipe.close()
    if out.overflow.is_set():
        why = why or f"wrote over {limit} bytes to stdout"
    return bytes(out.data), bytes(err.data), why


def _wait(pid: int, out: _Pump, deadline: float) -> bool:
    """Wait for the program's end without collecting it: False on too much output or too much time.

    It stays uncollected so that its id, which is also its group's, cannot pass to a stranger before the group is ended.
    """
    while not out.overflow.is_set():
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        if time.monotonic() > deadline:
            return False
        # Most programs end right after their stdout does.
        out.join(_POLL_S)
        if not out.is_alive():
            time.sleep(_SHORT_POLL_S)
    return False


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the program if it still runs and every child it left, and collect it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_lines(stderr: bytes, count: int = 4) -> str:
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    return ": " + " | ".join(lines[-count:])[-600:] if lines else ""


def _read_output(path: Path, name: str, limit: int, said: str) -> bytes:
    """The bytes of a file that the program left. said: what else is known of its run, for messages."""
    try:
        facts = path.stat()
    except OSError:
        raise ProcessError(f"{name} ended well but left no {path.name}{said}") from None
    if not stat.S_ISREG(facts.st_mode):
        raise ProcessError(f"{name} left a {path.name} that is a folder, pipe or device, expected a file{said}")
    if not 0 < facts.st_size <= limit:
        raise ProcessError(f"{name} left a {path.name} of {facts.st_size} bytes, expected 1 to {limit}{said}")
    return path.read_bytes()


def binary_sha256(path: str | os.PathLike[str]) -> str:
    """The sha256 of a program's file, in hex; links are followed, and the file is read again only where it may have changed.

    Raises:
        OSError: it cannot be read.
    """
    return sha256_of_file(path)
