"""Trains a small StyleGAN2 of the config ``toy`` within minutes: ``python -m hsc.training.small_generator --help``.

    z ──mapping, synthesis──> images ─┐
    squares of shards, 64x64 ─────────┴──critic──> one logit each

It stands in for a generator that somebody trained for days, so that the path and the studies on a frozen generator can
be run anywhere. Its pictures show a street's layout and colours, and no more.

The losses are those of ``hsc.training.patch_critic``: non-saturating, R1 every few steps, augmentation of real and
drawn images alike. There is no style mixing, no path-length term and no noise. Source: Karras et al. 2020, "Analyzing
and Improving the Image Quality of StyleGAN", whose critic is residual and far larger.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from hsc.errors import UsageError
from hsc.files.atomic_files import replacing
from hsc.networks.config import GeneratorConfig
from hsc.networks.profiles import TOY
from hsc.networks.stylegan2 import StyleGAN2
from hsc.training.checkpoint_file import keep, resume
from hsc.training.command_line import ended, show
from hsc.training.optimisation import update_average
from hsc.training.patch_critic import critic_loss, texture_loss
from hsc.training.shards import Frames, read_frames

_RATE, _BETAS = 2e-3, (0.0, 0.99)
_PENALTY, _PENALTY_EVERY = 1.0, 16
_KEPT = 0.99
_LOG_EVERY = 50
_EXAMPLES = """examples:
  hsc-bench export-shards "roadscenes(split=train)" --first 0 --count 400 --out shards
  python -m hsc.training.small_generator --data shards --out runs/generator.safetensors --steps 1000
  python -m hsc.training --config toy --generator runs/generator.safetensors --out runs/toy

An interrupted run continues from its last checkpoint when the same command is given again."""


class ImageCritic(nn.Module):
    """Tells real images of a side from drawn ones, randomly initialised: convolutions of stride 2 down to 4x4.

    The deviation over the batch is one more channel there (Karras et al. 2018, "Progressive Growing of GANs", section
    3), so that drawing the same image again and again is noticed.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs, outputs = 3, 24
        while side > 4:
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.2)]
            inputs, outputs, side = outputs, min(2 * outputs, 96), side // 2
        self.down = nn.Sequential(*layers)
        self.out = nn.Sequential(nn.Conv2d(inputs + 1, 96, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(96, 1, 4))

    def forward(self, images: Tensor) -> Tensor:
        """Logits: images (B, 3, side, side), -1 to 1 -> (B, 1, 1, 1); above 0 an image looks real."""
        x = self.down(images)
        spread = (x.var(0, unbiased=False) + 1e-8).sqrt().mean().expand(len(x), 1, *x.shape[2:])
        logits: Tensor = self.out(torch.cat([x, spread], 1))
        return logits


def squares(frames: Frames, side: int, count: int, seed: int) -> Tensor:
    """Random squares of images, as large as fit, mirrored in half of the cases: (count, 3, side, side), -1 to 1."""
    random = np.random.default_rng(seed)
    chosen = []
    for number in random.integers(len(frames.images), size=count):
        image = frames.images[number]
        short = min(image.shape[:2])
        top, left = (int(random.integers(length - short + 1)) for length in image.shape[:2])
        square = image[top : top + short, left : left + short][:, :: 1 - 2 * int(random.integers(2))]
        pixels = torch.from_numpy(np.ascontiguousarray(square)).permute(2, 0, 1)[None].float() / 127.5 - 1
        chosen.append(functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True))
    return torch.cat(chosen).clamp(-1, 1)


