"""The card of trained weights: what a reader must know before relying on their numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

_RECIPE = ("steps", "seed", "batch", "height", "width", "learning_rate", "weight_decay", "warmup", "average")


def card(path: Path, about: Mapping[str, Any], images: int, seconds: float, device: str) -> str:
    """The card in Markdown for the weights at ``path``; scores are added by hand.

    about: the weights file's own description. images: number of training images. seconds: training time.
    """
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        parameters = sum(file.get_tensor(name).numel() for name in file.keys() if "num_batches" not in name)  # noqa: SIM118 - no mapping
    recipe = about["recipe"]
    rows = {
        "data": f"{images} images: {about['source']}",
        "augmentation": _augmentation(about),
        "from": about["initial"] or "random weights",
        "recipe": ", ".join(f"{name} {recipe[name]}" for name in _RECIPE)
        + "; AdamW, cosine, moving average of the weights",
        "loss": f"lovasz weight {recipe['lovasz']}"
        if recipe["task"] == "segmentation"
        else "as downstream/training says",
        **_adaptation(about),
        "held out": _held_out(about),
        "time": f"{seconds / 60:.0f} minutes on {_place(device)}, torch {torch.__version__}",
        "weights": f"float16 safetensors, {path.stat().st_size} bytes, sha256 "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}",
    }
    lines = [
        f"# {path.stem}",
        "",
        f"Network for {recipe['task']}, architecture {about['arch']}, {parameters / 1e6:.2f} M values, computed in "
        f"float32.",
        f"Classes: {', '.join(about['classes'])}.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {text} |" for name, text in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def _augmentation(about: Mapping[str, Any]) -> str:
    if about["recipe"]["input"] == "clean":
        return "flip, scale, crop, colour; no compression, no blur, no noise"
    return "flip, scale, crop, all before coding; after that only the codec"


def _adaptation(about: Mapping[str, Any]) -> dict[str, str]:
    """Rows for weights that were trained on decoded images or latents; none for other weights."""
    recipe = about["recipe"]
    if recipe["input"] == "clean":
        return {}
    reads = (
        ", ".join(f"{need['name']} {tuple(need['shape'])}" for need in about.get("needs", ()))
        or f"decoded images, zoom {recipe['zoom']}"
    )
    teacher = f"{about['teacher']}, weight {recipe['distil']}" if about["teacher"] else "none"
    return {
        "regime": f"adapted to {about['codec']}, latent space {about['latent_space'] or 'none'}, at all rates of its "
        f"ladder, cut after any layer",
        "reads": reads,
        "teacher": teacher,
    }


def _held_out(about: Mapping[str, Any]) -> str:
    if not about.get("holdout"):
        return "nothing; the weights are the last step's"
    return (
        f"{about['holdout']}; mIoU {about.get('holdout_score')} at step {about.get('step')}, the step of these "
        f"weights, which was chosen on these images"
    )


def _place(device: str) -> str:
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} thread{'s' if threads > 1 else ''} of a CPU"
