"""``hsc-bench entropy``: what w and F of the hsc codec cost, and what F would cost without w."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.options import add_device, add_quiet, dataset_of
from hsc.devices import check_device
from hsc.errors import UsageError
from hsc.files.atomic_files import write_text

EXAMPLES = """
  hsc-bench entropy --model roadscenes-coarse
      H(w), H(F | w) and H(F) by layer at qualities 1 to 6, over 64 pictures of roadscenes val
  hsc-bench entropy --model mine.safetensors --control silent.safetensors --quality 2 4 --out results/runs/entropy
      H(F) by weights that were trained without w
  hsc-bench entropy --dataset 'images(path=photos)' --images 24 --whole
      your own pictures; also whole files on another picture's w

Costs are ideal lengths by the coder's integer tables. Without a control, H(F) is the cost of the same values of F
where the coder's context is that of another picture's w (the one half the set further on), or of the mean w. Both are
upper bounds of the entropy of F's symbols; what w saves is an estimate of I(F; w), and no bound of it. A control codes
another F, so compare its bits at equal PSNR, or better at equal scores of heads."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "entropy",
        "Measure what the semantics w and the features F of the hsc codec cost on real symbols: H(w), H(F | w) by "
        "layer, and H(F) without w, with paired intervals over pictures.",
        EXAMPLES,
    )
    parser.add_argument(
        "--model",
        metavar="M",
        default="roadscenes",
        help="weights by name, or a .safetensors file (default: %(default)s)",
    )
    parser.add_argument(
        "--control", metavar="M", help="weights of the profile silent, which code F alone (default: none)"
    )
    parser.add_argument(
        "--dataset", metavar="SPEC", default="roadscenes", help="data set of the pictures (default: %(default)s)"
    )
    parser.add_argument(
        "--images", metavar="N", type=int, default=64, help="the first N pictures (default: %(default)s)"
    )
    parser.add_argument(
        "--quality", metavar="Q", type=float, nargs="+", default=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        help="qualities, in steps of 1/32 (default: 1 to 6)",
    )  # fmt: skip
    parser.add_argument(
        "--whole", action="store_true", help="also code whole files on the other w and on the mean w, with their PSNR"
    )
    add_device(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/runs/entropy"),
        help="folder for entropy.csv, entropy.md, entropy.png and entropy.pdf (default: %(default)s)",
    )
    add_quiet(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _measure, argv)


def _measure(options: argparse.Namespace) -> int:
    import pandas as pd

    import hsc
    from benchmarks.harness.progress import Bar, Silent
    from benchmarks.reporting.images.entropy_bars import entropy_bars
    from benchmarks.runs.csv_cells import write_csv
    from benchmarks.studies.entropy import measure
    from benchmarks.studies.entropy_rows import bootstrap_of, rows, table

    if options.out.exists() and not options.out.is_dir():
        raise UsageError(f"{options.out} is a file; name a folder with --out")
    check_device(options.device)
    codec = hsc.load(options.model, device=options.device)
    control = None if options.control is None else hsc.load(options.control, device=options.device)
    dataset = dataset_of(options.dataset)
    measured = measure(
        codec,
        dataset,
        options.images,
        options.quality,
        control=control,
        whole=options.whole,
        progress=Silent() if options.quiet else Bar(),
    )
    bootstrap = bootstrap_of(measured)
    found = rows(measured, bootstrap)
    names = Path(options.model).name, options.dataset
    shown = table(found, *names, bootstrap.reason)
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "entropy.csv", pd.DataFrame([vars(row) for row in found]))
    write_text(options.out / "entropy.md", shown)
    entropy_bars(found, *names, options.out / "entropy")
    sys.stdout.write(shown)
    return DONE
