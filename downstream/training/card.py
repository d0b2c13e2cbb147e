"""The card of trained weights: what a reader must know before a number rests on them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

_RECIPE = ("steps", "seed", "batch", "height", "width", "learning_rate", "weight_decay", "warmup", "average")


def card(path: Path, about: Mapping[str, Any], images: int, seconds: float, device: str) -> str:
    """Markdown for the weights at ``path``, from what they say of themselves. Where and when they score is for people to add."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        parameters = sum(file.get_tensor(name).numel() for name in file.keys() if "num_batches" not in name)  # noqa: SIM118 - no mapping
    recipe = about["recipe"]
    rows = {
        "data": f"{images} images: {about['source']}",
        "augmentation": "flip, scale, crop, colour; no compression, no blur, no noise",
        "from": about["initial"] or "random weights",
        "recipe": ", ".join(f"{name} {recipe[name]}" for name in _RECIPE) + "; AdamW, cosine, moving average of the weights",
        "loss": f"lovasz weight {recipe['lovasz']}" if recipe["task"] == "segmentation" else "as downstream/training says",
        "held out": _held_out(about),
        "time": f"{seconds / 60:.0f} minutes on {_place(device)}, torch {torch.__version__}",
        "weights": f"float16 safetensors, {path.stat().st_size} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}",
    }
    lines = [
        f"# {path.stem}",
        "",
        f"Network for {recipe['task']}, architecture {about['arch']}, {parameters / 1e6:.2f} M values, computed in float32.",
        f"Classes: {', '.join(about['classes'])}.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {text} |" for name, text in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def _held_out(about: Mapping[str, Any]) -> str:
    if not about.get("holdout"):
        return "nothing; the weights are the last step's"
    return (
        f"{about['holdout']}; mIoU {about.get('holdout_score')} at step {about.get('step')}, whose weights these are: a choice made on these images"
    )


def _place(device: str) -> str:
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} thread{'s' if threads > 1 else ''} of a CPU"
