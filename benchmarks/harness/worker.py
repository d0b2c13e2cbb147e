"""A worker process of ``benchmarks.harness.executors``: takes (work, job) from a pipe, one after another, and answers.

    parent --(work, job)--> worker --"ready"-->            the job is understood; imports are done
                                   --("step", (images, doing))-->  work on so many images begins, and its time limit
                                   with it
                                   --("answer", answer) or ("raised", one line)-->

What plug-ins print goes to stderr, since the run's table is what stands on stdout. Interrupts are the parent's to hear.
"""

from __future__ import annotations

import os
import pickle
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.harness.answers import guarded
from benchmarks.harness.endings import deaf
from benchmarks.programs.leftovers import adopt_orphans
from hsc.errors import HscError

_parent: list[Connection] = []


def step(images: int = 1, doing: Any = None) -> None:
    """Say that work on so many images begins: from here on it has that many times the limit of an image. Nothing out of
    a worker.

    doing: what the job's ``parts`` understands, for the case that this work ends the process.
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
    work, job = pickle.loads(message)
    connection.send_bytes(pickle.dumps(("ready", None)))
    return work(job)


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
