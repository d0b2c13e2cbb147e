"""Runs external programs so that they neither outlive the call nor flood it with output.

Each program gets an argument list and no shell, a private folder that is removed, a time limit that ends the whole
process group, and a limit on its output; its result files must exist and have a sane size.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from benchmarks.programs.leftovers import end_orphans, marked_environment, room
from hsc.errors import ProcessError
from hsc.files.file_digests import sha256_of_file

TIMEOUT_S = 120.0
MAX_OUTPUT_BYTES = 1 << 30
_STDERR_BYTES = 1 << 16
_CHUNK = 1 << 16
_POLL_S = 0.0005
_LONG_POLL_S = 1.0
_CALL = "HSC_CALL"
"""The environment variable by which processes left behind by one call are recognised."""
_numbers = itertools.count()


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
    number = f"{os.getpid()}-{next(_numbers)}"
    environment = {**marked_environment(), _CALL: number}
    try:
        process = subprocess.Popen(
            list(command),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or folder,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise ProcessError(
            f"{name} does not start: {error}; is {command[0]} an executable program for this machine?"
        ) from error
    stdout, stderr, fault = _communicate(process, stdin, timeout_s, max_output_bytes, f"{_CALL}={number}")
    if fault or process.returncode != 0:
        raise ProcessError(f"{name} {fault or f'ended with status {process.returncode}'}{_last_lines(stderr)}")
    notes = (f"; it wrote {len(stdout)} bytes to stdout" if stdout else "") + _last_lines(stderr)
    files = {output: _read_output(Path(folder or ".") / output, name, max_output_bytes, notes) for output in outputs}
    return Finished(stdout, stderr.decode(errors="replace"), files)


class _Pipes:
    """A program's three pipes, served without blocking: stdin is written, stdout and stderr are read up to a limit.

    out: the first bytes of stdout, ``limit`` and a little more. err: the last ``_STDERR_BYTES`` of stderr.
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
            del kept[: max(0, len(kept) - _STDERR_BYTES)]
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
            fault = f"ran over its {timeout_s:g} s and was ended"
        pipes.drain()
    finally:
        _end_group(process, mark)
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
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            pipes.serve(min(left, poll_s))
    return True


def _end_group(process: subprocess.Popen[bytes], mark: str) -> None:
    """End and collect the program if it still runs, and every child it left, also those in other sessions if known."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with contextlib.suppress(ChildProcessError):
        while True:  # members of its group that this process adopted
            os.waitpid(-process.pid, 0)
    end_orphans(mark)


def _last_lines(stderr: bytes, count: int = 4) -> str:
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    return ": " + " | ".join(lines[-count:])[-600:] if lines else ""


def _read_output(path: Path, name: str, limit: int, notes: str) -> bytes:
    """The bytes of a file that the program left. name: the program's; notes: the end of an error message."""
    try:
        status = path.stat()
    except OSError:
        raise ProcessError(f"{name} ended well but left no {path.name}{notes}") from None
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
