"""Commands by the module names they had before ``hsc-bench``, such as ``python -m benchmarks.doctor``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence


def redirected(former: str, command: str, main: Callable[[Sequence[str] | None], int]) -> int:
    """Say on standard error what the command is called now, then run it; returns its exit code."""
    sys.stderr.write(f"python -m benchmarks.{former} is now called hsc-bench {command}\n")
    return main(None)
