"""Executors run jobs and give back answers as they come; a cluster engine would be one more of them.

    jobs --> Processes --+--> worker (benchmarks.harness.worker)     one job at a time; dies, hangs or answers
                         +--> worker
                         +--> apart: a worker for jobs that must run where no others have run

Processes start clean, need no ``__main__`` guard in a user's script, and whatever they started ends with them. What
decides a job's result travels with it: its own fields, the current device and the project's environment variables
(``benchmarks.harness.surroundings``), and values that were shared. How many jobs are on their way at once is up to the
executor, which takes the next one when it has room. A job is split into its parts where its worker died or hung, and
each part runs in a process of its own, so that one bad image costs itself alone.
"""

from __future__ import annotations

import collections
import contextlib
import pickle
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from benchmarks.harness.shared_values import Held, Shared, filed
from benchmarks.harness.surroundings import Surroundings
from benchmarks.harness.torch_threads import one_thread
from benchmarks.harness.worker import Call
from benchmarks.harness.worker_process import NEVER, WorkerProcess, end, end_groups
from hsc.errors import UsageError

J = TypeVar("J")
R = TypeVar("R")
T = TypeVar("T")

TIMEOUT_S = 600.0
"""The time that a codec, head or data set may take for an image before its process is ended."""
RETRIES = 3
"""How often a job is tried again whose machine was lost."""
_LONGEST_WAIT_S = 3600.0
"""Waits are cut into pieces of this length, since the system takes no longer ones than 24 days."""
_START_S = 600.0
"""The time for a worker to start and to import the modules that a job needs."""


class WorkerDied(Exception):  # noqa: N818  it is an outcome that the harness records, not an error it raises
    """The process that ran a job ended without an answer, or had to be ended."""


class JobResult(NamedTuple, Generic[J, R]):
    """The end of a job. answer: of its work, None where the process died. died: how it did, None where it did not."""

    job: J
    answer: R | None
    died: WorkerDied | None


class Executor(Protocol):
    """Runs ``work(job)`` for each job, in any order, in the surroundings of the caller.

    Yields the end of each job as it comes. ``work`` itself must not raise.

    workers: how many processes are at work at once, which times depend on. parts: splits a job whose process died into
    jobs that are tried one by one and yielded in its place; it is given the ``doing`` that the process reported last
    (``benchmarks.harness.worker.step``), and gives an empty list where the job cannot be split. then: the jobs that
    follow from a job and its answer, and go before those that have not begun. apart: run in processes where only jobs
    apart have run.
    """

    workers: int

    def run(
        self,
        work: Callable[[J], R],
        jobs: Iterable[J],
        *,
        parts: Callable[[J, Any], Sequence[J]] | None = None,
        then: Callable[[J, R], Sequence[J]] | None = None,
        apart: bool = False,
    ) -> Iterator[JobResult[J, R]]: ...

    def share(self, value: T) -> contextlib.AbstractContextManager[Shared[T]]:
        """A handle on a value for jobs to carry, good for the length of a ``with`` block; the value is sent once."""


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
        then: Callable[[J, R], Sequence[J]] | None = None,
        apart: bool = False,
    ) -> Iterator[JobResult[J, R]]:
        for job in jobs:
            with one_thread():
                answer = work(job)
            yield JobResult(job, answer, None)
            yield from self.run(work, then(job, answer) if then else [], then=then)

    def share(self, value: T) -> contextlib.AbstractContextManager[Shared[T]]:
        """A handle that holds the value itself."""
        return contextlib.nullcontext(Held(value))


@dataclass
class _Task(Generic[J]):
    """A job. alone: whether it runs in a process of its own, because a worker died at it or at a job it was part of."""

    job: J
    alone: bool = False


