"""``hsc-bench export-shards``: a data set's images and labels as training shards."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.api import DATASETS
from benchmarks.training_data.export import export
from hsc.errors import HscError

_EXAMPLES = """examples:
  hsc-bench export-shards "roadscenes(split=train)" --first 0 --count 3000 --out shards/a
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --out shards/b
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --relit --out shards/codec
  hsc-bench export-shards "camvid(split=train)" --leave-out 0006R0 --out shards/camvid
  hsc-bench export-shards "camvid(split=train)" --keep 0006R0 --out shards/camvid-holdout

Shards that are already there are kept, so a stopped export goes on where it was."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench export-shards",
        description="Write images with boxes and label maps (rendered data sets) or label maps alone as .npz shards, for "
        "training.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", help='a spec, such as "roadscenes(split=train)"')
    parser.add_argument("--out", required=True, type=Path, help="folder for the shards")
    parser.add_argument("--first", type=int, default=0, help="index of the first image (0)")
    parser.add_argument("--count", type=int, help="how many images (all from the first on)")
    parser.add_argument(
        "--keep", default="", metavar="PREFIX", help="only images whose name begins so; --first and --count count these"
    )
    parser.add_argument("--leave-out", default="", metavar="PREFIX", help="no image whose name begins so")
    parser.add_argument(
        "--relit", action="store_true", help="also every scene in another one's light, for training what carries light"
    )
    parser.add_argument("--shard", type=int, default=250, help="images a file (250)")
    chosen = parser.parse_args(arguments)
    try:
        export(
            DATASETS.build(chosen.dataset),
            chosen.out,
            first=chosen.first,
            count=chosen.count,
            shard=chosen.shard,
            keep=chosen.keep,
            leave_out=chosen.leave_out,
            relit=chosen.relit,
        )
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0
