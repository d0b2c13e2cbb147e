"""``hsc-bench export-shards``: a data set's images and labels as training shards."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.options import dataset_of
from benchmarks.training_data.export import export

EXAMPLES = """
  hsc-bench export-shards "roadscenes(split=train)" --first 0 --count 3000 --out shards/a
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --out shards/b
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --relit --out shards/codec
  hsc-bench export-shards "camvid(split=train)" --leave-out 0006R0 --out shards/camvid
  hsc-bench export-shards "camvid(split=train)" --keep 0006R0 --out shards/camvid-holdout
  hsc-bench export-shards "images(path=photos)" --hold-out 300 --shard 1500 --out shards/photos

Shards that are in the folder already are kept, so the same command continues a stopped one."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "export-shards",
        "Write images with boxes and label maps (rendered data sets), with label maps alone, or alone (a folder of "
        "photographs) as .npz shards, for training.",
        EXAMPLES,
    )
    parser.add_argument("dataset", metavar="SPEC", help='the data set, such as "roadscenes(split=train)"')
    parser.add_argument("--out", required=True, type=Path, help="folder for the shards")
    parser.add_argument("--first", type=int, default=0, help="index of the first image (default: %(default)s)")
    parser.add_argument("--count", type=int, help="number of images (default: all from the first on)")
    parser.add_argument(
        "--keep",
        default="",
        metavar="PREFIX",
        help="only images whose name begins with it; --first and --count count these",
    )
    parser.add_argument("--leave-out", default="", metavar="PREFIX", help="no image whose name begins with it")
    parser.add_argument(
        "--hold-out",
        type=int,
        default=0,
        metavar="N",
        help="without N images, those whose names have the smallest SHA-256: images(path=..., held_out=N) are these N",
    )
    parser.add_argument(
        "--relit",
        action="store_true",
        help="add every scene in the lighting of another scene, to train codecs that carry lighting",
    )
    parser.add_argument("--shard", type=int, default=250, help="images per file (default: %(default)s)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _export, argv, if_stopped="stopped; the same command continues")


def _export(options: argparse.Namespace) -> int:
    export(
        dataset_of(options.dataset),
        options.out,
        first=options.first,
        count=options.count,
        shard=options.shard,
        keep=options.keep,
        leave_out=options.leave_out,
        hold_out=options.hold_out,
        relit=options.relit,
    )
    return DONE
