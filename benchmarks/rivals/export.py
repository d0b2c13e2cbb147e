"""A trained rival as one weights file: float16 safetensors with its architecture and the card of its training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from benchmarks.learned.networks import save
from benchmarks.rivals import network
from benchmarks.rivals.recipe import Recipe
from hsc.errors import DataError
from hsc.training.checkpoint_file import read, recipe_in
from hsc.training.recipe_file import require_same


def export(recipe: Recipe, checkpoint: Path, target: Path) -> None:
    """Write the averaged model of a checkpoint, with the tables of its entropy coder, whole or not at all.

    Raises:
        DataError: the checkpoint is missing, damaged, or of another recipe.
        UsageError: the target does not end in .safetensors.
        UnavailableError: CompressAI is not installed.
    """
    content = read(checkpoint)
    plain = content.get("plain", {})
    require_same(recipe, recipe_in(plain, checkpoint), checkpoint)
    model = network.build(recipe)
    try:
        model.load_state_dict(content["averaged"])
    except (KeyError, RuntimeError) as error:
        raise DataError(f"{checkpoint} holds no network of {recipe.name}: {error}; train it again") from error
    model.eval()
    model.entropy_bottleneck.update(force=True, update_quantiles=True)
    model.update(force=True)
    for transform in (model.g_a, model.h_a, model.h_s, model.g_s):
        transform.half()
    about = {
        "licence": recipe.licence,
        "data": plain["source"],
        "recipe": dataclasses.asdict(recipe),
        "steps": content["step"],
        "hours": round(plain["seconds"] / 3600, 2),
        "pixels": content["step"] * recipe.batch * recipe.crop[0] * recipe.crop[1],
        "torch": torch.__version__,
    }
    save(model, network.ARCHITECTURE, target, about, whole=True)
