"""``hsc-bench complexity``: what a route costs from bytes to answers, stage by stage."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.api import CODECS, DATASETS, TASKS
from benchmarks.runs.csv_cells import write_csv
from benchmarks.studies.complexity import run, table
from downstream.api import HEADS
from hsc.devices import check_device
from hsc.errors import HscError

_EXAMPLES = """examples:
  hsc-bench complexity --codec 'hsc(quality=3)' --head small --head 'latent_detector(weights="latent_detector_both.safetensors")'
  hsc-bench complexity --task segmentation --codec hsc --head segmenter --head latent_segmenter --batch 1 --threads 2 --out results/cost

MACs are of convolutions and matrix products that torch runs; memory is what one pass adds at its peak, by process (CPU) or by device (CUDA).
Images are the first of the data set; their bytes are made before anything is measured."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="hsc-bench complexity",
        description="Time, multiplications, parameters and memory of every route, stage by stage, from bytes to answers.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--task", default="detection", help="whose data set and heads are the defaults (%(default)s)")
    made.add_argument(
        "--codec", metavar="SPEC", action="append", help="a codec at one point; may be repeated (default: hsc)"
    )
    made.add_argument(
        "--head",
        metavar="SPEC",
        action="append",
        help="a head on images or latents; may be repeated (default: the task's)",
    )
    made.add_argument("--dataset", metavar="SPEC", help="whose first images are coded (default: the task's)")
    made.add_argument("--batch", type=int, action="append", help="images a pass; may be repeated (default: 1 and 8)")
    made.add_argument("--threads", type=int, default=2, help="of torch (%(default)s)")
    made.add_argument("--repeats", type=int, default=9, help="of which the median is taken (%(default)s)")
    made.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (%(default)s)")
    made.add_argument(
        "--out", type=Path, default=Path("results/runs/cost"), help="folder of cost.csv and cost.md (%(default)s)"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    chosen = parser().parse_args(arguments)
    try:
        check_device(chosen.device)
        os.environ["HSC_DEVICE"] = chosen.device
        task = TASKS.build(chosen.task)
        codecs = [CODECS.build(spec) for spec in chosen.codec or ["hsc"]]
        heads = [(str(HEADS.parse(spec)), HEADS.build(spec)) for spec in chosen.head or task.heads]
        dataset = DATASETS.build(chosen.dataset or task.dataset)
        costs = run(
            codecs, heads, dataset, batches=chosen.batch or [1, 8], threads=chosen.threads, repeats=chosen.repeats
        )
        chosen.out.mkdir(parents=True, exist_ok=True)
        write_csv(chosen.out / "cost.csv", pd.DataFrame([vars(cost) for cost in costs]))
        (chosen.out / "cost.md").write_text(table(costs), "utf-8")
        sys.stdout.write(table(costs))
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0
