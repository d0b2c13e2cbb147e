"""``hsc-bench complexity``: time, multiplications, parameters and memory from bytes to predictions, stage by stage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.api import CODECS, TASKS
from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.options import add_device, dataset_of
from downstream.api import HEADS
from hsc.devices import check_device, use_device
from hsc.files.atomic_files import write_text

EXAMPLES = """
  hsc-bench complexity --codec 'hsc(quality=3)' --head small --head latent_detector
  hsc-bench complexity --codec vvc --codec jpeg --codec hsc --encode-only
      the sender's side alone, of codecs of any kind
  hsc-bench complexity --task segmentation --codec hsc --head segmenter --head latent_segmenter --batch 1 --threads 2

MACs are those of convolutions and matrix products that torch runs. Memory is what one pass adds at its peak, of the
process (CPU), with all of an external program, or of the device (CUDA). Energy is read from counters: RAPL of the
processor packages (CPU), NVML of the device (CUDA, with pip install nvidia-ml-py), idle power included. Where there is
no counter that may be read, the table says n/a and why. The images are the first of the data set."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "complexity",
        "Measure time, multiplications (MACs), parameters, memory and energy of each stage from images to bytes, and "
        "from bytes to predictions, for heads in the pixel domain and in the compressed domain.",
        EXAMPLES,
    )
    parser.add_argument("--task", default="detection", help="task that sets data set and heads (default: %(default)s)")
    parser.add_argument(
        "--codec",
        metavar="SPEC",
        action="append",
        help="a codec at one operating point; may be repeated (default: hsc)",
    )
    parser.add_argument(
        "--head",
        metavar="SPEC",
        action="append",
        help="a head on images or on latents; may be repeated (default: the task's)",
    )
    parser.add_argument("--encode-only", action="store_true", help="measure encoding alone, with no head")
    parser.add_argument("--dataset", metavar="SPEC", help="data set of the images (default: the task's)")
    parser.add_argument(
        "--batch", type=int, action="append", help="images per pass; may be repeated (default: 1 and 8)"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=int, default=9, help="passes, of which the median time is taken (default: %(default)s)"
    )
    add_device(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/runs/cost"),
        help="folder for cost.csv and cost.md (default: %(default)s)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _measure, argv)


def _measure(options: argparse.Namespace) -> int:
    import pandas as pd

    from benchmarks.harness.given_names import taken_names
    from benchmarks.harness.operating_points import curve_label
    from benchmarks.runs.csv_cells import write_csv
    from benchmarks.runs.display_names import display_names
    from benchmarks.studies import complexity
    from benchmarks.studies.costs import table
    from hsc.errors import UsageError

    if options.encode_only and options.head:
        raise UsageError("--encode-only came with a --head; leave one of both out")

    check_device(options.device)
    task = TASKS.build(options.task)
    codec_specs = taken_names(CODECS, options.codec or ["hsc"], lambda spec: [curve_label(CODECS.build(spec))])
    wanted = [] if options.encode_only else options.head or task.heads
    head_specs = taken_names(HEADS, wanted, lambda spec: [str(HEADS.parse(spec))])
    codecs = [CODECS.build(spec) for spec in codec_specs.specs]
    heads = [(str(HEADS.parse(spec)), HEADS.build(spec)) for spec in head_specs.specs]
    dataset = dataset_of(options.dataset or task.dataset)
    with use_device(options.device):
        costs = complexity.run(
            codecs, heads, dataset, batches=options.batch or [1, 8], threads=options.threads, repeats=options.repeats
        )
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "cost.csv", pd.DataFrame([vars(cost) for cost in costs]))
    labels = [label for cost in costs for label in (cost.codec, cost.head)]
    names = display_names(labels, {**codec_specs.names, **head_specs.names})
    shown = table([replace(cost, codec=names[cost.codec], head=names.get(cost.head, "")) for cost in costs])
    write_text(options.out / "cost.md", shown)
    sys.stdout.write(shown)
    return DONE
