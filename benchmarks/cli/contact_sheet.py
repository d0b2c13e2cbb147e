"""``hsc-bench contact-sheet``: scenes as several codecs leave them at the same bytes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.api import CODECS, DATASETS, TASKS
from benchmarks.harness.progress import Bar
from benchmarks.reporting.images.contact_sheet import sheet
from downstream.api import HEADS
from hsc.errors import HscError

EXAMPLES = """examples:
  hsc-bench contact-sheet --codec 'hsc(quality=2)' --against vvc --against jpeg --out sheet.jpg
      six scenes of the embedded data set, each rival at the first point that spends at least as many bytes on the image as hsc
  hsc-bench contact-sheet --codec 'bpg(qp=42)' --against webp --images 3 17 --dataset 'images(path="photos")' --out sheet.png
      two photos of yours; --head says who looks at them
  hsc-bench contact-sheet --task segmentation --codec 'hsc(quality=2)' --against vvc --images 2 11 --out maps.jpg
      label maps below each picture in the data set's colours, and below those where they are wrong"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 2 the request cannot be met."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench contact-sheet",
        description="Images, what codecs leave of them at the same bytes, and what a head finds there.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--codec", required=True, metavar="SPEC", help="who sets the bytes")
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
        help="what is looked for: boxes, or label maps with their errors (default: %(default)s)",
    )
    parser.add_argument("--dataset", metavar="SPEC", help="default: the task's")
    parser.add_argument("--head", metavar="SPEC", help="who looks at the pictures (default: the task's first)")
    parser.add_argument(
        "--images",
        type=int,
        nargs="+",
        default=[2, 11, 22, 33, 44, 55],
        metavar="N",
        help="which images (default: six)",
    )
    parser.add_argument(
        "--score", type=float, default=0.3, help="boxes below this are not drawn (default: %(default)s)"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the sheet: .png, .jpg, .webp or .pdf")
    options = parser.parse_args(arguments)
    try:
        codec, against = CODECS.build(options.codec), [CODECS.build(spec) for spec in options.against]
        task = TASKS.build(options.task)
        dataset, head = DATASETS.build(options.dataset or task.dataset), HEADS.build(options.head or task.heads[0])
        sheet(
            dataset, head, codec, against, options.images, options.out, task=task, score=options.score, progress=Bar()
        )
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0
