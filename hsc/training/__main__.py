"""The command line of training and nothing else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hsc.errors import HscError

_EXAMPLES = """examples:
  python -m benchmarks.export "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --out shards
  python -m hsc.training.teacher --data shards --out runs/teacher.safetensors
  python -m hsc.training --config roadscenes --data shards --teacher runs/teacher.safetensors --out runs/hsc
  python -m hsc.training --config mine.toml --data shards --out runs/hsc --device cuda
  torchrun --nproc-per-node 4 -m hsc.training --config roadscenes --data shards --teacher runs/teacher.safetensors --out runs/hsc
  python -m hsc.training --config roadscenes --out runs/hsc --export now.safetensors     # the model as it stands

A run that was stopped goes on where its last checkpoint stands when the same command is given again. What a config costs and
scores stands at its top: hsc/training/configs."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="python -m hsc.training",
        description="Train the networks of the hsc codec on a folder of image shards, and write one weights file.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--config", required=True, help="a .toml file, or the name of one in hsc/training/configs")
    made.add_argument("--out", required=True, type=Path, help="folder for checkpoint, log and weights")
    made.add_argument("--data", type=Path, help="folder of .npz shards, see hsc/training/shards.py")
    made.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        help="weights of hsc.training.teacher; of several, each is asked at its turn, one a step; without any nobody "
        "asks what machines still see",
    )
    made.add_argument(
        "--initial", type=Path, help="start from these weights, of the same profile, instead of random ones"
    )
    made.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (%(default)s)")
    made.add_argument(
        "--bf16",
        action="store_true",
        help="convolutions in bfloat16: faster on GPUs and on CPUs that have it, slower on others",
    )
    made.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes that make crops ahead of time, beside the one that trains (%(default)s)",
    )
    made.add_argument("--threads", type=int, help="of torch; results are exact for one number of threads")
    made.add_argument("--checkpoint-s", type=float, default=180.0, help="seconds between checkpoints (%(default)s)")
    made.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="train nothing: write the checkpoint's averaged model as a weights file",
    )
    return made


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    arguments = parser().parse_args(argv)
    import torch

    from hsc.training.loop import Run, export, train
    from hsc.training.recipe import read_recipe

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        recipe = read_recipe(arguments.config)
        if arguments.export:
            export(recipe, arguments.out, arguments.export, arguments.initial)
            return 0
        if arguments.data is None:
            sys.stderr.write("error: --data is missing: a folder of shards, made with python -m benchmarks.export\n")
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
        sys.stderr.write("stopped; the same command goes on from the last checkpoint\n")
        return 1
    return 0


def _show(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
