"""A step of the optimizer, its learning rate, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hsc.training import distributed


def learning_rate_at(peak: float, step: int, warmup: int, decay: float) -> float:
    """A linear warm-up over some steps, then half a cosine down to a fiftieth of the peak. decay: its share, 0 to 1."""
    rise = min(1.0, (step + 1) / max(1, warmup))
    return float(peak * rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * decay))))


def take_step(
    optimizer: torch.optim.Optimizer, loss: Tensor, rate: float, parameters: Sequence[nn.Parameter], most_norm: float
) -> None:
    """Move all parameters of an optimizer against the gradient of a loss.

    rate: the learning rate, times the "factor" of a parameter group that has one. parameters: those whose gradients are
    averaged over processes, and together cut to a norm of ``most_norm``.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    distributed.average_gradients(list(parameters))
    norm = nn.utils.clip_grad_norm_(parameters, most_norm)
    if bool(torch.isfinite(norm)):  # one bad batch must not end a run
        optimizer.step()


@torch.no_grad()
def update_average(averaged: nn.Module, model: nn.Module, most_kept: float, step: int) -> None:
    """Move averaged parameters towards the current ones. most_kept: the share that stays, less in the first steps.

    Buffers, such as the running statistics of batch norms, are copied.
    """
    kept = min(most_kept, step / (10 + step))
    torch._foreach_lerp_(list(averaged.parameters()), list(model.parameters()), 1 - kept)
    for mean, current in zip(averaged.buffers(), model.buffers(), strict=True):
        mean.copy_(current)
