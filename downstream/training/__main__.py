"""The command line of training and nothing else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hsc.errors import HscError

_EXAMPLES = """examples:
  python -m benchmarks.export "roadscenes(split=train)" --count 3000 --out shards/a
  python -m downstream.training --arch pyramid --data shards/a --out runs/pyramid --steps 6000 --seed 1
  python -m downstream.training --arch hourglass --data shards/b --out runs/hourglass --steps 6000 --seed 2 --threads 1

A run that was stopped goes on where its last checkpoint stands when the same command is given again. The finished weights,
small_<arch>.safetensors, are used by small(arch=..., weights=...)."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    arguments = argparse.ArgumentParser(
        prog="python -m downstream.training",
        description="Train one of the small detectors on a folder of image shards. Clean images only: flip, scale, crop, mild colour.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument("--arch", required=True, help="pyramid or hourglass")
    arguments.add_argument("--data", required=True, type=Path, help="folder of .npz shards, see downstream/training/shards.py")
    arguments.add_argument("--out", required=True, type=Path, help="folder for checkpoint, log and weights")
    arguments.add_argument("--steps", required=True, type=int)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--batch", type=int, default=8, help="images a step (8)")
    arguments.add_argument("--height", type=int, default=256, help="of a training view, pixels (256)")
    arguments.add_argument("--width", type=int, default=384, help="of a training view, pixels (384)")
    arguments.add_argument("--learning-rate", type=float, default=2e-3, help="the highest (0.002)")
    arguments.add_argument("--initial", type=Path, help="start from these weights instead of random ones")
    arguments.add_argument("--threads", type=int, default=1, help="of torch (1); results are exact for one number of threads")
    arguments.add_argument("--checkpoint-s", type=float, default=120.0, help="seconds between checkpoints (120)")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    arguments = parser().parse_args(argv)
    import torch

    from downstream.training.loop import Recipe, train
    from downstream.training.shards import read_frames

    torch.set_num_threads(arguments.threads)
    try:
        recipe = Recipe(
            arguments.arch,
            arguments.steps,
            arguments.seed,
            arguments.batch,
            arguments.height,
            arguments.width,
            arguments.learning_rate,
        )
        frames = read_frames(arguments.data)
        sys.stderr.write(f"{len(frames.images)} images, classes {', '.join(frames.classes)}\n")
        train(
            recipe,
            frames,
            arguments.out,
            initial=arguments.initial,
            checkpoint_s=arguments.checkpoint_s,
            report=_show,
        )
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _show(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
