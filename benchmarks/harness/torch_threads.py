"""The threads that torch computes with in this process; torch is not imported for it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that torch reads when it is imported."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, as in workers: times and the last bits of floats depend on it.

    Torch that is imported inside the block has one thread from its import on, and after the block as many as the
    environment says, or one a core.
    """
    if torch := sys.modules.get("torch"):
        before = torch.get_num_threads()
        torch.set_num_threads(1)
    else:
        kept = {name: os.environ.get(name) for name in _VARIABLES}
        before = _number(kept)
        os.environ.update(dict.fromkeys(_VARIABLES, "1"))
    try:
        yield
    finally:
        if not torch:
            _restore(kept)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(before)


def _number(variables: Mapping[str, str | None]) -> int:
    stated = variables["OMP_NUM_THREADS"] or ""
    return int(stated) if stated.isdecimal() and int(stated) else len(os.sched_getaffinity(0))


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
