"""What a machine of a Ray cluster does with a job: it runs it in a worker process of its own, as a run on one machine.

    driver --job--> Ray's process on a machine --Processes(1)--> worker process, which may die, hang or answer
           <-Done--

So a job that ends its process costs itself alone, with the limits and the clean-up of ``executors``, and Ray's process
lives on. Where Ray loses that process, it has lost the machine. No module here imports Ray.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.metadata
import os
import pickle
import platform
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.files.content_index import digest_of
from benchmarks.harness.conditions import PROCESSES
from benchmarks.harness.executors import Processes
from benchmarks.harness.guard import why
from benchmarks.harness.plugin_source import OURS
from benchmarks.harness.shared_values import Copied
from benchmarks.harness.surroundings import Surroundings

_DISTRIBUTION = "hsc-bench"
_KEPT_SHARES: set[str] = set()
"""Names of the shared values that this process has written."""
_processes: dict[tuple[str, float], Processes] = {}
"""The one worker of this process, by the accelerators that Ray has given it and the time limit of an image."""


class Order(NamedTuple):
    """A job on its way to a machine. parts, apart: as in ``executors.Executor.run``. timeout_s: the limit of an image.
    processes: by the name that Ray has for a machine, how many jobs it runs at once.
    """

    work: Callable[[Any], Any]
    job: Any
    parts: Callable[[Any, Any], Sequence[Any]] | None
    apart: bool
    timeout_s: float
    surroundings: Surroundings
    processes: dict[str, int]


class Setting(NamedTuple):
    """What is the same for all jobs of a run. folder: the driver's. path: where it imports from. versions: its own."""

    folder: str
    path: tuple[str, ...]
    versions: dict[str, str]

    @classmethod
    def here(cls) -> Setting:
        """That of this process."""
        return cls(os.getcwd(), tuple(sys.path), versions())


class Done(NamedTuple):
    """The end of a job, or of a part of it. part: None for the whole job. died: the reason where its process died."""

    part: Any
    answer: Any
    died: str | None


class Misfit(NamedTuple):
    """The reason that a machine cannot do the jobs of a run."""

    reason: str


def carry_out(order: bytes, setting: Setting, node: str, names: Sequence[str], *values: bytes) -> list[Done] | Misfit:
    """Do a job on this machine. order: a pickled ``Order``. node: of this machine. names, values: what is shared."""
    if reason := _misfit(setting):
        return Misfit(reason)
    for name in _KEPT_SHARES - set(names):
        _forget([name])
    for name, value in zip(names, values, strict=True):
        Copied[Any](name).put(value)
        _KEPT_SHARES.add(name)
    try:
        known: Order = pickle.loads(order)
    except Exception as error:  # a plug-in's module may raise anything when it is imported
        return [Done(None, None, f"the machine cannot read the job: {why(error)}")]
    return _ends(known, known.processes.get(node, 0))


def _ends(order: Order, processes: int) -> list[Done]:
    with order.surroundings.applied():
        os.environ[PROCESSES] = f"{processes}"  # goes again with the surroundings
        results = _worker(order.timeout_s).run(order.work, [order.job], parts=order.parts, apart=order.apart)
        return [
            Done(None if job is order.job else job, answer, f"{died}" if died else None)
            for job, answer, died in results
        ]


def _worker(timeout_s: float) -> Processes:
    key = os.environ.get("CUDA_VISIBLE_DEVICES", ""), timeout_s
    if key not in _processes:
        while _processes:
            _processes.popitem()[1].close()
        _processes[key] = Processes(1, timeout_s)
    return _processes[key]


@functools.cache
def versions() -> dict[str, str]:
    """What decides the numbers of a machine: Python, this project's source, and the packages that it requires."""
    files = {
        f"{package}/{file.relative_to(folder).as_posix()}": file
        for package in OURS
        for folder in (Path(importlib.import_module(package).__path__[0]),)
        for file in sorted(folder.rglob("*.py"))
    }
    found = {"Python": platform.python_version(), "HSC-Bench's source": digest_of(sorted(files.items()))[:12]}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for requirement in importlib.metadata.requires(_DISTRIBUTION) or ():
            name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                found[name] = "not installed"
    return found


def _misfit(setting: Setting) -> str | None:
    """The reason that this machine is not as the driver's; None where it is, and its folder and path are taken on."""
    if os.getcwd() != setting.folder:
        try:
            os.chdir(setting.folder)
        except OSError as error:
            return f"it cannot enter the run's folder {setting.folder} ({error.strerror}); share the file system"
    sys.path.extend(path for path in setting.path if path not in sys.path)
    here = versions()
    other = [
        f"{name} {here.get(name, 'not known')}, expected {version}"
        for name, version in setting.versions.items()
        if here.get(name) != version
    ]
    return f"it has {'; '.join(other[:3])}; install the same on all machines" if other else None


@atexit.register
def _forget_all() -> None:
    _forget(_KEPT_SHARES)


def _forget(names: Iterable[str]) -> None:
    for name in list(names):
        _KEPT_SHARES.discard(name)
        with contextlib.suppress(OSError):
            os.unlink(Copied[Any](name).path)
