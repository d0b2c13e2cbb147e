"""Times: taken after a warm-up, with the device drained, as the median of repeats, on a monotonic clock."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def drain_device() -> None:
    """Wait for queued GPU work if torch is in use and has a GPU; otherwise do nothing."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def timed(work: Callable[[], T], repeats: int = 1) -> tuple[T, float]:
    """Run ``work`` ``repeats`` times; its last answer and the median wall time of a run, in seconds."""
    seconds = []
    for _ in range(repeats):
        drain_device()
        start = time.perf_counter()
        answer = work()
        drain_device()
        seconds.append(time.perf_counter() - start)
    return answer, statistics.median(seconds)
