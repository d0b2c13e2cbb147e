"""A trained rival as one weights file: float16 safetensors with its architecture and the card of its training."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from benchmarks.rivals import network
from benchmarks.rivals.recipe import Recipe
from hsc.errors import DataError
from hsc.files.atomic_files import replacing

_SINGLE = ("entropy_bottleneck.", "gaussian_conditional.", "Gain", "QuantABCD.")
"""Names that begin so stay as they are; all others become float16."""


def export(recipe: Recipe, checkpoint: Path, target: Path) -> None:
    """Write the averaged model of a checkpoint, with the tables of its entropy coder, whole or not at all.

    Raises:
        DataError: the checkpoint is missing, damaged, or of another recipe.
    """
    from safetensors.torch import save_file

    try:
        content: dict[str, Any] = torch.load(checkpoint, weights_only=True, map_location="cpu")
        stored = json.loads(content["plain"]["recipe"])
        model = network.build(recipe)
        model.load_state_dict(content["averaged"])
    except Exception as error:  # torch.load raises many kinds of errors for a damaged file
        raise DataError(f"{checkpoint} is not a readable checkpoint of {recipe.name}: {error}") from error
    if stored != json.loads(json.dumps(dataclasses.asdict(recipe))):
        raise DataError(f"{checkpoint} is of another recipe; give the config and the folder of one run")
    halved = {
        name: tensor if name.startswith(_SINGLE) or not tensor.is_floating_point() else tensor.half()
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(
        {name: tensor.float() if tensor.dtype == torch.half else tensor for name, tensor in halved.items()}
    )
    model.eval()
    model.entropy_bottleneck.update(force=True, update_quantiles=True)
    model.update(force=True)
    tables = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(_SINGLE)}
    about = {
        "licence": recipe.licence,
        "data": content["plain"]["source"],
        "recipe": dataclasses.asdict(recipe),
        "steps": content["step"],
        "hours": round(content["plain"]["seconds"] / 3600, 2),
        "pixels": content["step"] * recipe.batch * recipe.crop[0] * recipe.crop[1],
        "torch": torch.__version__,
    }
    architecture = {"class": "mbt2018-mean-vbr", "N": recipe.n, "M": recipe.m}
    tensors = {name: tensor.contiguous() for name, tensor in (halved | tables).items()}
    with replacing(target) as part:
        save_file(tensors, part, {"architecture": json.dumps(architecture), "about": json.dumps(about)})
