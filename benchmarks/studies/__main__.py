"""Prints what the harness costs at the size of COCO and beyond, as Markdown tables: CPU seconds, memory, and what a run
spends that a bare loop does not.

python -m benchmarks.studies                   all figures
python -m benchmarks.studies scoring 1000      one of them, at another number of pictures
python -m benchmarks.studies loop jpeg webp    ratios to a bare loop, and to CompressAI's bench
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.studies import overhead
from benchmarks.studies.scale import FIGURES, measured

PICTURES = {"scoring": 5_000, "label_maps": 5_000, "driver": 100_000, "worker": 100_000}
PICTURES_A_ROUND = 16
LOADS = "loads"
OTHERS = {
    "loop": "one head and JPEG at six qualities, against a bare loop",
    "jpeg": "JPEG at six qualities with PSNR, against CompressAI's bench",
    "webp": "WebP at six qualities with PSNR, against CompressAI's bench",
}


def main(arguments: Sequence[str]) -> int:
    """Print the figures named, or all. A number among the names is that of the pictures."""
    stated = next((int(argument) for argument in arguments if argument.isdecimal()), 0)
    known = [*FIGURES, *overhead.RATIOS, LOADS]
    names = [argument for argument in arguments if not argument.isdecimal()] or known
    if unknown := [name for name in names if name not in known]:
        sys.stderr.write(f"error: the figure {unknown[0]!r} is not known; expected {', '.join(known)}\n")
        return 2
    if figures := [name for name in names if name in FIGURES]:
        _begin("figure", "pictures", "CPU s", "peak MiB", "before the work MiB")
    for name in figures:
        figure = measured(name, stated or PICTURES[name])
        sizes = f"{figure.peak_mib:.0f}", f"{figure.start_mib:.0f}"
        _write(figure.name, f"{figure.pictures:,}", f"{figure.cpu_s:.2f}", *sizes)
    if ratios := [name for name in names if name in overhead.RATIOS]:
        _begin("a run of", "pictures a round", "CPU s", "CPU s of the other", "ratio")
    for name in ratios:
        with tempfile.TemporaryDirectory(prefix="hsc-scale-") as folder:
            ratio = overhead.taken(name, stated or PICTURES_A_ROUND, Path(folder))
        _write(OTHERS[name], f"{ratio.pictures}", f"{ratio.run_s:.2f}", f"{ratio.other_s:.2f}", f"{ratio.ratio:.2f}")
    if LOADS in names:
        _begin("heads of one kind", "jobs", "networks loaded")
        with tempfile.TemporaryDirectory(prefix="hsc-scale-") as folder:
            _write(f"{len(overhead.THREE_HEADS)}", f"{overhead.JOBS}", f"{overhead.loads(Path(folder))}")
    return 0


def _begin(*titles: str) -> None:
    """The head of a table."""
    _write(*titles)
    sys.stdout.write(f"{'|---' * len(titles)}|\n")


def _write(*cells: str) -> None:
    """A row of a table."""
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
