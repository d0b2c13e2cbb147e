"""The command line of training: ``python -m downstream.training``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hsc.errors import HscError, UsageError

if TYPE_CHECKING:
    from downstream.training.recipe import Recipe
    from downstream.training.training_task import TrainingTask

_EXAMPLES = """examples:
  detectors on clean images
    hsc-bench export-shards "roadscenes(split=train)" --first 0 --count 3000 --out shards/a
    python -m downstream.training --arch pyramid --data shards/a --out runs/pyramid --steps 6000 --seed 1
    python -m downstream.training --arch hourglass --data shards/b --out runs/hourglass --steps 6000 --seed 2

  segmenters on clean images
    python -m downstream.training --task segmentation --arch pyramid --data shards/a --out runs/roads \\
      --steps 8000 --seed 1
    hsc-bench export-shards "camvid(split=train)" --leave-out 0006R0 --out shards/camvid
    hsc-bench export-shards "camvid(split=train)" --keep 0006R0 --out shards/camvid-holdout
    python -m downstream.training --task segmentation --arch pyramid --data shards/camvid \\
      --holdout shards/camvid-holdout --initial runs/roads/segmenter_pyramid.safetensors \\
      --height 352 --width 480 --steps 6000 --seed 1 --out runs/camvid

  classifiers of single objects, by their exact boxes, on clean images
    python -m downstream.training --task classification --arch residual --data shards/a --out runs/residual \\
      --height 64 --width 64 --batch 32 --steps 2500 --seed 1

  heads that are adapted to a codec, on shards from hsc-bench encode-shards: on its latents, or on its decoded images
    python -m downstream.training --input latents --arch both --lift-only --data shards/roads-hsc \\
      --initial downstream/weights/small_hourglass.safetensors --steps 1500 --seed 1 --out runs/lift
    python -m downstream.training --input latents --arch both --data shards/roads-hsc \\
      --teacher downstream/weights/small_hourglass.safetensors \\
      --initial runs/lift/latent_detector_both.safetensors --steps 6000 --seed 1 --out runs/latent
    python -m downstream.training --input images --arch hourglass --data shards/roads-hsc --zoom 1.25 \\
      --teacher downstream/weights/small_hourglass.safetensors \\
      --initial downstream/weights/small_hourglass.safetensors --steps 6000 --seed 1 --out runs/adapted

