"""What the command lines of trainings have in common: their options, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hsc.errors import HscError, UsageError

if TYPE_CHECKING:
    from hsc.training.state import Run


def new_parser(
    prog: str, description: str, examples: str, *, configs: str, teacher: str, initial: str, checkpoint_s: float
) -> argparse.ArgumentParser:
    """A parser with the options of every training.

    configs: folder of the packaged configs. teacher, initial: what these options give. checkpoint_s: the default.
    """
    command = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--config", required=True, help=f"a .toml file, or the name of one in {configs}")
    command.add_argument("--out", required=True, type=Path, help="folder for checkpoint, log and weights")
    command.add_argument("--data", type=Path, help="folder of .npz shards, see hsc/training/shards.py")
    command.add_argument("--teacher", type=Path, nargs="+", default=[], help=teacher)
    command.add_argument("--initial", type=Path, help=initial)
    command.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (%(default)s)")
    command.add_argument(
        "--bf16",
        action="store_true",
        help="compute convolutions in bfloat16: faster on GPUs and on CPUs that support it, slower on others",
    )
    command.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes that prepare crops in advance, beside the one that trains (%(default)s)",
    )
    command.add_argument(
        "--threads", type=int, help="torch's threads; results are reproducible for one number of threads"
    )
    command.add_argument(
        "--checkpoint-s", type=float, default=checkpoint_s, help="seconds between checkpoints (%(default)s)"
    )
    command.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="do not train: write the checkpoint's averaged model as a weights file",
    )
    return command


def run_of(given: argparse.Namespace, *, data: bool = True) -> Run:
    """The paths and the device that the options name; torch then has the threads that they ask for.

    data: whether there must be a folder of shards.

    Raises:
        UsageError: there is no folder of shards.
    """
    import torch

    from hsc.training.state import Run

    if given.threads:
        torch.set_num_threads(given.threads)
    if data and given.data is None:
        raise UsageError("--data is missing: give a folder of shards, made with hsc-bench export-shards")
    return Run(given.out, given.data, tuple(given.teacher), given.initial, given.device, given.bf16, given.workers)


def ended(work: Callable[[], None]) -> int:
    """Do the work of a command and return its exit code: 0, 1 if interrupted, or 2 after one sentence on stderr."""
    try:
        work()
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command continues from the last checkpoint\n")
        return 1
    return 0


def show(line: str) -> None:
    """Write a line of progress."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
