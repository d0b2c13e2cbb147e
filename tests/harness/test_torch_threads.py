"""The threads that torch has inside and after a block, whether it was imported before or in it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.harness.executors import Inline
from benchmarks.harness.torch_threads import one_thread

_IMPORTED_INSIDE = """
import os, sys
from benchmarks.harness.torch_threads import one_thread
with one_thread():
    assert "torch" not in sys.modules
    import torch
    inside = torch.get_num_threads()
print(inside, torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"))
"""


@pytest.mark.parametrize(("stated", "after"), [("3", "3 3"), (None, f"{len(os.sched_getaffinity(0))} None")])
def test_torch_that_is_imported_inside_has_one_thread_there(stated: str | None, after: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)} | ({"OMP_NUM_THREADS": stated} if stated else {})
    line = [sys.executable, "-c", _IMPORTED_INSIDE]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"1 {after}"


def test_work_in_this_process_has_one_thread_as_in_workers(kept_threads: None) -> None:
    import torch

    torch.set_num_threads(2)
    ((_, seen, _),) = Inline().run(lambda job: torch.get_num_threads(), [0])
    assert (seen, torch.get_num_threads()) == (1, 2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
