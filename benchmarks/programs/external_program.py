"""Runs external programs so that they neither outlive the call nor flood it with output.

Each program gets an argument list and no shell, a private folder that is removed, a time limit that ends the whole
process group, and a limit on its output; its result files must exist and have a sane size.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from benchmarks.programs.leftovers import room
from benchmarks.programs.process_group import STDERR_BYTES, end_group, has_ended, last_lines, started
from hsc.errors import ProcessError
from hsc.files.file_digests import sha256_of_file

TIMEOUT_S = 120.0
MAX_OUTPUT_BYTES = 1 << 30
_CHUNK = 1 << 16
_OVER_TIME = "ran over"
_POLL_S = 0.0005
_LONG_POLL_S = 1.0


class ProgramTimeoutError(ProcessError):
    """The program took longer than its time limit, and was ended."""


@dataclass(frozen=True)
class Finished:
    """The results of a program that ended well: stdout, the end of stderr, and the requested files by name."""

    stdout: bytes
    stderr: str
    files: Mapping[str, bytes] = field(default_factory=dict)


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A fresh folder only this user can enter, removed with all it holds when the block ends, however it ends."""
    with tempfile.TemporaryDirectory(prefix="private-", dir=room(), ignore_cleanup_errors=True) as name:
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

    folder: where it runs and leaves its ``outputs``. cwd: where it runs instead. outputs: names of files it must leave,
    none of them empty; they are read in full. max_output_bytes: limit on stdout and on each file; more ends the
    program.

    Raises:
        ProcessError: it cannot start, ends with a status other than 0, takes longer than ``timeout_s``, writes too
        much, or leaves an output missing or empty. The message holds the last lines of its stderr.
    """
    name = os.path.basename(command[0])
    process, mark = started(command, cwd=cwd or folder)
    stdout, stderr, fault = _communicate(process, stdin, timeout_s, max_output_bytes, mark)
    if fault or process.returncode != 0:
        kind = ProgramTimeoutError if fault.startswith(_OVER_TIME) else ProcessError
        raise kind(f"{name} {fault or f'ended with status {process.returncode}'}{last_lines(stderr)}")
    notes = (f"; it wrote {len(stdout)} bytes to stdout" if stdout else "") + last_lines(stderr)
    files = {output: read_output(Path(folder or ".") / output, name, max_output_bytes, notes) for output in outputs}
    return Finished(stdout, stderr.decode(errors="replace"), files)


class _Pipes:
    """A program's three pipes, served without blocking: stdin is written, stdout and stderr are read up to a limit.

    out: the first bytes of stdout, ``limit`` and a little more. err: the last ``STDERR_BYTES`` of stderr.
    """

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, limit: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.limit, self.out, self.err = limit, bytearray(), bytearray()
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._unwritten = memoryview(stdin)
        self.selector = selectors.DefaultSelector()
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
            self.selector.register(pipe, selectors.EVENT_WRITE if pipe is self._stdin else selectors.EVENT_READ)
        if not stdin:
            self._close(self._stdin)

    @property
    def overflow(self) -> bool:
        """Whether stdout exceeded its limit."""
        return len(self.out) > self.limit

    def serve(self, wait_s: float) -> None:
        """Read and write all that is possible at once, waiting at most ``wait_s`` until something is."""
        for key, _ in self.selector.select(wait_s):
            if key.fileobj is self._stdin:
                self._write()
            elif key.fileobj is self._stdout or key.fileobj is self._stderr:
                self._read(key.fileobj is self._stdout)

    def drain(self) -> None:
        """Read what the pipes hold already, without waiting for a child that keeps them open."""
        for stdout in (True, False):
            while self._read(stdout) and not self.overflow:
                pass

    def close(self) -> None:
        for pipe in (self._stdin, self._stdout, self._stderr):
            self._close(pipe)
        self.selector.close()

    def _write(self) -> None:
        """Write the next chunk. A program that stops reading is judged by its status, not by the broken pipe."""
        try:
            self._unwritten = self._unwritten[os.write(self._stdin.fileno(), self._unwritten[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            self._unwritten = self._unwritten[:0]
        if not self._unwritten:
            self._close(self._stdin)

    def _read(self, stdout: bool) -> bool:
        """Read a chunk of stdout or of stderr; whether there was one."""
        pipe, kept = (self._stdout, self.out) if stdout else (self._stderr, self.err)
        if pipe.closed:
            return False
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        kept += chunk
        if not stdout:
            del kept[: max(0, len(kept) - STDERR_BYTES)]
        if not chunk:
            self._close(pipe)
        return bool(chunk)

    def _close(self, pipe: IO[bytes]) -> None:
        if not pipe.closed:
            with contextlib.suppress(KeyError):
                self.selector.unregister(pipe)
            with contextlib.suppress(OSError):
                pipe.close()


class _Output(NamedTuple):
    """A program's output. fault: why it was ended, as the end of a sentence; empty if it ended by itself."""

    stdout: bytes
    stderr: bytes
    fault: str


def _communicate(process: subprocess.Popen[bytes], stdin: bytes, timeout_s: float, limit: int, mark: str) -> _Output:
    """Serve a program's pipes until it ends or breaks a limit, then end everything it left running."""
    fault = ""
    pipes = _Pipes(process, stdin, limit)
    try:
        if not _wait(process.pid, pipes, time.monotonic() + timeout_s):
            fault = f"{_OVER_TIME} its {timeout_s:g} s and was ended"
        pipes.drain()
    finally:
        end_group(process, mark)
        pipes.close()
    if pipes.overflow:
        fault = f"wrote over {limit} bytes to stdout"
    return _Output(bytes(pipes.out), bytes(pipes.err), fault)


def _wait(pid: int, pipes: _Pipes, deadline: float) -> bool:
    """Serve the pipes until the program ends, without collecting it; False on too much output or too much time.

    The program stays uncollected so that its process id, which is also its group's, cannot be reused before the group
    is ended.
    """
    with contextlib.ExitStack() as stack:
        poll_s = _POLL_S
        if hasattr(os, "pidfd_open"):  # Linux: the end of the program wakes the selector as a pipe does
            ending = os.pidfd_open(pid)
            stack.callback(os.close, ending)
            pipes.selector.register(ending, selectors.EVENT_READ)
            stack.callback(pipes.selector.unregister, ending)
            poll_s = _LONG_POLL_S
        while not pipes.overflow:
            if has_ended(pid):
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            pipes.serve(min(left, poll_s))
    return True


def read_output(path: Path, name: str, limit: int = MAX_OUTPUT_BYTES, notes: str = "") -> bytes:
    """The bytes of a file that a program left. name: the program's; notes: the end of an error message.

    Raises:
        ProcessError: it is missing, no plain file, empty, or of more bytes than the limit.
    """
    try:
        status = path.stat()
    except OSError:
        raise ProcessError(f"{name} told of no error but left no {path.name}{notes}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ProcessError(f"{name} left a {path.name} that is a folder, pipe or device, expected a file{notes}")
    if not 0 < status.st_size <= limit:
        raise ProcessError(f"{name} left a {path.name} of {status.st_size} bytes, expected 1 to {limit}{notes}")
    return path.read_bytes()


def binary_sha256(path: str | os.PathLike[str]) -> str:
    """The sha256 of a program's file, in hex. Links are followed; a file is hashed again only if it may have changed.

    Raises:
        OSError: it cannot be read.
    """
    return sha256_of_file(path)