class _Outcome(NamedTuple):
    """The end of a worker's task: "answer" with it, "raised" with a ``WorkerDied`` in its place, or "died" with one."""

    kind: str
    content: Any


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
        self._idle: list[WorkerProcess] = []
        self._apart: list[WorkerProcess] = []
        weakref.finalize(self, end_groups, self._idle, self._apart)

    def close(self) -> None:
        """End all workers and what they started."""
        end_groups(self._idle, self._apart)

    def run(
        self,
        work: Callable[[J], R],
        jobs: Iterable[J],
        *,
        parts: Callable[[J, Any], Sequence[J]] | None = None,
        then: Callable[[J, R], Sequence[J]] | None = None,
        apart: bool = False,
    ) -> Iterator[JobResult[J, R]]:
        waiting = iter(jobs)
        again: collections.deque[_Task[J]] = collections.deque()

        def settled(worker: WorkerProcess, outcome: _Outcome) -> Iterator[JobResult[J, R]]:
            for result in _settled(worker, outcome, idle, again, parts):
                if then and result.answer is not None:
                    again.extend(_Task(job) for job in then(result.job, result.answer))
                yield result

        idle, most = (self._apart, max(1, self.workers // 2)) if apart else (self._idle, self.workers)
        busy: dict[Connection, WorkerProcess] = {}
        try:
            while True:
                while len(busy) < most and (task := _next(waiting, again)):
                    worker = _sent(idle, task, work, time.monotonic() + _START_S)
                    busy[worker.pipe] = worker
                if not busy:
                    return
                first = min(worker.deadline for worker in busy.values())
                ready = wait(list(busy), min(max(0.0, first - time.monotonic()), _LONGEST_WAIT_S))
                for pipe in ready:
                    worker = busy[pipe]  # type: ignore[index]
                    outcome = self._heard(worker)
                    if outcome is not None:
                        del busy[worker.pipe]
                        yield from settled(worker, outcome)
                for worker in [w for w in busy.values() if time.monotonic() > w.deadline]:
                    del busy[worker.pipe]
                    end([worker])
                    overdue = _Outcome("died", WorkerDied(f"{worker.late}, and its process was ended"))
                    yield from settled(worker, overdue)
        finally:
            end(list(busy.values()))

    def share(self, value: T) -> contextlib.AbstractContextManager[Shared[T]]:
        """A handle on the value in a temporary file."""
        return filed(value)

    def _heard(self, worker: WorkerProcess) -> _Outcome | None:
        """The outcome of a worker's task, or None where the worker has only reported its progress."""
        try:
            kind, content = pickle.loads(worker.pipe.recv_bytes())
        except (EOFError, OSError):
            return _Outcome("died", WorkerDied(f"the worker process died: {worker.end_of_life()}"))
        if kind == "ready":
            worker.deadline = NEVER
        elif kind == "step":
            images, worker.doing = content
            worker.deadline = time.monotonic() + self.timeout_s * images
            worker.late = f"it took over {self.timeout_s:g} s an image, the limit (--timeout-s)"
        else:
            return _Outcome(kind, content if kind == "answer" else WorkerDied(content))
        return None


def _next(waiting: Iterator[J], again: collections.deque[_Task[J]]) -> _Task[J] | None:
    if again:
        return again.popleft()
    for job in waiting:
        return _Task(job)
    return None


def _settled(
    worker: WorkerProcess,
    outcome: _Outcome,
    idle: list[WorkerProcess],
    again: collections.deque[_Task[J]],
    parts: Callable[[J, Any], Sequence[J]] | None,
) -> Iterator[JobResult[J, Any]]:
    """Yields the end of a worker's job, and puts the worker back; a job that killed it goes into the queue in parts."""
    task: _Task[J] = worker.task
    doing = worker.doing
    worker.release()
    if outcome.kind != "died":
        if task.alone:
            end([worker])
        else:
            idle.append(worker)
        answered = outcome.kind == "answer"
        yield JobResult(task.job, outcome.content, None) if answered else JobResult(task.job, None, outcome.content)
    else:
        split = parts(task.job, doing) if parts else []
        if task.alone and not split:
            yield JobResult(task.job, None, outcome.content)
        else:
            again.extend(_Task(part, alone=True) for part in split or [task.job])


def _sent(idle: list[WorkerProcess], task: _Task[J], work: Callable[[J], Any], deadline: float) -> WorkerProcess:
    """A worker that has the job: an idle one, or a new one where none is idle or the task runs alone."""
    import cloudpickle

    message = cloudpickle.dumps(Call(work, task.job, Surroundings.here()))
    while True:
        worker = idle.pop() if idle and not task.alone else WorkerProcess.start()
        try:
            worker.pipe.send_bytes(message)
        except OSError:  # it died while it had nothing to do
            end([worker])
            if worker.used:
                continue
            raise
        worker.take(task, deadline)
        return worker
