"""Counters of a computation: multiplications and parameters of torch modules, peak memory of the process or device."""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_WATCHED_EVERY_S = 0.005


class Counted(NamedTuple, Generic[T]):
    """A computation's answer and its counts.

    macs: multiply-accumulates in convolutions and matrix products. parameters: all numbers held by a module that ran,
    each counted once, including integer weights; batch norm's running statistics and counters are left out.
    """

    answer: T
    macs: int
    parameters: int


def counted(work: Callable[[], T]) -> Counted[T]:
    """Run ``work`` without gradients and count its multiply-accumulates and the parameters of the modules that ran."""
    import torch
    from torch.nn.modules.module import register_module_forward_pre_hook
    from torch.utils.flop_counter import FlopCounterMode

    seen: dict[int, int] = {}

    def note(module: Any, _: Any) -> None:
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                seen[tensor.data_ptr()] = tensor.numel()

    handle = register_module_forward_pre_hook(note)
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            answer = work()
    finally:
        handle.remove()
    return Counted(answer, counter.get_total_flops() // 2, sum(seen.values()))


def peak_bytes(work: Callable[[], T]) -> tuple[T, int]:
    """Run ``work`` and return its answer and the peak of memory above the level before, in bytes.

    The memory is that of the CUDA device if one is in use, else that of the process, with the most that programs took
    which ``work`` has started. A process that has done such work before reuses memory it already holds, which does not
    count.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        answer = work()
        torch.cuda.synchronize()
        return answer, int(torch.cuda.max_memory_allocated() - before)
    before = _forget_peak()
    with _Programs() as programs:
        answer = work()
    return answer, max(0, _peak() - before) + programs.peak_bytes


def _forget_peak() -> int:
    """The process's memory now in bytes; where the system allows it, its recorded peak starts again from here."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return _peak()
    return resident_bytes("VmRSS")


class _Programs:
    """Watches the memory of all programs below this process, from the beginning of a ``with`` block to its end.

    What the system says of ended children cannot be used: it counts a child's memory from before it became another
    program, which is that of its parent. So the peaks of living ones are read every few milliseconds.

    peak_bytes: the most that was seen at a time, each program with its own peak until then; 0 where there was none.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Programs:
        if _STATUS.exists():
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        own = Path("/proc/self/cmdline").read_bytes()
        while not self._end.wait(_WATCHED_EVERY_S):
            programs = [pid for pid in _below(os.getpid()) if _read(f"/proc/{pid}/cmdline") not in (b"", own)]
            peaks = [_size_in(_read(f"/proc/{pid}/status"), "VmHWM") for pid in programs]
            self.peak_bytes = max(self.peak_bytes, sum(peaks))


def _below(pid: int) -> Iterator[int]:
    """The living descendants of a process."""
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in map(int, _read(f"{task}/children").split()):
            yield child
            yield from _below(child)


def _read(path: str) -> bytes:
    """A file of the system; empty where the process is gone."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _peak() -> int:
    return resident_bytes("VmHWM") if _STATUS.exists() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident_bytes(field: str) -> int:
    """The resident size of this process, now ("VmRSS") or at its largest ("VmHWM"), as Linux counts it."""
    return _size_in(_STATUS.read_bytes(), field)


def _size_in(status: bytes, field: str) -> int:
    """A size in bytes from the status of a process; 0 where it is gone or has ended."""
    sizes = [line for line in status.splitlines() if line.startswith(field.encode())]
    return int(sizes[0].split()[1]) * 1024 if sizes else 0
