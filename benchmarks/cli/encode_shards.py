"""``hsc-bench encode-shards``: training shards as one codec leaves them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.api import CODECS
from benchmarks.harness.executors import Inline, Processes
from benchmarks.training_data.encode import Drawing, code_folder
from hsc.devices import check_device
from hsc.errors import HscError

_EXAMPLES = """examples:
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 0 --count 4000 --out shards/roads
  hsc-bench encode-shards shards/roads --codec hsc --out shards/roads-hsc
  hsc-bench encode-shards shards/camvid --codec hsc --views 8 --height 352 --width 480 --out shards/camvid-hsc
  hsc-bench encode-shards shards/camvid-holdout --codec hsc --whole --out shards/camvid-holdout-hsc

Shards that are already there are kept, so a stopped run goes on where it was."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="hsc-bench encode-shards",
        description="Code training shards at rates drawn at random and keep what the bytes decode to: images, and latents "
        "where the codec has them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("data", type=Path, help="folder of shards of python -m benchmarks.export")
    made.add_argument(
        "--codec", required=True, metavar="SPEC", help="such as hsc; rates are drawn between the ends of its ladder"
    )
    made.add_argument("--out", required=True, type=Path, help="folder for the coded shards")
    made.add_argument(
        "--views", type=int, default=1, help="views of each image, each at a rate of its own (%(default)s)"
    )
    made.add_argument("--height", type=int, default=256, help="of a view, pixels (%(default)s)")
    made.add_argument("--width", type=int, default=384, help="of a view, pixels (%(default)s)")
    made.add_argument("--whole", action="store_true", help="images as they are, for images held out")
    made.add_argument(
        "--cut",
        type=float,
        default=0.2,
        help="share of streams cut after a layer drawn at random, where there are layers (%(default)s)",
    )
    made.add_argument("--seed", type=int, default=0, help="of views, rates and cuts (%(default)s)")
    made.add_argument("--workers", type=int, default=0, help="processes of one thread each (default: one a core)")
    made.add_argument("--device", default="cpu", help="where learned codecs run: cpu, cuda, cuda:1 (%(default)s)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    chosen = parser().parse_args(arguments)
    try:
        check_device(chosen.device)
        os.environ["HSC_DEVICE"] = chosen.device  # inherited by workers, read by learned codecs
        drawing = Drawing(chosen.views, chosen.height, chosen.width, chosen.whole, chosen.cut, chosen.seed)
        workers = chosen.workers or len(os.sched_getaffinity(0))
        executor = Processes(workers) if workers > 1 else Inline()
        written = code_folder(chosen.data, CODECS.build(chosen.codec), chosen.out, drawing, executor)
        sys.stderr.write(f"{written} new files in {chosen.out}\n")
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command goes on\n")
        return 1
    return 0
