"""What a piece of work costs beside time: multiplications and parameters by what torch runs, memory by what the process
or device held.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def counted(work: Callable[[], T]) -> tuple[T, int, int]:
    """The work's answer; its multiply-accumulates in convolutions and matrix products; the parameters of the networks
    that ran.

    Parameters are all numbers that a module which ran holds, each counted once, integer weights too; running statistics
    and counters of batch norm are not.
    """
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
    return answer, counter.get_total_flops() // 2, sum(seen.values())


def peak_bytes(work: Callable[[], T]) -> tuple[T, int]:
    """The work's answer, and how far memory rose above where it stood: of the CUDA device where it is in use, else of
    the process.

    In a process that has done such work before, memory it was given then is used again and does not show.
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
    """Bytes of the process now; where the system allows it, its peak is from here on."""
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
