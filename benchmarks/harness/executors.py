"""Where work runs. An executor takes jobs and gives back answers as they come; a cluster engine would be one more.

    jobs --> Processes --+--> worker (benchmarks.harness.worker)     one job at a time; dies, hangs or answers
                         +--> worker
                         +--> apart: a worker that only does what was asked to be done apart

Processes start clean, need no ``__main__`` guard in a user's script, and whatever they started ends with them. A job
whose worker died or hung is split into its parts, and each runs in a process of its own, so that one bad image costs
itself alone.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Generic, Protocol, TypeVar

from benchmarks.programs import watcher
from benchmarks.programs.leftovers import marked_environment
from hsc.errors import UsageError

J = TypeVar("J")
R = TypeVar("R")

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
TIMEOUT_S = 600.0
"""An image: what a codec, head or data set may take for it before its process is ended."""
_START_S = 600.0
"""For a worker to start and to import what a job needs."""
_LAST_S = 2.0
"""For a worker that has closed its pipe to end by itself, and so to leave its own status."""
_WORKER = "HSC_WORKER"
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from benchmarks.harness.worker import main; "
    "main(int(sys.argv[2]))"
)


class WorkerDied(Exception):  # noqa: N818  it is an outcome that the harness records, not an error it raises
    """The process that ran a job ended without an answer, or had to be ended."""


class Executor(Protocol):
    """Runs ``work(job)`` for each job, in any order.

    Yields (job, answer, None), or (job, None, why) where the process that ran it died. ``work`` itself must not raise.
    workers: how many processes are at work at once, which times depend on.
    parts: splits a job into jobs to be done in its place, given what its process said it was doing
    (``benchmarks.harness.worker.step``), None if nothing; none where it cannot be split. After such an end they are
    tried one by one, and are what is yielded. apart: run where nothing else has run than what was asked for apart.
    """

    workers: int

    def run(
        self,
        work: Callable[[J], R],
        jobs: Iterable[J],
        *,
        parts: Callable[[J, Any], Sequence[J]] | None = None,
        apart: bool = False,
    ) -> Iterator[tuple[J, R | None, WorkerDied | None]]: ...


class Inline:
    """Everything in this process, one after another, with one thread as in workers: for debugging and for small things.

    What ends or hangs, ends or hangs this process.
    """

    workers = 1

    def run(
        self,
        work: Callable[[J], R],
        jobs: Iterable[J],
        *,
        parts: Callable[[J, Any], Sequence[J]] | None = None,
        apart: bool = False,
    ) -> Iterator[tuple[J, R | None, WorkerDied | None]]:
        for job in jobs:
            with one_thread():
                answer = work(job)
            yield job, answer, None


@dataclass
class _Task(Generic[J]):
    """A job, and whether it runs in a process of its own because a worker died of it, or near it."""

    job: J
    alone: bool = False


@dataclass(eq=False)
class _Worker:
    """A running worker. used: whether it has had a job; deadline: of what it is doing, by the monotonic clock."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    mark: str
    used: bool = False
    deadline: float = float("inf")
    late: str = "it took too long to start"
    doing: Any = None
    task: Any = field(default=None)