def train_generator(
    data: Path,
    out: Path,
    *,
    steps: int,
    batch: int = 8,
    seed: int = 0,
    config: GeneratorConfig = TOY.generator,
    checkpoint_s: float = 60.0,
    stop_at: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Train a generator on a folder of shards; write its average over the last steps as ``load_generator`` reads it.

    stop_at: leave a checkpoint there, and write no generator. report: called with one line of progress at a time.

    Raises:
        UsageError: steps or batch are below 1, or ``out`` does not end in .safetensors.
        DataError: the shards or the checkpoint are damaged.
    """
    if steps < 1 or batch < 1 or out.suffix != ".safetensors":
        raise UsageError(
            f"steps, batch and out came as {steps}, {batch} and {out}, expected 1 or more, and a .safetensors file"
        )
    frames = read_frames(data)
    torch.manual_seed(seed)
    generator, critic = StyleGAN2(config), ImageCritic(config.resolution)
    with torch.no_grad():
        for rgb in generator.rgbs.values():
            rgb.weight.mul_(1 / len(generator.rgbs))  # type: ignore[operator]
    averaged = copy.deepcopy(generator)
    optimizers = [torch.optim.Adam(network.parameters(), _RATE, _BETAS) for network in (generator, critic)]
    parts: dict[str, Any] = {"generator": generator, "critic": critic, "averaged": averaged}
    parts |= {"generator_optimizer": optimizers[0], "critic_optimizer": optimizers[1]}
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = out.with_suffix(".checkpoint")
    first, last = resume(checkpoint, parts), min(steps, stop_at or steps)
    began = saved = time.monotonic()
    for step in range(first, last):
        losses = _advance(generator, critic, optimizers, frames, batch, [seed, step])
        update_average(averaged, generator, _KEPT, step + 1)
        if (step + 1) % _LOG_EVERY == 0 or step + 1 == last:
            left_s = (time.monotonic() - began) / (step + 1 - first) * (steps - step - 1)
            report(f"generator {step + 1}/{steps} loss {losses[0]:.2f} critic {losses[1]:.2f} {left_s:.0f} s left")
        if step + 1 == last < steps or time.monotonic() - saved > checkpoint_s:
            keep(checkpoint, step + 1, parts)
            saved = time.monotonic()
    if last < steps:
        return
    assert averaged.mapping is not None
    averaged.mapping.w_mean.copy_(averaged.mapping.estimate_mean())
    about = {"steps": steps, "batch": batch, "seed": seed, "data": frames.source}
    with replacing(out) as part:
        tensors = {name: tensor.detach().contiguous() for name, tensor in averaged.state_dict().items()}
        save_file(tensors, part, metadata={"hsc": json.dumps(about, sort_keys=True)})
    checkpoint.unlink(missing_ok=True)


def _advance(
    generator: StyleGAN2,
    critic: ImageCritic,
    optimizers: list[torch.optim.Adam],
    frames: Frames,
    batch: int,
    seeds: list[int],
) -> tuple[float, float]:
    """Train critic and generator one step; their losses. seeds: of the run, and the number of the step."""
    seed = int(np.random.default_rng([*seeds, 8]).integers(1 << 62))
    z = torch.randn(2 * batch, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    real = squares(frames, generator.config.resolution, batch, seed)
    with torch.no_grad():
        drawn = generator(generator.map(z[:batch]))
    penalty = _PENALTY * _PENALTY_EVERY if seeds[-1] % _PENALTY_EVERY == 0 else 0.0
    critic.requires_grad_(True)
    of_critic = _moved(optimizers[1], critic_loss(critic, real, drawn, seed + 1, penalty))
    critic.requires_grad_(False)
    drawn = generator(generator.map(z[batch:]))
    return _moved(optimizers[0], texture_loss(critic, drawn, seed + 2).mean()), of_critic


def _moved(optimizer: torch.optim.Adam, loss: Tensor) -> float:
    """Move an optimizer's parameters against the gradient of a loss; the loss."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach())


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m hsc.training.small_generator",
        description="Train a small StyleGAN2 for the config toy on thumbnails of image shards, in minutes on a CPU.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--data", required=True, type=Path, help="folder of .npz shards")
    command.add_argument("--out", required=True, type=Path, help="the generator's file to write, .safetensors")
    command.add_argument("--steps", type=int, default=1000, help="(%(default)s)")
    command.add_argument("--batch", type=int, default=8, help="images a step (%(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of everything random (%(default)s)")
    command.add_argument(
        "--threads", type=int, help="torch's threads; results are reproducible for one number of threads"
    )
    return command


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit code: 0, 1 if interrupted, or 2 after one sentence on stderr."""
    given = parser().parse_args(argv)
    if given.threads:
        torch.set_num_threads(given.threads)
    return ended(
        lambda: train_generator(
            given.data, given.out, steps=given.steps, batch=given.batch, seed=given.seed, report=show
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
