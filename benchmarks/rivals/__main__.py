"""The command line of training a rival."""

from __future__ import annotations

import argparse

from hsc.training.command_line import ended, new_parser, run_of, show

_EXAMPLES = """examples:
  hsc-bench export-shards "roadscenes(split=train, images=24000)" --first 12000 --count 6400 --out shards
  python -m benchmarks.rivals --config roadscenes-mse-start --data shards --out runs/mse
  python -m hsc.training.teacher --data shards --objects --steps 600 --out runs/finder.safetensors
  python -m benchmarks.rivals --config roadscenes-machine --data shards --teacher runs/finder.safetensors \\
          --initial runs/mse/checkpoint.pt --out runs/machine
  python -m benchmarks.rivals --config roadscenes-mse-start --out runs/mse --export now.safetensors

An interrupted run continues from its last checkpoint when the same command is given again."""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    return new_parser(
        "python -m benchmarks.rivals",
        "Train a learned codec of CompressAI's architecture on a folder of image shards, as a rival of hsc in its own "
        "domain, and write one weights file for the codec compressai.",
        _EXAMPLES,
        configs="benchmarks/rivals/configs",
        teacher="weights of hsc.training.teacher for the loss machine; several are used in turn, one per step",
        initial="start from the averaged weights of this checkpoint.pt, or from a weights file",
        checkpoint_s=120.0,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit code: 0, 1 if interrupted, or 2 after one sentence on stderr."""
    given = parser().parse_args(argv)

    def work() -> None:
        from benchmarks.rivals.export import export
        from benchmarks.rivals.loop import train
        from benchmarks.rivals.recipe import read_recipe

        recipe = read_recipe(given.config)
        if not given.export:
            train(recipe, run_of(given), checkpoint_s=given.checkpoint_s, report=show)
        target = given.export or given.out / f"{recipe.name}.safetensors"
        export(recipe, given.out / "checkpoint.pt", target)

    return ended(work)


if __name__ == "__main__":
    raise SystemExit(main())
