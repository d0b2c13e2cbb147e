"""What a task's default run is planned with: heads and codecs are known without their networks."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

MOST_KB = 300_000
"""Of memory for a plan; an import of torch alone takes more."""
_PLANS = """
import sys
from pathlib import Path
from benchmarks.evaluation import configure
from benchmarks.harness.guard import why_unavailable
from benchmarks.harness.plan import cell_of, identified
from downstream.device import torch_version
from hsc.networks.network_holder import HOLDER
config = configure(sys.argv[1])
readers = identified([reader for reader in config.readers if not why_unavailable(reader.head)])
codecs = [curve for curve in config.curves if not why_unavailable(curve.points[0].codec)]
cells = [cell_of(config, [], curve.label, point, readers) for curve in codecs for point in curve.points]
heads = {reader.label for cell in cells for reader in cell.predictions}
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
networks = {"torch", "torchvision", "onnxruntime", "compressai"} & set(sys.modules)
print(HOLDER.loads, len(networks), len(heads), torch_version(), int(status["VmHWM"].split()[0]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize(("task", "heads"), [("detection", 4), ("segmentation", 4)])
def test_a_plan_builds_no_network_and_imports_no_library_of_networks(task: str, heads: int) -> None:
    run = subprocess.run([sys.executable, "-c", _PLANS, task], check=True, capture_output=True, text=True)
    loads, libraries, planned, version, peak_kb = run.stdout.split()
    assert (int(loads), int(libraries), int(planned)) == (0, 0, heads)
    assert version == torch.__version__
    assert int(peak_kb) < MOST_KB
