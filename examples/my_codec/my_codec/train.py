"""Trains the codec's weights, in seconds on a CPU.

python -m my_codec.train --out weights.safetensors --steps 300
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks import DATASETS
from hsc import use_device
from my_codec.codec import step_of
from my_codec.network import Network

SIDE = 64
"""Pixels along a side of what is trained on."""
BITS = 2.0
"""The weight of the rate against the squared error, in steps of the quantiser."""


def train(images: list[np.ndarray], steps: int, seed: int = 0, device: str = "cpu") -> Network:
    """A network trained on crops of images, uint8 (H, W, 3), at all qualities at once."""
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    network = Network().to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for number in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * (1 - number / steps)
        x = torch.from_numpy(np.stack([_crop(images[draw.integers(len(images))], draw) for _ in range(8)])).to(device)
        x = x.permute(0, 3, 1, 2).float() - 128
        step = step_of(int(draw.integers(1, 7)))
        error, bits = costs(network, x, step, noisy=True)
        loss = error + BITS * bits / 64
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if number % 100 == 0 or number == steps - 1:
            sys.stderr.write(f"step {number}: error {error.item():.4f}, bits {bits.item():.3f}\n")
    return network.cpu()


def costs(network: Network, x: torch.Tensor, step: float, *, noisy: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The squared error in quantiser steps, and about how many bits a symbol takes.

    x: float (N, 3, H, W), -128 to 127. noisy: rounding has no gradient, so noise of the same size stands in for it.
    """
    y = network.encode(x, step)
    quantised = y + torch.rand_like(y) - 0.5 if noisy else y.round()
    error = (network.decode(quantised, step) - x).square().mean() / step**2
    return error, torch.log2(1 + y.abs()).mean()


def _crop(image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    top, left = (int(draw.integers(0, length - SIDE + 1)) for length in image.shape[:2])
    return image[top : top + SIDE, left : left + SIDE]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m my_codec.train", description="Train the codec's weights.")
    parser.add_argument("--dataset", default="roadscenes(split=train)", help="what to train on (default: %(default)s)")
    parser.add_argument("--images", type=int, default=16, help="how many of its images (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("weights.safetensors"), help="default: %(default)s")
    options = parser.parse_args()
    dataset = DATASETS.build(options.dataset)
    images = [dataset.load(index).image for index in range(min(options.images, len(dataset)))]
    with use_device(options.device):
        network = train(images, options.steps, device=options.device)
    save_file({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}, options.out)


if __name__ == "__main__":
    main()
