"""The command line of the studies: ``python -m hsc.training.studies ablations --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hsc.errors import UsageError
from hsc.training.command_line import ended, show

if TYPE_CHECKING:
    from hsc.training.studies.measure import Point
    from hsc.training.studies.plan import Study
    from hsc.training.studies.runs import Place

_EXAMPLES = """examples:
  python -m hsc.training.small_generator --data shards --out runs/generator.safetensors --steps 480
      a small generator to try a study with
  python -m hsc.training.studies ablations --generator runs/generator.safetensors --out runs/studies
      what each part of the compression networks is worth, on the profile toy
  python -m hsc.training.studies layers --generator runs/generator.safetensors --out runs/studies
      bits of w, of F, and of F given w, by the layer at which F is taken
  python -m hsc.training.studies layers --layers 3 5 --generator runs/generator.safetensors --out runs/studies
      two layers alone
  python -m hsc.training.studies ablations --config mine.toml --generator ffhq.safetensors --out runs/studies \\
          --device cuda
      variants and recipe of your own; hsc/training/configs/studies/ablations.toml explains the fields

A study writes ablations.csv and ablations.md (or layers.csv and layers.md) into the folder, and prints the table. An
interrupted study continues when the same command is given again; trainings that are done are not repeated."""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m hsc.training.studies",
        description="Repeat the paper's studies on a frozen StyleGAN2. All variants of a study have the same seed and "
        "steps, and those with F at one layer the same encoder.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    studies = command.add_subparsers(dest="study", required=True, metavar="STUDY")
    for name, about in (
        ("ablations", "what each part of the compression networks is worth"),
        ("layers", "bits of w, of F, and of F given w, by the layer at which F is taken"),
    ):
        study = studies.add_parser(
            name,
            help=about,
            description=f"A study on a frozen StyleGAN2: {about}.",
            epilog=_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        study.add_argument(
            "--config",
            default=name,
            help="a .toml file, or the name of one in hsc/training/configs/studies (%(default)s)",
        )
        study.add_argument("--generator", required=True, type=Path, metavar="FILE", help="the frozen generator")
        study.add_argument("--out", required=True, type=Path, help="folder for trainings and tables")
        study.add_argument(
            "--steps",
            type=int,
            nargs=4,
            metavar="N",
            help="of the stages inversion, scn, fcn and both, in place of the config's",
        )
        study.add_argument("--images", type=int, help="number of drawn images that are measured (the config's)")
        if name == "layers":
            study.add_argument("--layers", type=int, nargs="+", metavar="N", help="at which F is taken (the config's)")
        study.add_argument(
            "--perceptual",
            default="none",
            metavar="NAME",
            help="network of the perceptual loss: mobilenet, none, or package.module:function (%(default)s)",
        )
        study.add_argument(
            "--distance",
            default="none",
            metavar="NAME",
            help="network of the perceptual distance that is measured, named alike (%(default)s)",
        )
        study.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N, for training (%(default)s)")
        study.add_argument(
            "--threads", type=int, help="torch's threads; results are reproducible for one number of threads"
        )
    return command


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit code: 0, 1 if interrupted, or 2 after one sentence on stderr."""
    given = parser().parse_args(argv)
    return ended(lambda: _run(given))


def _run(given: argparse.Namespace) -> None:
    import torch

    from hsc.files.atomic_files import write_text
    from hsc.training.studies.plan import read_study
    from hsc.training.studies.runs import Place
    from hsc.training.studies.tables import ablation_table, csv_of, layer_rows, layer_table

    if given.threads:
        torch.set_num_threads(given.threads)
    study = read_study(given.config)
    changes = {
        "frozen_steps": None if given.steps is None else tuple(given.steps),
        "images": given.images,
        "layers": None if getattr(given, "layers", None) is None else tuple(given.layers),
    }
    study = replace(study, **{name: value for name, value in changes.items() if value is not None})
    if bool(study.layers) != (given.study == "layers"):
        kind = "layers" if study.layers else "variants"
        raise UsageError(f"the study {study.name} has {kind}; give it to the other command, or another --config")
    place = Place(given.out, given.generator, given.perceptual, given.device)
    measured = _measured(study, place, given.distance, show)
    variants = study.all_variants()
    table = layer_table(layer_rows(variants, measured)) if study.layers else ablation_table(measured)
    write_text(given.out / f"{given.study}.csv", csv_of(measured))
    write_text(given.out / f"{given.study}.md", table)
    sys.stdout.write(table)


def _measured(study: Study, place: Place, distance: str, report: Callable[[str], None]) -> dict[str, list[Point]]:
    """The points of every variant, trained and measured one after another. distance: a name for ``load_judges``."""
    from hsc.training.studies.measure import held_out_images, measure
    from hsc.training.studies.runs import trained_variant
    from hsc.training.teachers.perception import load_judges

    networks = load_judges((), (distance,), None, None, "cpu").perceptual
    variants = study.all_variants()
    measured = {}
    for number, variant in enumerate(variants, start=1):
        where = f"{number}/{len(variants)} {variant.name}"
        model = trained_variant(study, variant, place, _prefixed(report, where))
        report(f"{where}: measuring {study.images} images")
        images = held_out_images(model, study.images, study.base.seed)
        measured[variant.name] = measure(model, images, len(study.base.rates), networks[0] if networks else None)
    return measured


def _prefixed(report: Callable[[str], None], where: str) -> Callable[[str], None]:
    """A report of lines that begin with a place."""
    return lambda line: report(f"{where}: {line}")


if __name__ == "__main__":
    raise SystemExit(main())
