"""The command line of training a rival."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hsc.errors import HscError, UsageError

_EXAMPLES = """examples:
  hsc-bench export-shards "roadscenes(split=train, images=24000)" --first 12000 --count 6400 --out shards
  python -m benchmarks.rivals --config roadscenes-mse --data shards --out runs/mse
  python -m hsc.training.teacher --data shards --objects --steps 600 --out runs/finder.safetensors
  python -m benchmarks.rivals --config roadscenes-machine --data shards --teacher runs/finder.safetensors \\
          --initial runs/mse/checkpoint.pt --out runs/machine
  python -m benchmarks.rivals --config roadscenes-mse --out runs/mse --export now.safetensors

An interrupted run continues from its last checkpoint when the same command is given again."""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m benchmarks.rivals",
        description="Train a learned codec of CompressAI's architecture on a folder of image shards, as a rival of hsc "
        "in its own domain, and write one weights file for the codec compressai.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--config", required=True, help="a .toml file, or the name of one in benchmarks/rivals/configs"
    )
    command.add_argument("--out", required=True, type=Path, help="folder for checkpoint, log and weights")
    command.add_argument(
        "--data", type=Path, nargs="+", default=[], help="folders of .npz shards, made with hsc-bench export-shards"
    )
    command.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        help="weights of hsc.training.teacher for the loss machine; several are used in turn, one per step",
    )
    command.add_argument(
        "--initial", type=Path, help="start from the averaged weights of this checkpoint.pt, or a weights file"
    )
    command.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (%(default)s)")
    command.add_argument(
        "--bf16", action="store_true", help="compute convolutions in bfloat16: faster where the processor supports it"
    )
    command.add_argument("--workers", type=int, default=0, help="processes that prepare crops (%(default)s)")
    command.add_argument("--threads", type=int, help="torch's threads; results are reproducible for one number")
    command.add_argument("--checkpoint-s", type=float, default=120.0, help="seconds between checkpoints (%(default)s)")
    command.add_argument(
        "--export", type=Path, metavar="FILE", help="do not train: write the checkpoint's averaged model to FILE"
    )
    return command


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit code: 0, 1 if interrupted, or 2 after one sentence on stderr."""
    given = parser().parse_args(argv)
    import torch

    from benchmarks.rivals.export import export
    from benchmarks.rivals.loop import Run, train
    from benchmarks.rivals.recipe import read_recipe

    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        recipe = read_recipe(given.config)
        run = Run(
            given.out,
            tuple(given.data),
            tuple(given.teacher),
            given.initial,
            given.device,
            given.bf16,
            given.workers,
        )
        if not given.export and not given.data:
            raise UsageError("--data is missing: give a folder of shards, made with hsc-bench export-shards")
        if not given.export:
            train(recipe, run, checkpoint_s=given.checkpoint_s, report=_show)
        target = given.export or given.out / f"{recipe.name}.safetensors"
        export(recipe, given.out / "checkpoint.pt", target)
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command continues from the last checkpoint\n")
        return 1
    return 0


def _show(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
