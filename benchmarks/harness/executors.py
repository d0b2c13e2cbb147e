"""Executors run jobs and give back answers as they come; a cluster engine would be one more of them.

    jobs --> Processes --+--> worker (benchmarks.harness.worker)     one job at a time; dies, hangs or answers
                         +--> worker
                         +--> apart: a worker for jobs that must run where no others have run

Processes start clean, need no ``__main__`` guard in a user's script, and whatever they started ends with them. The
current device travels with each job. A job is split into its parts where its worker died or hung, and each part runs
in a process of its own, so that one bad image costs itself alone.
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

from benchmarks.harness.worker import Call
from benchmarks.programs import watcher
from benchmarks.programs.leftovers import marked_environment
from hsc.devices import current_device
from hsc.errors import UsageError

J = TypeVar("J")
R = TypeVar("R")

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
TIMEOUT_S = 600.0
"""The time that a codec, head or data set may take for an image before its process is ended."""
_START_S = 600.0
"""The time for a worker to start and to import the modules that a job needs."""
_LAST_S = 2.0
"""The time for a worker that has closed its pipe to end by itself, and so to leave its own status."""
_WORKER = "HSC_WORKER"
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from benchmarks.harness.worker import main; "
    "main(int(sys.argv[2]))"
)


class WorkerDied(Exception):  # noqa: N818  it is an outcome that the harness records, not an error it raises
    """The process that ran a job ended without an answer, or had to be ended."""


class Executor(Protocol):
    """Runs ``work(job)`` for each job, in any order, on the current device of the caller.

    Yields (job, answer, None), or (job, None, why) where the process that ran it died. ``work`` itself must not raise.

    workers: how many processes are at work at once, which times depend on. parts: splits a job whose process died into
    jobs that are tried one by one and yielded in its place; it is given the ``doing`` that the process reported last
    (``benchmarks.harness.worker.step``), and gives an empty list where the job cannot be split. apart: run in processes
    where only jobs apart have run.
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
    """Runs jobs in this process, one after another, with one thread as in workers: for debugging and for small work.

    A job that ends its process, or hangs, does so with this process.
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
    """A job. alone: whether it runs in a process of its own, because a worker died at it or at a job it was part of."""

    job: J
    alone: bool = False


@dataclass(eq=False)
class _Worker:
    """A running worker.

    mark: in its environment, by which what it started is found. used: whether it has had a job. deadline: of its work,
    by the monotonic clock. late: the reason given when the deadline is over. doing: the last that it reported.
    """

    process: subprocess.Popen[bytes]
    pipe: Connection
    mark: str
    used: bool = False
    deadline: float = float("inf")
    late: str = "it took too long to start"
    doing: Any = None
    task: Any = field(default=None)


class Processes:
    """Runs jobs in ``workers`` processes of one thread each, so that cores are never oversubscribed.

    Processes start at the first job and stay until ``close``, or until this object is gone.

    timeout_s: the limit of an image, for work that reports its steps (``benchmarks.harness.worker.step``).

    Raises:
        UsageError: the limit is not above 0.
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
        """The outcome of a worker's job, or None where the worker has only reported its progress."""
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
    """Let torch compute with one thread, as in workers: times and the last bits of floats depend on it."""
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
    """Yields the answer of a job that ended; puts its worker back, or the parts of a job that killed it into the queue."""
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
    """A worker that has the job: an idle one, or a new one where there is none or the task runs alone."""
    import cloudpickle

    message = cloudpickle.dumps(Call(work, task.job, current_device()))
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
