"""The files of a training run: log, checkpoint, and the exported weights."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hsc.errors import UsageError
from hsc.networks.model import HscModel
from hsc.training import distributed
from hsc.training.checkpoint_file import read, recipe_in
from hsc.training.log_file import append_row
from hsc.training.recipe import Recipe
from hsc.training.recipe_file import as_json, require_same
from hsc.training.state import Parts, Run, State, continue_gains
from hsc.training.teachers.named import public_name
from hsc.training.teachers.perception import Judges
from hsc.weights import files


def append_log(recipe: Recipe, state: State, recent: list[Parts], path: Path) -> str:
    """Append the means of recent steps to the log, and return them as one line for people."""
    parts = Parts(*(torch.cat(column) for column in zip(*recent, strict=True)))
    row: dict[str, Any] = {"step": state.step, "stage": recipe.stage_of(state.step - 1)}
    row |= {
        name: float(getattr(parts, name).mean()) for name in ("pixel", "teacher", "latent", "texture", "where", "bpp")
    }
    if recipe.on_generator:
        row |= {name: float(getattr(parts, name).mean()) for name in ("match", "identity", "parsing")}
        row["bits_w"] = float(parts.words.mean())
    if recipe.networks().coarse_map is not None:
        row |= {"bits_w": float(parts.words.mean()), "pixel_w": _mean(parts.pixel[parts.whole == 0])}
    nearest = torch.where(parts.whole > 0, (parts.quality.float() / 32).round(), 0)
    for i in range(1, len(recipe.rates) + 1):
        at_quality = nearest == i
        row |= {
            f"bpp_{i}": _mean(parts.bpp[at_quality]),
            f"pixel_{i}": _mean(parts.pixel[at_quality]),
            f"price_{i}": float(state.prices.log_prices[i - 1].exp()),
        }
    row["seconds"] = state.seconds
    if distributed.rank() == 0:
        append_row(path, row)
    left_s = state.seconds / state.step * (recipe.total - state.step)
    ratios = " ".join(f"{row[f'bpp_{i}'] / rate:.2f}" for i, rate in enumerate(recipe.rates, start=1))
    return (
        f"{row['stage']} {state.step}/{recipe.total} pixel {row['pixel']:.3f} teacher {row['teacher']:.2f} "
        f"texture {row['texture']:.2f} where {row['where']:.3f} "
        f"bpp {row['bpp']:.3f} (rates / targets {ratios}) {state.seconds:.0f} s, {left_s:.0f} s left"
    )


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else float("nan")


def save_checkpoint(recipe: Recipe, run: Run, state: State, source: str, judges: Judges | None = None) -> None:
    """Write the whole state, and rename it into place, so that an interruption leaves the previous checkpoint.

    source: of the images, and judges: the networks of a training on a frozen generator, for the card.
    """
    if distributed.rank():
        return
    content = {
        "recipe": as_json(recipe),
        "modules": {name: module.state_dict() for name, module in _modules(state)},
        "log_prices": state.prices.log_prices,
        "step": state.step,
        "seconds": state.seconds,
        "source": source,
        "initial": "" if run.initial is None else run.initial.name,
        "processes": distributed.count(),
        "threads": torch.get_num_threads(),
        "teachers": [*(path.name for path in run.teachers), *(public_name(name) for name in run.perceptual)],
        "judges": {} if judges is None else dict(judges.names),
        "generator": "" if run.generator is None else run.generator.name,
        "device": run.device if run.device == "cpu" else torch.cuda.get_device_name(run.device),
    }
    partial = run.out / "checkpoint.partial"
    torch.save(content, partial)
    os.replace(partial, run.out / "checkpoint.pt")


def _modules(state: State) -> Iterator[tuple[str, Any]]:
    """The state's parts that have a state dict, by name."""
    for name in ("model", "averaged", "optimizer", "critic", "critic_optimizer", "where"):
        yield name, getattr(state, name)


def resume_run(recipe: Recipe, state: State, path: Path) -> None:
    """Load a checkpoint into the state, if there is one.

    Raises:
        DataError: the checkpoint is damaged or of another recipe.
    """
    if not path.exists():
        return
    content = _checkpoint(recipe, path)
    for name, module in _modules(state):
        module.load_state_dict(content["modules"][name])
    state.prices.log_prices = content["log_prices"]
    state.step, state.seconds = content["step"], content["seconds"]


def _checkpoint(recipe: Recipe, path: Path) -> dict[str, Any]:
    content = read(path)
    require_same(recipe, recipe_in(content, path), path)
    return content


def export(recipe: Recipe, out: Path, target: Path, initial: Path | None = None) -> None:
    """Write the averaged model of the checkpoint in ``out`` as a weights file, with a card of its training.

    initial: the weights that training started from; if only the decoder was trained, everything that decides symbols is
    taken from there, bit for bit.

    Raises:
        DataError: there is no checkpoint, or it is of another recipe.
        UsageError: only the decoder was trained, and ``initial`` is missing.
    """
    content = _checkpoint(recipe, out / "checkpoint.pt")
    model = HscModel(recipe.networks())
    model.load_state_dict(content["modules"]["averaged"])
    continue_gains(model, len(recipe.rates))
    card = {
        "licence": recipe.licence,
        "data": content["source"],
        "recipe": dataclasses.asdict(recipe),
        "steps": content["step"],
        "hours": round(content["seconds"] / 3600, 2),
        "hardware": f"{content['device']}, {content['processes']} processes of {content['threads']} threads, torch "
        f"{torch.__version__}",
        "initial": content["initial"],
    }
    if content.get("teachers"):
        card["teachers"] = content["teachers"]
    if recipe.on_generator:
        card |= {"generator": f"{content['generator']}, sha256 {recipe.generator}", "networks": content["judges"]}
    if recipe.decoder_steps < recipe.total:
        model.freeze()
    elif initial is None:
        raise UsageError("only the decoder was trained; give the weights that make the symbols with --initial")
    else:
        model = files.load(str(initial)).with_decoder_of(model)
    files.save(model, target, card)
