"""``hsc-bench relighting``: edited scenes compared with the same scenes rendered in that lighting."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.api import CODECS
from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.options import dataset_of
from benchmarks.harness.operating_points import point_label
from benchmarks.harness.progress import Bar
from benchmarks.reporting.images.relighting import draw
from benchmarks.studies.relighting import measure
from hsc.errors import UsageError
from hsc.files.atomic_files import write_text

EXAMPLES = """
  hsc-bench relighting
      64 scenes of roadscenes val, each in the lighting of another one: how close does an edited stream come?
  hsc-bench relighting --codec 'hsc(quality=2)' --images 16 --out light.md --picture light.jpg --shown 0 5 9 21"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "relighting",
        "Edit the lighting of encoded scenes by their semantics alone, and compare them with the scenes rendered in "
        "that lighting.",
        EXAMPLES,
    )
    parser.add_argument(
        "--dataset",
        metavar="SPEC",
        default="roadscenes",
        help="a data set that renders its scenes in another lighting (default: %(default)s)",
    )
    parser.add_argument(
        "--codec",
        metavar="SPEC",
        default="hsc(quality=4)",
        help="a codec that edits its streams (default: %(default)s)",
    )
    parser.add_argument("--images", metavar="N", type=int, default=64, help="number of scenes (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the table to this file too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw some scenes: .jpg, .png, .webp or .pdf")
    parser.add_argument(
        "--shown", type=int, nargs="+", default=[0, 1, 2, 3], metavar="N", help="scenes to draw (default: 0 1 2 3)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _compare, argv)


def _compare(options: argparse.Namespace) -> int:
    for path in (options.out, options.picture):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}; make it first")
    if options.picture and not all(0 <= number < options.images for number in options.shown):
        raise UsageError(f"--shown came as {options.shown}, expected scenes from 0 to {options.images - 1}")
    dataset, codec = dataset_of(options.dataset), CODECS.build(options.codec)
    table, scenes = measure(dataset, codec, options.images, Bar())
    sys.stdout.write(table)
    if options.out:
        write_text(options.out, table)
    if options.picture:
        draw(scenes, options.shown, point_label(codec), options.picture)
    return DONE
