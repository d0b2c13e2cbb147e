"""Codec servers: long-lived programs that are asked in JSON lines to encode and decode files.

    ours                                                             the server's
                                        <--stdout--  {"ready": 1}                            once, when it can work
    {"id": 1, "do": "encode", "input": "/…/input.png", "output": "/…/output.bin", "settings": {"quality": 3}}
                                        <--stdout--  {"id": 1}                               the output is written
    {"id": 2, "do": "decode", "input": "/…/input.bin", "output": "/…/output.png", "settings": {}}
                                        <--stdout--  {"id": 2, "error": "not a stream of mine"}
    {"do": "quit"}, then the end of its stdin                                                it ends

A request is one line, and so is an answer; one request is open at a time. Other fields of an answer are not read. An
``error`` is the answer to that request alone: the server stays. Whatever else goes wrong ends it, with all that it
started, and the next request starts another. Of one that answered before and then ended without an answer, the request
is put to the next one too, once, so that a server that has run out of memory costs no image.

This process has one server for each ``slot``; it ends with this process, with the worker that started it, or when it is
asked with another command line or after one of its files has changed.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.programs.external_program import private_folder
from benchmarks.programs.leftovers import room
from benchmarks.programs.line_channel import ChannelError, LineChannel, ProgramEndedError
from benchmarks.programs.process_group import end_group, ends_within, last_lines, started, status_text
from benchmarks.text import one_line
from hsc.errors import CodecError, ProcessError
from hsc.files.file_digests import FileState, state_of
from hsc.networks.network_holder import HOLDER

PROTOCOL = 1
MOST_STARTS = 3
"""After so many starts in a row that failed, a server is not started again in this process."""
_QUIT_S = 2.0
"""The time for a server to end by itself when it is asked to."""
_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
"""Variables of this process that would lead a server's Python to modules of another environment."""


class ServerError(CodecError):
    """A server's own answer that it could not do what it was asked; the text is its ``error``."""


@dataclass(frozen=True)
class ServerCommand:
    """What starts a server.

    name: the codec's, for messages. words: the program and its arguments. cwd: where it runs, "" for a private folder.
    start_s: the time until it is ready. files: whose change asks for another server.
    """

    name: str
    words: tuple[str, ...]
    cwd: str
    start_s: float
    files: tuple[Path, ...]


class _Server:
    """A running server. answered: whether it has answered a request."""

    def __init__(self, command: ServerCommand) -> None:
        self.command, self.states, self.answered = command, _states(command.files), False
        self._requests = 0
        self._folders = contextlib.ExitStack()
        try:
            cwd = Path(command.cwd) if command.cwd else self._folders.enter_context(private_folder())
            self._process, self._mark = started(command.words, cwd=cwd, without=_OURS)
        except BaseException:
            self._folders.close()
            raise
        self._channel = LineChannel(self._process)
        with self._ended_unless_well("before it was ready", command.start_s, "start_s"):
            answer = _object(self._channel.read_line(time.monotonic() + command.start_s))
            if isinstance(answer.get("error"), str):
                raise ChannelError(f"cannot start: {one_line(answer['error'], 300)}")
            if answer.get("ready") != PROTOCOL:
                raise ChannelError(f'wrote {_shown(answer)} to stdout, expected {{"ready": {PROTOCOL}}} first')

    def ask(self, do: str, source: Path, target: Path, settings: Mapping[str, Any], timeout_s: float) -> None:
        """Have a file coded. Raises as ``ask_server``."""
        self._requests += 1
        number = self._requests
        request = {"id": number, "do": do, "input": str(source), "output": str(target), "settings": dict(settings)}
        with self._ended_unless_well(f"at request {number}, to {do} {source.name}", timeout_s, "timeout_s"):
            answer = _object(self._channel.ask(json.dumps(request).encode(), time.monotonic() + timeout_s))
            if answer.get("id") != number:
                raise ChannelError(f'wrote {_shown(answer)} to stdout, expected the answer {{"id": {number}}}')
            if not isinstance(answer.get("error", ""), str):
                raise ChannelError(f"wrote {_shown(answer)} to stdout, expected its error to be a text")
        self.answered = True
        if "error" in answer:
            raise ServerError(one_line(answer["error"]) or "the server says that there is an error, and not which")

    def quit(self) -> None:
        """Ask it to end, and end it with all that it started where it does not."""
        with contextlib.suppress(ChannelError):
            self._channel.ask(b'{"do": "quit"}', time.monotonic() + _QUIT_S)
        self._channel.close_stdin()
        ends_within(self._process.pid, _QUIT_S)
        self.end()

    def end(self) -> None:
        """End it at once, with all that it started."""
        end_group(self._process, self._mark)
        self._channel.close()
        self._folders.close()

    @contextlib.contextmanager
    def _ended_unless_well(self, doing: str, limit_s: float, limit: str) -> Iterator[None]:
        """End the server where the block raises anything, and say what it did, with the end of its stderr."""
        try:
            yield
        except ChannelError as error:
            self._channel.drain()
            self.end()
            what = str(error)
            if what == "ended":
                what = status_text(self._process.returncode)
            elif what == "was silent":
                what = f"gave no line within {limit_s:g} s, its {limit}, and was ended"
            kind = _ServerEndedError if isinstance(error, ProgramEndedError) else ProcessError
            raise kind(
                f"the server of {self.command.name} {what}, {doing}{last_lines(bytes(self._channel.stderr))}"
            ) from error
        except BaseException:
            self.end()
            raise


