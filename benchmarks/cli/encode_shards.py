"""``hsc-bench encode-shards``: training shards as one codec decodes them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.api import CODECS
from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.options import add_device, add_executor, executor
from hsc.devices import check_device, use_device

EXAMPLES = """
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 0 --count 4000 --out shards/roads
  hsc-bench encode-shards shards/roads --codec hsc --out shards/roads-hsc
  hsc-bench encode-shards shards/roads --codec 'hsc(model="roadscenes-coarse")' --alone 0.15 --out shards/roads-coarse
  hsc-bench encode-shards shards/camvid --codec hsc --views 8 --height 352 --width 480 --out shards/camvid-hsc
  hsc-bench encode-shards shards/camvid-holdout --codec hsc --whole --out shards/camvid-holdout-hsc

Shards that are in the folder already are kept, so the same command continues a stopped one."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "encode-shards",
        "Encode training shards at random rates, so that heads can be fine-tuned on decoded images, or on latents "
        "where the codec has them.",
        EXAMPLES,
    )
    parser.add_argument("data", type=Path, help="folder of shards, as hsc-bench export-shards writes it")
    parser.add_argument(
        "--codec", required=True, metavar="SPEC", help="such as hsc; rates are drawn between the ends of its ladder"
    )
    parser.add_argument("--out", required=True, type=Path, help="folder for the encoded shards")
    parser.add_argument(
        "--views", type=int, default=1, help="views per image, each at a rate of its own (default: %(default)s)"
    )
    parser.add_argument("--height", type=int, default=256, help="height of a view in pixels (default: %(default)s)")
    parser.add_argument("--width", type=int, default=384, help="width of a view in pixels (default: %(default)s)")
    parser.add_argument("--whole", action="store_true", help="whole images in place of views, for a validation set")
    parser.add_argument(
        "--cut",
        type=float,
        default=0.2,
        help="share of streams that are cut after a random layer, for codecs with layers (default: %(default)s)",
    )
    parser.add_argument(
        "--alone",
        type=float,
        default=0.0,
        help="share of streams that are cut after the first layer, for heads that answer from hsc's semantics alone "
        "(default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of views, rates and cuts (default: %(default)s)")
    add_executor(parser)
    add_device(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _encode, argv, if_stopped="stopped; the same command continues")


def _encode(options: argparse.Namespace) -> int:
    from benchmarks.training_data.encode import Drawing, code_folder

    check_device(options.device)
    drawing = Drawing(
        options.views, options.height, options.width, options.whole, options.cut, options.seed, options.alone
    )
    with use_device(options.device), executor(options, alone=True) as workers:
        codec = CODECS.build(options.codec)
        files = code_folder(options.data, codec, options.out, drawing, workers)
    sys.stderr.write(f"{files} new files in {options.out}\n")
    return DONE
