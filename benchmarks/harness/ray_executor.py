"""Ray as an executor: jobs run on the machines of a Ray cluster, and this process alone writes the store.

    jobs --> RayExecutor --+--> machine (benchmarks.harness.ray_node) --> worker process
                           +--> machine, lost --> its jobs again, on other machines

Where heads read apart, jobs on the run's device hold GPUs and no processor, and all others a processor and no GPU; they
run side by side, and each machine may do both.

A machine that is lost and a job that ends its process are two things. The first brings no answer, and the job is tried
again, ``retries`` times. The second is told by the machine, as an executor of one machine tells it.

Ray is imported when an executor is made. Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications",
OSDI 2018.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from benchmarks.harness.executors import RETRIES, TIMEOUT_S, JobResult, WorkerDied
from benchmarks.harness.ray_node import Misfit, Order, Setting, carry_out
from benchmarks.harness.shared_values import Copied, Shared
from benchmarks.harness.surroundings import Surroundings
from benchmarks.text import one_line
from hsc.errors import UnavailableError, UsageError

J = TypeVar("J")
R = TypeVar("R")
T = TypeVar("T")

_QUEUED = 2
"""Jobs on their way for each processor, so that no machine waits for its next one."""
_LOOK_S = 5.0
"""How often the machines of the cluster are counted."""


@dataclass
class _Task(Generic[J]):
    """A job. lost: how often the machine that had it was lost."""

    job: J
    lost: int = 0


class RayExecutor:
    """Runs jobs on a Ray cluster, one a processor (CPU of Ray).

    workers: jobs on their way at once, 0 for all processors of the cluster, also those that join later. timeout_s: as
    in ``executors.Processes``. address: of the cluster; None for the one that Ray finds (``RAY_ADDRESS``, or the one
    started on this machine), else Ray starts one on this machine. retries: how often a job is tried again whose machine
    was lost. gpus: that Ray sets aside for a job, which may be a part of one. gpus_to_read: that it sets aside for jobs
    on the run's device alone, where heads read apart from the coding; None where they do not.

    Raises:
        UnavailableError: Ray is not installed, or there is no cluster at the address.
        UsageError: a number is out of range, or GPUs came for both kinds of jobs.
    """

    many_machines = True

    def __init__(
        self,
        workers: int = 0,
        timeout_s: float = TIMEOUT_S,
        *,
        address: str | None = None,
        retries: int = RETRIES,
        gpus: float = 0.0,
        gpus_to_read: float | None = None,
    ) -> None:
        if workers < 0 or retries < 0 or gpus < 0 or not timeout_s > 0:
            raise UsageError(
                f"workers came as {workers}, retries as {retries}, GPUs a job as {gpus:g} and the time limit as "
                f"{timeout_s:g} s; expected at least 0, 0 and 0, and a limit above 0"
            )
        if gpus_to_read is not None and (gpus or gpus_to_read <= 0):
            raise UsageError(
                f"GPUs of jobs that read came as {gpus_to_read:g}, and those of every job as {gpus:g}; expected more "
                f"than 0, and 0"
            )
        self.timeout_s, self.retries, self._gpus_to_read = timeout_s, retries, gpus_to_read
        self._most, self._shared = workers, dict[str, Any]()
        self._ray, self._own = _connected(address)
        self._setting = self._ray.put(Setting.here())
        on_node, options = self._ray.remote(_on_node), {"max_retries": 0, "scheduling_strategy": "SPREAD"}
        self._coder = self._reader = on_node.options(num_cpus=1, num_gpus=gpus, **options)
        if gpus_to_read is not None:
            self._reader = on_node.options(num_cpus=0, num_gpus=gpus_to_read, **options)
        self._machines, self._at_host, self._counted = dict[str, int](), collections.Counter[str](), -_LOOK_S

    @property
    def reads_apart(self) -> bool:
        """Whether heads read in other processes than those that code."""
        return self._gpus_to_read is not None

    @property
    def workers(self) -> int:
        """How many jobs are at work at once: as many as the cluster has room for, where no number was asked for."""
        self._look()
        return self._most or max(1, self._at_host.total())

    def close(self) -> None:
        """Leave the cluster, where this object has joined it; a cluster that it started ends."""
        if self._own:
            self._ray.shutdown()

    def run(
        self,
        work: Callable[[J], R],
        jobs: Iterable[J],
        *,
        parts: Callable[[J, Any], Sequence[J]] | None = None,
        then: Callable[[J, R], Sequence[J]] | None = None,
        apart: bool = False,
    ) -> Iterator[JobResult[J, R]]:
        waiting = (_Task(job) for job in jobs)
        again: collections.deque[_Task[J]] = collections.deque()
        sent: dict[Any, _Task[J]] = {}
        try:
            while True:
                while len(sent) < (self._most or _QUEUED * self.workers):
                    task = again.popleft() if again else next(waiting, None)
                    if task is None:
                        break
                    sent[self._send(task, work, parts, apart)] = task
                if not sent:
                    return
                ready, _ = self._ray.wait(list(sent), num_returns=1, timeout=_LOOK_S)
                for reference in ready:
                    for result in self._settled(reference, sent.pop(reference), again, parts):
                        if then and result.answer is not None:
                            again.extend(_Task(job) for job in then(result.job, result.answer))
                        yield result
        finally:
            for reference in sent:
                self._ray.cancel(reference)

    @contextlib.contextmanager
    def share(self, value: T) -> Iterator[Shared[T]]:
        """A handle on the value, which Ray brings to each machine once."""
        import cloudpickle

        handle = Copied[T](f"hsc-shared-{uuid.uuid4().hex}")
        self._shared[handle.name] = self._ray.put(cloudpickle.dumps(value))
        try:
            yield handle
        finally:
            del self._shared[handle.name]
            with contextlib.suppress(OSError):
                os.unlink(handle.path)  # where a machine of the cluster is this one

    def _send(self, task: _Task[J], work: Callable[[J], Any], parts: Any, apart: bool) -> Any:
        import cloudpickle

        self._look()
        node, surroundings = self._reader, Surroundings.here()
        if self.reads_apart and not getattr(task.job, "on_device", True):
            node, surroundings = self._coder, replace(surroundings, device="cpu")
        order = Order(work, task.job, parts, apart, self.timeout_s, surroundings, self._machines)
        values = self._shared.values()
        return node.remote(cloudpickle.dumps(order), self._setting, list(self._shared), *values)

    def _settled(
        self,
        reference: Any,
        task: _Task[J],
        again: collections.deque[_Task[J]],
        parts: Callable[[J, Any], Sequence[J]] | None,
    ) -> Iterator[JobResult[J, Any]]:
        """Yields the ends of a job; one whose machine was lost goes into the queue once more.

        Raises:
            UnavailableError: a machine cannot do the jobs of this run.
        """
        errors = self._ray.exceptions
        try:
            outcome = self._ray.get(reference)
        except errors.RayTaskError as error:
            outcome = Misfit(one_line(getattr(error, "cause", error)))
        except errors.RayError as error:
            yield from self._lost(task, again, parts, one_line(f"{error}".strip().partition("\n")[0]))
            return
        if isinstance(outcome, Misfit):
            raise UnavailableError(f"a machine of the Ray cluster cannot take jobs: {outcome.reason}")
        for part, answer, died in outcome:
            job = task.job if part is None else part
            yield JobResult(job, answer, WorkerDied(died) if died else None)

    def _lost(
        self,
        task: _Task[J],
        again: collections.deque[_Task[J]],
        parts: Callable[[J, Any], Sequence[J]] | None,
        reason: str,
    ) -> Iterator[JobResult[J, Any]]:
        task.lost += 1
        if task.lost <= self.retries:
            again.append(task)
        elif split := parts(task.job, None) if parts else []:  # one of its images may be what takes machines down
            again.extend(_Task(part) for part in split)
        else:
            died = WorkerDied(f"the machine, or Ray's process on it, was lost {task.lost} times: {reason}")
            yield JobResult(task.job, None, died)

    def _look(self) -> None:
        """Count the jobs that each machine does at once, every few seconds."""
        if time.monotonic() - self._counted >= _LOOK_S:
            nodes = [node for node in self._ray.nodes() if node["Alive"]]
            at_host = collections.Counter[str]()  # several nodes of Ray may be on one machine
            for node in nodes:
                at_host[node["NodeManagerHostname"]] += int(node["Resources"].get("CPU", 0))
                if self._gpus_to_read is not None:
                    at_host[node["NodeManagerHostname"]] += int(node["Resources"].get("GPU", 0) / self._gpus_to_read)
            self._at_host, self._counted = at_host, time.monotonic()
            self._machines = {node["NodeID"]: at_host[node["NodeManagerHostname"]] for node in nodes}


def _on_node(order: bytes, setting: Setting, names: Sequence[str], *values: bytes) -> Any:
    """``carry_out`` on the machine that Ray has chosen."""
    import ray

    return carry_out(order, setting, ray.get_runtime_context().get_node_id(), names, *values)


def _connected(address: str | None) -> tuple[Any, bool]:
    """Ray, and whether this call has joined its cluster. Raises UnavailableError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UnavailableError(
            "the executor ray needs the package ray, which is not installed; pip install 'hsc-bench[ray]'"
        ) from error
    if ray.is_initialized():
        return ray, False
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UnavailableError(
            f"there is no Ray cluster at {address or 'the address that Ray knows'}: {one_line(error)}; start one with "
            f"ray start --head, or leave --ray-address out"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_terminate)  # Ray takes it for itself
    return ray, True
