"""A worker process of ``benchmarks.harness.executors``: takes calls from a pipe, one after another, and answers.

    parent --Call--> worker --("ready", None)-->            the call is unpacked; imports are done
                            --("step", (images, doing))-->  work on so many images begins, and with it their time limit
                            --("answer", answer) or ("raised", one line)-->

Whatever plug-ins print goes to stderr, since stdout is for the run's table. Interrupts are left to the parent.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from benchmarks.harness.endings import deaf
from benchmarks.harness.guard import guarded
from benchmarks.harness.surroundings import Surroundings
from benchmarks.programs.leftovers import adopt_orphans
from hsc.errors import HscError

_parent: list[Connection] = []
"""The pipe to the parent process; empty outside workers."""


class Call(NamedTuple):
    """A job on its way to a worker, with the function that does it and what it takes along."""

    work: Callable[[Any], Any]
    job: Any
    surroundings: Surroundings


def step(images: int = 1, doing: Any = None) -> None:
    """Report that work on so many images begins; from here on it has that many times the limit of an image.

    doing: a value that the job's ``parts`` understands, for the case that this work ends the process. Outside a worker
    nothing happens.
    """
    for connection in _parent:
        connection.send_bytes(pickle.dumps(("step", (images, doing))))


def serve(connection: Connection) -> None:
    """Answer jobs until the parent closes the pipe or ends."""
    _parent.append(connection)
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            kind, content = "answer", guarded(_answer, connection, message)
            reply = guarded(_packed, kind, content)
        except HscError as error:
            reply = pickle.dumps(("raised", str(error)))
        try:
            connection.send_bytes(reply)
        except OSError:  # the parent is gone, or a plug-in has closed the pipe
            return


def _answer(connection: Connection, message: bytes) -> Any:
    call: Call = pickle.loads(message)
    connection.send_bytes(pickle.dumps(("ready", None)))
    with call.surroundings.applied():
        return call.work(call.job)


def _packed(kind: str, content: Any) -> bytes:
    import cloudpickle  # heavier than pickle, and in use only once work has begun

    packed: bytes = cloudpickle.dumps((kind, content))
    return packed


def main(descriptor: int) -> None:
    """Run as a worker whose pipe is an open descriptor."""
    deaf()
    os.dup2(2, 1)
    adopt_orphans()
    serve(Connection(descriptor))
    os._exit(0)  # threads and exit handlers of plug-ins are not waited for
