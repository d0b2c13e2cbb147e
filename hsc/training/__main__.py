"""The command line of training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hsc.errors import HscError

_EXAMPLES = """examples:
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --out shards
  python -m hsc.training.teacher --data shards --out runs/teacher.safetensors
  python -m hsc.training --config roadscenes --data shards --teacher runs/teacher.safetensors --out runs/hsc
  python -m hsc.training --config mine.toml --data shards --out runs/hsc --device cuda
  torchrun --nproc-per-node 4 -m hsc.training --config roadscenes --data shards --teacher runs/teacher.safetensors \\
          --out runs/hsc
  python -m hsc.training --config roadscenes --out runs/hsc --export now.safetensors     # the model of the checkpoint

An interrupted run continues from its last checkpoint when the same command is given again. The cost and the expected
score of a config stand at its top: hsc/training/configs."""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m hsc.training",
        description="Train the networks of the hsc codec on a folder of image shards, and write one weights file.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--config", required=True, help="a .toml file, or the name of one in hsc/training/configs")
    command.add_argument("--out", required=True, type=Path, help="folder for checkpoint, log and weights")
    command.add_argument("--data", type=Path, help="folder of .npz shards, see hsc/training/shards.py")
    command.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        help="weights of hsc.training.teacher; several are used in turn, one per step; without any, the loss has no "
        "term for what machines still see",
    )
    command.add_argument(
        "--initial", type=Path, help="start from these weights, of the same profile, instead of random ones"
    )
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
    command.add_argument("--checkpoint-s", type=float, default=180.0, help="seconds between checkpoints (%(default)s)")
    command.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="do not train: write the checkpoint's averaged model as a weights file",
    )
    return command


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit code: 0, 1 if interrupted, or 2 after one sentence on stderr."""
    arguments = parser().parse_args(argv)
    import torch

    from hsc.training.loop import train
    from hsc.training.recipe import read_recipe
    from hsc.training.run_folder import export
    from hsc.training.state import Run

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        recipe = read_recipe(arguments.config)
        if arguments.export:
            export(recipe, arguments.out, arguments.export, arguments.initial)
            return 0
        if arguments.data is None:
            sys.stderr.write("error: --data is missing: give a folder of shards, made with hsc-bench export-shards\n")
            return 2
        run = Run(
            arguments.out,
            arguments.data,
            tuple(arguments.teacher),
            arguments.initial,
            arguments.device,
            arguments.bf16,
            arguments.workers,
        )
        train(recipe, run, checkpoint_s=arguments.checkpoint_s, report=_show)
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