class _ServerEndedError(ProcessError):
    """The server ended by itself."""


class _Slot:
    """The place of one server. failed: the command and the reasons of the starts in a row that failed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.server: _Server | None = None
        self.failed: tuple[tuple[ServerCommand, list[FileState]], int] | None = None

    def ready(self, command: ServerCommand) -> _Server:
        """A server of this command that is ready."""
        states = _states(command.files)
        if self.server and (self.server.command, self.server.states) != (command, states):
            self.close()
        if not self.server:
            failures = self.failed[1] if self.failed and self.failed[0] == (command, states) else 0
            if failures >= MOST_STARTS:
                raise ProcessError(
                    f"the server of {command.name} failed to start {failures} times in a row and is not tried again "
                    f"here; mend it, or its [server] in the codec file"
                )
            HOLDER.note_load()
            try:
                self.server = _Server(command)
            except ProcessError:
                self.failed = (command, states), failures + 1
                raise
            self.failed = None
        return self.server

    def close(self) -> None:
        server, self.server = self.server, None
        if server:
            server.quit()


_slots: dict[tuple[int, str], _Slot] = {}
"""By the id of this process, so that a fork has servers of its own, and by the name of the slot."""


def ask_server(
    slot: str,
    command: ServerCommand,
    do: str,
    source: Path,
    target: Path,
    settings: Mapping[str, Any],
    timeout_s: float,
) -> None:
    """Have the server in a slot of this process encode or decode a file; it is started where it does not run.

    do: "encode" or "decode". source, target: absolute paths of the file to read and the file to write. settings: JSON
    values by name. timeout_s: limit of the answer.

    Raises:
        ServerError: the server answered with an error.
        ProcessError: it cannot start, ended, was silent, or broke the protocol; it has been ended.
    """
    place = _slots.get((os.getpid(), slot))
    if place is None:
        room()  # its own clean-up at the end of this process comes after that of the servers
        if not any(pid == os.getpid() for pid, _ in _slots):
            atexit.register(end_servers)
        place = _slots.setdefault((os.getpid(), slot), _Slot())
    with place.lock:
        for again in (True, False):
            server = place.ready(command)
            tried_before = server.answered
            try:
                server.ask(do, source, target, settings, timeout_s)
            except ServerError:
                raise
            except BaseException as error:
                place.server = None  # it has been ended
                if again and tried_before and isinstance(error, _ServerEndedError):
                    target.unlink(missing_ok=True)
                    continue
                raise
            return


def end_servers() -> None:
    """End all servers of this process; whoever asks again starts new ones."""
    for (pid, _), slot in list(_slots.items()):
        if pid == os.getpid():
            with slot.lock:
                slot.close()


def _object(line: bytes) -> dict[str, Any]:
    """A line as a JSON object.

    Raises:
        ChannelError: it is none.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        text = one_line(line.decode(errors="replace"), 80)
        raise ChannelError(
            f"wrote {text!r} to stdout, which is no JSON object; stdout belongs to the protocol, so print to stderr"
        )
    return value


def _shown(answer: Mapping[str, Any]) -> str:
    return one_line(json.dumps(answer), 80)


def _states(files: Sequence[Path]) -> list[FileState]:
    states = []
    for file in files:
        with contextlib.suppress(OSError):
            states.append(state_of(file))
    return states
