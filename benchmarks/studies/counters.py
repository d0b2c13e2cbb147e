"""Counters of a computation: multiplications and parameters of torch modules, peak memory of the process or device."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


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

    The memory is that of the CUDA device if one is in use, else that of the process. A process that has done such work
    before reuses memory it already holds, which does not count.
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
    answer = work()
    return answer, max(0, _peak() - before)


def _forget_peak() -> int:
    """The process's memory now in bytes; where the system allows it, its recorded peak starts again from here."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return _peak()
    return _field("VmRSS")


def _peak() -> int:
    return _field("VmHWM") if _STATUS.exists() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _field(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
