"""Worker processes seen from their parent: started with one thread, reached by a pipe, ended with all they started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import Any

from benchmarks.harness.surroundings import WORKER
from benchmarks.programs import watcher
from benchmarks.programs.leftovers import marked_environment

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Environment variables of a worker that libraries read their number of threads from."""
KEPT_MEMORY = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(1 << 30))
"""Environment variables of a worker by which glibc keeps the memory of large arrays for the next ones.

By default it gives every array above 32 MiB back to the system, and the system clears its pages anew for the next, at
each batch of a head. A user's own settings win.
"""
NEVER = float("inf")
"""The deadline of a worker without a time limit."""
_LAST_S = 2.0
"""The time for a worker that has closed its pipe to end by itself, and so to leave its own status."""
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from benchmarks.harness.worker import main; "
    "main(int(sys.argv[2]))"
)
_TOO_LONG_TO_START = "it took too long to start"

_count = iter(range(1 << 62))


@dataclass(eq=False)
class WorkerProcess:
    """A running worker.

    mark: in its environment, by which everything that it started is found. used: whether it has had a job. deadline: of
    its work, by the monotonic clock. late: the reason given when the deadline is over. doing: its last report. task:
    the work that it has.
    """

    process: subprocess.Popen[bytes]
    pipe: Connection
    mark: str
    used: bool = False
    deadline: float = NEVER
    late: str = _TOO_LONG_TO_START
    doing: Any = None
    task: Any = None

    @classmethod
    def start(cls) -> WorkerProcess:
        """A new worker, which takes calls from its pipe (``benchmarks.harness.worker``)."""
        ours, theirs = Pipe()
        name = f"{os.getpid()}-{next(_count)}"
        environment = {**KEPT_MEMORY, **marked_environment(), **ONE_THREAD, WORKER: name}
        line = [sys.executable, "-c", _START, json.dumps(sys.path), str(theirs.fileno())]
        with theirs:
            process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, env=environment, pass_fds=[theirs.fileno()], start_new_session=True
            )
        return cls(process, ours, f"{WORKER}={name}")

    def take(self, task: Any, deadline: float) -> None:
        """Note a task that was sent. deadline: by which the worker must have unpacked it."""
        self.used, self.task, self.deadline, self.late = True, task, deadline, _TOO_LONG_TO_START

    def release(self) -> None:
        """Note that the task is over."""
        self.task, self.doing, self.deadline = None, None, NEVER

    def end_of_life(self) -> str:
        """How a worker ended, after its pipe was closed; a worker that only closed its pipe is ended here."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_LAST_S)
        end([self])
        status = self.process.returncode
        if status is not None and status < 0:
            try:
                return f"it was ended by {signal.Signals(-status).name}"
            except ValueError:
                return f"it was ended by signal {-status}"
        return f"it exited with status {status}"


def end(workers: Sequence[WorkerProcess]) -> None:
    """End workers and everything that they started."""
    if not workers:
        return
    below = [pid for worker in workers for pid in watcher.marked_below(worker.process.pid, {worker.mark.encode()})]
    for worker in workers:
        worker.pipe.close()
        worker.process.kill()
    watcher.end(below)
    watcher.end_carriers({worker.mark.encode() for worker in workers})
    for worker in workers:
        worker.process.wait()


def end_groups(*groups: list[WorkerProcess]) -> None:
    """End the workers of some lists, and empty the lists."""
    for group in groups:
        end(group)
        group.clear()
