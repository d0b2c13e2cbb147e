"""Trains the light network on scenes in two lights: ``python -m hsc.training.light --help``.

scene in light A ──codec──> F_hat, w_A ──M──> F in light B  ─┐
scene in light B ──codec──> F_hat, w_B                       ┴── error in pixels of the generator's linear part
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from hsc.errors import DataError, HscError, UsageError
from hsc.networks.model import HscModel
from hsc.networks.relighting import LightNetwork, save_light
from hsc.training.checkpoint_file import keep, resume
from hsc.training.shards import Frames, read_frames
from hsc.weights import files

_EXAMPLES = """examples:
  hsc-bench export-shards "roadscenes(split=train, images=8000)" --first 4000 --count 2000 --relit --out shards/relit
  python -m hsc.training.light --data shards/relit --model mine.safetensors --out mine-light.safetensors

It takes about ten minutes. An interrupted run continues from its last checkpoint when the same command is given
again."""

_BATCH_SCENES = 10
_CHECKPOINT_STEPS = 500


class Pairs(NamedTuple):
    """Scenes in two lights, each scene coded at one quality: F_hat (N, 2, C, h, w) float16, and w_hat (N, 2, n, d)."""

    feature: Tensor
    w_hat: Tensor


@torch.no_grad()
def coded(model: HscModel, frames: Frames, scenes: int, seed: int) -> Pairs:
    """Code scenes in both lights, each scene at a random quality from 1 to 6.

    Raises:
        DataError: the shards have no scenes in another light, or too few.
    """
    if not frames.relit or len(frames.images) < scenes:
        raise DataError(
            f"the shards have {len(frames.relit)} scenes in two lights, {scenes} were requested; export them with "
            f"--relit"
        )
    random = np.random.default_rng([seed, 1])
    feature, w_hat = [], []
    for first in range(0, scenes, _BATCH_SCENES):
        chosen = range(first, min(scenes, first + _BATCH_SCENES))
        quality = torch.from_numpy(random.integers(32, 193, len(chosen)))
        both = [_coded(model, np.stack([light[i] for i in chosen]), quality) for light in (frames.images, frames.relit)]
        feature.append(torch.stack([f.half() for f, _ in both], 1))
        w_hat.append(torch.stack([w for _, w in both], 1))
        if chosen.stop % 200 == 0 or chosen.stop == scenes:
            sys.stderr.write(f"coded {chosen.stop}/{scenes} scenes\n")
    return Pairs(torch.cat(feature), torch.cat(w_hat))


def _coded(model: HscModel, images: npt.NDArray[np.uint8], quality: Tensor) -> tuple[Tensor, Tensor]:
    """F_hat and w_hat of uint8 images, (B, H, W, 3)."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    latents = model.gie(pixels.contiguous(memory_format=torch.channels_last))
    semantics, features = model.compress(latents.w_plus, latents.feature, quality)
    return features.feature, semantics.w_hat


def feature_error(model: HscModel, relit: Tensor, target: Tensor) -> Tensor:
    """Mean square error of F, in pixels of the generator's linear part; of F itself where there is no such part."""
    patches = model.generator.patches
    error = relit - target
    return error.square().mean() if patches is None else functional.conv2d(error, patches.weight).square().mean()


def train(
    model: HscModel,
    pairs: Pairs,
    out: Path,
    *,
    steps: int,
    seed: int,
    batch: int = 16,
    rate: float = 2e-3,
    width: int = 64,
) -> LightNetwork:
    """Train on all pairs, in both directions, and return the network of the last step.

    out: the file to write later; checkpoints are written beside it.
    """
    torch.manual_seed(seed)
    network = LightNetwork(pairs.feature.shape[2], pairs.w_hat[0, 0].numel(), width)
    styles = pairs.w_hat.flatten(0, 1).flatten(1)
    network.set_scales(
        model.fcn.standard.mean,
        model.fcn.standard.scale,
        styles.mean(0),
        styles.std(0).clamp(min=float(styles.std(0).max()) / 30),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    checkpoint = out.with_suffix(".checkpoint")
    parts: dict[str, Any] = {"network": network, "optimizer": optimizer, "schedule": schedule}
    first, total = resume(checkpoint, parts), 0.0
    for step in range(first, steps):
        random = np.random.default_rng([seed, 2, step])
        chosen = torch.from_numpy(random.integers(0, len(pairs.feature), batch))
        light = torch.from_numpy(random.integers(0, 2, batch))
        source, w_from = pairs.feature[chosen, light].float(), pairs.w_hat[chosen, light]
        target, w_to = pairs.feature[chosen, 1 - light].float(), pairs.w_hat[chosen, 1 - light]
        loss = feature_error(model, network(source, w_from, w_to), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
        if (step + 1) % 100 == 0:
            sys.stderr.write(f"light {step + 1}/{steps} error {(total / 100) ** 0.5 * 127.5:.2f} levels\n")
            total = 0.0
        if (step + 1) % _CHECKPOINT_STEPS == 0 and step + 1 < steps:
            keep(checkpoint, step + 1, parts)
    return network.eval().requires_grad_(False)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m hsc.training.light",
        description="Train the small network that changes F with w when a file's light is edited.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--data", required=True, type=Path, help="folder of .npz shards with scenes in two lights")
    command.add_argument("--model", required=True, help="the codec's weights that it should fit, by name or path")
    command.add_argument(
        "--out", required=True, type=Path, help="the file to write: the name of the weights with -light.safetensors"
    )
    command.add_argument("--scenes", type=int, default=2000, help="how many scenes are coded (%(default)s)")
    command.add_argument("--steps", type=int, default=4000, help="steps of 16 scenes (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    return command


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit code: 0, or 2 after one sentence on stderr."""
    chosen = parser().parse_args(argv)
    try:
        if chosen.steps < 20 or chosen.scenes < 1:
            raise UsageError(f"steps and scenes came as {chosen.steps} and {chosen.scenes}, expected at least 20 and 1")
        model, frames = files.load(chosen.model), read_frames(chosen.data)
        network = train(
            model, coded(model, frames, chosen.scenes, chosen.seed), chosen.out, steps=chosen.steps, seed=chosen.seed
        )
        about = {"steps": chosen.steps, "seed": chosen.seed, "scenes": chosen.scenes, "data": frames.source}
        save_light(network, chosen.out, model.fingerprint.hex(), about)
        chosen.out.with_suffix(".checkpoint").unlink(missing_ok=True)
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