A run that was stopped continues from its last checkpoint when the same command is given again. The finished weights,
<head>_<arch>.safetensors, are for small(arch=..., weights=...), segmenter(arch=..., weights=...),
latent_detector(use=..., weights=...) and so on; their card is written beside them."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    arguments = argparse.ArgumentParser(
        prog="python -m downstream.training",
        description="Train one of our own heads on a folder of shards: on clean images (flip, scale, crop, colour), or "
        "on a codec's decoded images or latents.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument(
        "--task", choices=("detection", "segmentation", "classification"), default="detection", help="(%(default)s)"
    )
    arguments.add_argument(
        "--input",
        choices=("clean", "images", "latents"),
        default="clean",
        help="clean images, or a codec's decoded images or latents (%(default)s)",
    )
    arguments.add_argument(
        "--arch",
        required=True,
        help="pyramid or hourglass for detection, pyramid or context for segmentation, residual or separable for "
        "classification; for latents: which are read, both, y, w or F",
    )
    arguments.add_argument(
        "--data",
        required=True,
        type=Path,
        help="folder of .npz shards from hsc-bench export-shards, or from encode-shards with --input images or latents",
    )
    arguments.add_argument(
        "--teacher",
        type=Path,
        help="with --input images or latents: weights of small or segmenter, whose answers on the clean views are "
        "learnt too",
    )
    arguments.add_argument(
        "--distil", type=float, default=1.0, help="weight of the distillation part of the loss (%(default)s)"
    )
    arguments.add_argument(
        "--zoom",
        type=float,
        default=1.0,
        help="detection in decoded images: factor by which they are enlarged, as the head does (%(default)s)",
    )
    arguments.add_argument(
        "--lift-only",
        action="store_true",
        help="with --input latents: train only the adapter before the pixel network, towards the clean views' pixels",
    )
    arguments.add_argument("--out", required=True, type=Path, help="folder for checkpoint, log, weights and card")
    arguments.add_argument("--steps", required=True, type=int)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--batch", type=int, default=8, help="images a step (%(default)s)")
    arguments.add_argument(
        "--height", type=int, default=256, help="of a training view in pixels, a multiple of 32 (%(default)s)"
    )
    arguments.add_argument(
        "--width", type=int, default=384, help="of a training view in pixels, a multiple of 32 (%(default)s)"
    )
    arguments.add_argument("--learning-rate", type=float, default=2e-3, help="the highest during the run (%(default)s)")
    arguments.add_argument(
        "--initial",
        type=Path,
        help="start from these weights of the same architecture and classes, not from random ones; with --input "
        "latents the weights of a pixel head, or of a head on other latents, are possible too",
    )
    arguments.add_argument(
        "--holdout",
        type=Path,
        help="segmentation: folder of shards that are scored and never trained on; the best step's weights are kept",
    )
    arguments.add_argument(
        "--score-every", type=int, default=500, help="segmentation: steps between scores of the holdout (%(default)s)"
    )
    arguments.add_argument(
        "--lovasz",
        type=float,
        default=0.5,
        help="segmentation: weight of the Lovasz part of the loss, 0 for none (%(default)s)",
    )
    arguments.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (%(default)s)")
    arguments.add_argument(
        "--bf16",
        action="store_true",
        help="convolutions in bfloat16: faster on GPUs and on CPUs that support it, slower on others",
    )
    arguments.add_argument(
        "--threads",
        type=int,
        default=1,
        help="of torch (%(default)s); runs repeat exactly with the same number of threads",
    )
    arguments.add_argument("--checkpoint-s", type=float, default=120.0, help="seconds between checkpoints (120)")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0, 1 if it was stopped, or 2 with one sentence on stderr."""
    chosen = parser().parse_args(argv)
    import torch

    from downstream.training.loop import Run, train
    from downstream.training.recipe import Recipe

    torch.set_num_threads(chosen.threads)
    try:
        recipe = Recipe(
            chosen.arch,
            chosen.steps,
            chosen.seed,
            chosen.batch,
            chosen.height,
            chosen.width,
            chosen.learning_rate,
            task=chosen.task,
            lovasz=chosen.lovasz,
            score_every=chosen.score_every,
            input=chosen.input,
            zoom=chosen.zoom,
            distil=chosen.distil,
            lift_only=chosen.lift_only,
        )
        task = _task(recipe, chosen.data, chosen.holdout, chosen.teacher, chosen.device)
        _show(f"{task.images} images, classes {', '.join(task.classes)}")
        run = Run(chosen.out, chosen.initial, chosen.device, chosen.bf16)
        train(recipe, task, run, checkpoint_s=chosen.checkpoint_s, report=_show)
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command continues from the last checkpoint\n")
        return 1
    return 0


def _task(recipe: Recipe, data: Path, holdout: Path | None, teacher: Path | None, device: str) -> TrainingTask:
    if recipe.input != "clean":
        return _adapted(recipe, data, holdout, teacher, device)
    if teacher is not None:
        raise UsageError(
            "--teacher is for --input latents and --input images; heads on clean images learn only from labels"
        )
    if recipe.task == "segmentation":
        from downstream.training.map_shards import read_maps
        from downstream.training.segmentation import Segmentation

        return Segmentation(read_maps(data), None if holdout is None else read_maps(holdout))
    if holdout is not None:
        raise UsageError("--holdout is for --task segmentation; other heads keep the weights of their last step")
    if recipe.task == "classification":
        from downstream.training.classification import Classification
        from downstream.training.crop_shards import read_crops

        return Classification(read_crops(data))
    from downstream.training.detection import Detection
    from downstream.training.shards import read_frames

    return Detection(read_frames(data))


def _adapted(recipe: Recipe, data: Path, holdout: Path | None, teacher: Path | None, device: str) -> TrainingTask:
    from downstream.training.adapted import Adapted
    from downstream.training.coded_shards import read_coded
    from downstream.training.teacher import Teacher

    if holdout is not None and recipe.task == "detection":
        raise UsageError("--holdout is for --task segmentation; detectors keep the weights of their last step")
    latents = recipe.input == "latents"
    coded = read_coded(data, recipe.task, latents=latents)
    held_out = None if holdout is None else read_coded(holdout, recipe.task, latents=latents)
    trained = None if teacher is None else Teacher(teacher, recipe.task, coded.space.classes, device)
    return Adapted(recipe, coded, trained, held_out)


def _show(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