class Processes:
    """``workers`` processes of one thread each, so cores are shared out by process and never oversubscribed.

    timeout_s: for an image, of work that reports its steps (``benchmarks.harness.worker.step``). They start at the
    first job and stay until ``close``, or until this object is gone.
    """

    def __init__(self, workers: int, timeout_s: float = TIMEOUT_S) -> None:
        if not timeout_s > 0:
            raise UsageError(f"the time limit of an image came as {timeout_s:g} s, expected more than 0")
        self.workers, self.timeout_s = workers, timeout_s
        self._idle: list[_Worker] = []
        self._apart: list[_Worker] = []
        weakref.finalize(self, _close, self._idle, self._apart)

    def close(self) -> None:
        """End all workers and what they started."""
        _close(self._idle, self._apart)

    def run(
        self,
        work: Callable[[J], R],
        jobs: Iterable[J],
        *,
        parts: Callable[[J, Any], Sequence[J]] | None = None,
        apart: bool = False,
    ) -> Iterator[tuple[J, R | None, WorkerDied | None]]:
        waiting = iter(jobs)
        again: collections.deque[_Task[J]] = collections.deque()
        idle, most = (self._apart, max(1, self.workers // 2)) if apart else (self._idle, self.workers)
        busy: dict[Connection, _Worker] = {}
        try:
            while True:
                while len(busy) < most and (task := _next(waiting, again)):
                    worker = _given(idle, task, work, time.monotonic() + _START_S)
                    busy[worker.pipe] = worker
                if not busy:
                    return
                first = min(worker.deadline for worker in busy.values())
                ready = wait(list(busy), None if first == float("inf") else max(0.0, first - time.monotonic()))
                for pipe in ready:
                    worker = busy[pipe]  # type: ignore[index]
                    outcome = self._heard(worker)
                    if outcome is not None:
                        del busy[worker.pipe]
                        yield from _settled(worker, outcome, idle, again, parts)
                for worker in [w for w in busy.values() if time.monotonic() > w.deadline]:
                    del busy[worker.pipe]
                    _end([worker])
                    yield from _settled(
                        worker, ("died", WorkerDied(f"{worker.late}, and its process was ended")), idle, again, parts
                    )
        finally:
            _end(list(busy.values()))

    def _heard(self, worker: _Worker) -> tuple[str, Any] | None:
        """The outcome of a worker's job, or None where it has only said how far it is."""
        try:
            kind, content = pickle.loads(worker.pipe.recv_bytes())
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that only closed its pipe
                worker.process.wait(_LAST_S)
            _end([worker])
            return "died", WorkerDied(f"the worker process died: {_how(worker.process.returncode)}")
        if kind == "ready":
            worker.deadline = float("inf")
        elif kind == "step":
            images, worker.doing = content
            worker.deadline = time.monotonic() + self.timeout_s * images
            worker.late = f"it took over {self.timeout_s:g} s an image, the limit (--timeout-s)"
        else:
            return kind, content if kind == "answer" else WorkerDied(content)
        return None


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes with one thread meanwhile, as it does in workers: times and the last bits of floats depend on it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _next(waiting: Iterator[J], again: collections.deque[_Task[J]]) -> _Task[J] | None:
    if again:
        return again.popleft()
    for job in waiting:
        return _Task(job)
    return None


def _settled(
    worker: _Worker,
    outcome: tuple[str, Any],
    idle: list[_Worker],
    again: collections.deque[_Task[J]],
    parts: Callable[[J, Any], Sequence[J]] | None,
) -> Iterator[tuple[J, Any, WorkerDied | None]]:
    """What is to be told of a job that ended; puts its worker back, and a suspect's parts into the queue."""
    kind, content = outcome
    task: _Task[J] = worker.task
    doing = worker.doing
    worker.task, worker.doing, worker.deadline = None, None, float("inf")
    if kind != "died":
        if task.alone:
            _end([worker])
        else:
            idle.append(worker)
        yield (task.job, content, None) if kind == "answer" else (task.job, None, content)
    else:
        split = parts(task.job, doing) if parts else []
        if task.alone and not split:
            yield task.job, None, content
        else:
            again.extend(_Task(part, alone=True) for part in split or [task.job])


def _given(idle: list[_Worker], task: _Task[J], work: Callable[[J], Any], deadline: float) -> _Worker:
    """A worker that has the job: an idle one, or a new one, as a task alone wants it."""
    import cloudpickle

    message = cloudpickle.dumps((work, task.job))
    while True:
        worker = idle.pop() if idle and not task.alone else _started()
        try:
            worker.pipe.send_bytes(message)
        except OSError:  # it died while it had nothing to do
            _end([worker])
            if worker.used:
                continue
            raise
        worker.used, worker.task, worker.deadline, worker.late = True, task, deadline, _Worker.late
        return worker


_count = iter(range(1 << 62))


def _started() -> _Worker:
    ours, theirs = Pipe()
    name = f"{os.getpid()}-{next(_count)}"
    environment = {**marked_environment(), **ONE_THREAD, _WORKER: name}
    line = [sys.executable, "-c", _START, json.dumps(sys.path), str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, env=environment, pass_fds=[theirs.fileno()], start_new_session=True
        )
    return _Worker(process, ours, f"{_WORKER}={name}")


def _close(*workers: list[_Worker]) -> None:
    for group in workers:
        _end(group)
        group.clear()


def _end(workers: Sequence[_Worker]) -> None:
    """End workers and whatever they started."""
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


def _how(status: int | None) -> str:
    if status is not None and status < 0:
        try:
            return f"it was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"it was ended by signal {-status}"
    return f"it exited with status {status}"
