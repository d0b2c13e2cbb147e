"""Where work runs. An executor takes jobs and gives back answers as they come; a cluster engine would be one more.

Processes are loky's, which start clean, need no ``__main__`` guard in a user's script, and notice a worker's death.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol, TypeVar

J = TypeVar("J")
R = TypeVar("R")

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class WorkerDied(Exception):  # noqa: N818  it is an outcome that the harness records, not an error it raises
    """The process that ran a job ended without an answer."""


class Executor(Protocol):
    """Runs ``work(job)`` for each job, in any order.

    Yields (job, answer, None), or (job, None, why) where the process that ran it died. ``work`` itself must not raise. workers: how many
    processes are at work at once, which times depend on.
    """

    workers: int

    def run(self, work: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | None, WorkerDied | None]]: ...


class Inline:
    """Everything in this process, one after another, with one thread as in workers: for debugging and for small things."""

    workers = 1

    def run(self, work: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | None, WorkerDied | None]]:
        for job in jobs:
            with one_thread():
                answer = work(job)
            yield job, answer, None


class Processes:
    """``workers`` processes of one thread each, so cores are shared out by process and never oversubscribed."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, work: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | None, WorkerDied | None]]:
        from loky.process_executor import BrokenProcessPool

        waiting = iter(jobs)
        suspects: list[J] = []
        while True:
            pool = _pool(self.workers)
            running: dict[Future[R], J] = {}
            broken = False
            try:
                while not broken and (_fill(pool, work, waiting, running, 2 * self.workers) or running):
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        try:
                            answer = future.result()
                        except BrokenProcessPool:
                            broken = True
                            break
                        yield running.pop(future), answer, None
                suspects += running.values()
            finally:
                pool.shutdown(wait=True, kill_workers=True)
            for job in suspects:
                yield _alone(work, job)
            suspects.clear()
            if not broken:
                return


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


def _fill(pool: Any, work: Callable[[J], R], waiting: Iterator[J], running: dict[Future[R], J], most: int) -> bool:
    """Keep a short queue, so that jobs are made (and their bytes read) only shortly before they run."""
    while len(running) < most:
        try:
            job = next(waiting)
        except StopIteration:
            return False
        running[pool.submit(work, job)] = job
    return True


def _alone(work: Callable[[J], R], job: J) -> tuple[J, R | None, WorkerDied | None]:
    """One job in a process of its own, to tell the one that kills its worker from those that were near it."""
    from loky.process_executor import BrokenProcessPool

    pool = _pool(1)
    try:
        return job, pool.submit(work, job).result(), None
    except BrokenProcessPool as error:
        return job, None, WorkerDied(f"the worker process died: {str(error).splitlines()[0]}")
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _pool(workers: int) -> Any:
    from loky import ProcessPoolExecutor

    return ProcessPoolExecutor(max_workers=workers, env=ONE_THREAD, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """A worker whose parent was killed must not live on: it would wait for work for ever."""
    parent = os.getppid()

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()
