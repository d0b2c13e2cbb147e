"""Training in several processes with ``torch.distributed``; with one process the functions do nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch import distributed as dist


@contextlib.contextmanager
def joined(device: str) -> Iterator[None]:
    """Join the other processes of ``torchrun`` for the length of the block, if it started this one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("gloo" if device == "cpu" else "nccl")
    try:
        yield
    finally:
        dist.destroy_process_group()


def count() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this process; process 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Give every process the mean of all processes' gradients; a parameter without one counts as 0.

    Frozen parameters are left out: with a gradient of 0 the optimizer would still move them, by its momentum.
    """
    if count() == 1:
        return
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= count()
    for parameter, mean in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        parameter.grad = mean.view(parameter.shape)


def gathered(quality: Tensor, bpp: Tensor) -> tuple[Tensor, Tensor]:
    """The qualities and rates of all processes' samples."""
    if count() == 1:
        return quality, bpp
    pair = torch.stack([quality.to(bpp.device).float(), bpp.detach()])
    every = [torch.zeros_like(pair) for _ in range(count())]
    dist.all_gather(every, pair)
    joint = torch.cat(every, 1)
    return joint[0].round().long().cpu(), joint[1]


def summed(values: Tensor) -> Tensor:
    """The sum of all processes' values."""
    total = values.clone()
    if count() > 1:
        dist.all_reduce(total)
    return total


def share(*modules: nn.Module) -> None:
    """Give every process the parameters and buffers of process 0."""
    if count() > 1:
        for module in modules:
            for tensor in [*module.parameters(), *module.buffers()]:
                dist.broadcast(tensor.data, 0)


def agreed(decision: bool) -> bool:
    """The decision of process 0: clocks differ, but all processes have to save at the same step."""
    if count() == 1:
        return decision
    flag = torch.tensor([float(decision)])
    if dist.get_backend() == "nccl":
        flag = flag.cuda()
    dist.broadcast(flag, 0)
    return bool(flag.item())
