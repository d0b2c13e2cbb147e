"""Lines to and from a running program, by its stdin and stdout, with deadlines and a limit of length."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from typing import IO

from benchmarks.programs.process_group import STDERR_BYTES, ends_within, has_ended

MAX_LINE_BYTES = 1 << 16
_CHUNK = 1 << 16
_POLL_S = 0.01
_LONG_POLL_S = 1.0
_LAST_S = 2.0
"""The time for a program that has closed its stdout to end by itself, and so to leave its own status."""


class ChannelError(Exception):
    """A line did not come; the text is the end of a sentence whose subject is the program."""


class ProgramEndedError(ChannelError):
    """The program has ended, or has closed its stdout."""


class LineChannel:
    """The three pipes of a program, served without blocking. stderr: its last ``STDERR_BYTES``."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stderr = bytearray()
        self._pid = process.pid
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._unwritten, self._unread = b"", bytearray()
        self._ending = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None  # Linux: wakes the selector
        self._selector = selectors.DefaultSelector()
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)
        if self._ending is not None:
            self._selector.register(self._ending, selectors.EVENT_READ)

    def ask(self, line: bytes, deadline: float) -> bytes:
        """Write a line and give back the next one that the program writes; both without their end of line.

        deadline: by the monotonic clock.

        Raises:
            ChannelError: the program wrote before it was asked, wrote too long a line, or none in time.
            ProgramEndedError: it has ended, or ends before it answers.
        """
        self._read_all()
        if self._unread:
            raise ChannelError(f"wrote {bytes(self._unread[:80])!r} to stdout without having been asked")
        self._unwritten = line + b"\n"
        self._unregister(self._stdin)  # it may have answered before it had read all of the last line
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        return self.read_line(deadline)

    def read_line(self, deadline: float) -> bytes:
        """The next line that the program writes. Raises as ``ask``."""
        while True:
            line, end, rest = self._unread.partition(b"\n")
            if len(line) > MAX_LINE_BYTES:
                raise ChannelError(f"wrote a line of over {MAX_LINE_BYTES} bytes to stdout")
            if end:
                self._unread = rest
                return bytes(line)
            if self._stdout.closed or has_ended(self._pid):
                if self._read_all():
                    continue
                raise ProgramEndedError(
                    "ended" if ends_within(self._pid, _LAST_S) else "closed its stdout and was ended"
                )
            left = deadline - time.monotonic()
            if left <= 0:
                raise ChannelError("was silent")
            self._serve(min(left, _POLL_S if self._ending is None else _LONG_POLL_S))

    def drain(self) -> None:
        """Read what the pipes hold already."""
        self._read_all()

    def close_stdin(self) -> None:
        """Tell the program by the end of its input that nothing more will come."""
        self._unregister(self._stdin)
        with contextlib.suppress(OSError):
            self._stdin.close()

    def close(self) -> None:
        self.close_stdin()
        for pipe in (self._stdout, self._stderr):
            pipe.close()
        if self._ending is not None:
            os.close(self._ending)
            self._ending = None
        self._selector.close()

    def _serve(self, wait_s: float) -> None:
        for key, _ in self._selector.select(wait_s):
            if key.fileobj is self._stdin:
                self._write()
            elif key.fileobj is self._stdout or key.fileobj is self._stderr:
                self._read(key.fileobj is self._stdout)

    def _write(self) -> None:
        try:
            self._unwritten = self._unwritten[os.write(self._stdin.fileno(), self._unwritten[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:  # it has closed its stdin; its end or its silence is what is told
            self._unwritten = b""
        if not self._unwritten:
            self._unregister(self._stdin)

    def _read_all(self) -> bool:
        """Read what the pipes hold, up to a little over the limit of a line; whether stdout held anything."""
        before = len(self._unread)
        while len(self._unread) <= MAX_LINE_BYTES and self._read(stdout=True):
            pass
        while self._read(stdout=False) and len(self.stderr) < STDERR_BYTES:
            pass
        return len(self._unread) > before

    def _read(self, stdout: bool) -> bool:
        """Read a chunk of stdout or of stderr; whether there was one."""
        pipe, kept = (self._stdout, self._unread) if stdout else (self._stderr, self.stderr)
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
            self._unregister(pipe)
            pipe.close()
        return bool(chunk)

    def _unregister(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(pipe)
