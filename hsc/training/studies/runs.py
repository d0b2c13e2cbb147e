"""The trainings of a study: one encoder for each layer of F, then the compression networks of each variant on it.

    recipe, generator ──stage inversion──> encoder ──W+, F: statistics──> scn, fcn, both ──> one weights file a variant
                      once a layer                  the same for all        once a variant

Variants with F at one layer share the encoder, so they code the same W+ and F. Each training has a folder named by a
hash of its recipe: a repeated command continues, and studies with a variant in common train it once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from hsc.networks.model import HscModel
from hsc.networks.profiles import profile_to_json
from hsc.training.frozen_generator import draw_images, fitted
from hsc.training.initialisation import STATISTICS_BATCHES, set_statistics_of
from hsc.training.loop import train
from hsc.training.recipe import Recipe
from hsc.training.recipe_file import as_json
from hsc.training.sampling import seed_of
from hsc.training.state import Run
from hsc.training.studies.plan import Study, Variant, at_layer
from hsc.weights import files

Report = Callable[[str], None]


class Place(NamedTuple):
    """The files and the device of a study. perceptual: a name as ``load_judges`` takes it."""

    out: Path
    generator: Path
    perceptual: str | None = None
    device: str = "cpu"


def trained_variant(study: Study, variant: Variant, place: Place, report: Report) -> HscModel:
    """The frozen model of a variant, trained from where the last command stopped.

    Raises:
        UsageError, DataError: as for ``hsc.training.loop.train`` and ``frozen_generator.fitted``.
    """
    base = study.base
    of_layer = profile_to_json(at_layer(base.networks(), variant.layer))
    encoder = replace(base, profile=of_layer, frozen_steps=(base.frozen_steps[0], 0, 0, 0))
    encoder_file = _trained(fitted(encoder, place.generator), place, None, report)
    recipe = replace(base, profile=profile_to_json(variant.profile), frozen_steps=(0, *base.frozen_steps[1:]))
    recipe = fitted(recipe, place.generator)
    start = _folder(recipe, place, str(base.frozen_steps[0])) / "start.safetensors"
    if not start.exists():
        start.parent.mkdir(parents=True, exist_ok=True)
        files.save(_untrained(recipe, files.load(str(encoder_file))), start, {"licence": recipe.licence})
    return files.load(str(_trained(recipe, place, start, report)))


def _untrained(recipe: Recipe, encoder: HscModel) -> HscModel:
    """A frozen model of a recipe with a trained encoder, its generator, and random compression networks."""
    torch.manual_seed(recipe.seed)
    model = HscModel(recipe.networks())
    model.gie.load_state_dict(encoder.gie.state_dict())
    model.generator.load_state_dict(encoder.generator.state_dict())
    model.eval()
    batches = (draw_images(model, recipe.batch, seed_of(recipe, number)) for number in range(STATISTICS_BATCHES))
    set_statistics_of((model,), batches)
    return model.freeze()


def _trained(recipe: Recipe, place: Place, start: Path | None, report: Report) -> Path:
    """The weights file of a recipe, which is trained as far as it is not yet."""
    folder = _folder(recipe, place) if start is None else start.parent
    weights = folder / f"{recipe.name}.safetensors"
    if not weights.exists():
        perceptual = () if place.perceptual is None else (place.perceptual,)
        run = Run(folder, None, initial=start, device=place.device, generator=place.generator, perceptual=perceptual)
        train(recipe, run, checkpoint_s=60.0, report=report)
    return weights


def _folder(recipe: Recipe, place: Place, *more: str) -> Path:
    """The folder of a training, by all that decides its weights."""
    text = "\n".join([as_json(recipe), place.perceptual or "", *more])
    return place.out / "trainings" / hashlib.sha256(text.encode()).hexdigest()[:12]
