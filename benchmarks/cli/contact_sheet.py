"""``hsc-bench contact-sheet``: images as several codecs decode them at equal bytes, with what a head predicts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.api import CODECS, DATASETS, TASKS
from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.harness.given_names import taken_names
from benchmarks.harness.operating_points import curve_label
from benchmarks.harness.progress import Bar
from benchmarks.text import one_line
from downstream.api import HEADS

EXAMPLES = """
  hsc-bench contact-sheet --codec 'hsc(quality=2)' --against vvc --against jpeg --out sheet.jpg
      six images of the task's data set; each rival at its first operating point that spends at least as many bytes on
      the image as hsc
  hsc-bench contact-sheet --codec 'bpg(qp=42)' --against webp --images 3 17 --dataset 'images(path="photos")' \\
      --out sheet.png
      two photos of your own; --head names the head whose predictions are drawn
  hsc-bench contact-sheet --task segmentation --codec 'hsc(quality=2)' --against vvc --images 2 11 --out maps.jpg
      below each image its label map in the data set's colours, and below that the errors
  hsc-bench contact-sheet --codec 'hsc(quality=2, name=Ours)' --against 'vvc(name=VVC)' --out sheet.jpg
      under names of your own"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "contact-sheet",
        "Draw images as several codecs decode them at equal bytes, with the predictions of a head.",
        EXAMPLES,
    )
    parser.add_argument("--codec", required=True, metavar="SPEC", help="codec that sets the byte budget of each image")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="SPEC",
        help="a rival, given at least as many bytes; may be repeated",
    )
    parser.add_argument(
        "--task",
        default="detection",
        help="what is drawn: boxes, or label maps with their errors (default: %(default)s)",
    )
    parser.add_argument("--dataset", metavar="SPEC", help="data set of the images (default: the task's)")
    parser.add_argument(
        "--head", metavar="SPEC", help="head whose predictions are drawn (default: the first of the task)"
    )
    parser.add_argument(
        "--images",
        type=int,
        nargs="+",
        default=[2, 11, 22, 33, 44, 55],
        metavar="N",
        help="indices of the images in the data set (default: six)",
    )
    parser.add_argument(
        "--score", type=float, default=0.3, help="boxes of a lower score are not drawn (default: %(default)s)"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the sheet: .png, .jpg, .webp or .pdf")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _draw, argv)


def _draw(options: argparse.Namespace) -> int:
    from benchmarks.reporting.images.contact_sheet import sheet

    named = taken_names(CODECS, [options.codec, *options.against], lambda spec: [curve_label(CODECS.build(spec))])
    codec, *against = [CODECS.build(spec) for spec in named.specs]
    task = TASKS.build(options.task)
    (head,) = taken_names(HEADS, [options.head or task.heads[0]], lambda spec: [spec]).specs
    alike = sheet(
        DATASETS.build(options.dataset or task.dataset),
        HEADS.build(head),
        codec,
        against,
        options.images,
        options.out,
        task=task,
        score=options.score,
        names=named.names,
        progress=Bar(),
    )
    for column in alike:
        sys.stderr.write(f"left out: {one_line(column)}, which shows about the same picture of every image\n")
    return DONE
