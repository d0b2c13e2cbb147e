"""Trains the light network on scenes in two lights: ``python -m hsc.training.light --help``.

scene in light A ──codec──> F_hat, w_A ──M──> F in light B  ─┐
scene in light B ──codec──> F_hat, w_B                       ┴── error, as the generator's linear part shows it
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
  python -m benchmarks.export "roadscenes(split=train, images=8000)" --first 4000 --count 2000 --relit --out shards/relit
  python -m hsc.training.light --data shards/relit --model mine.safetensors --out mine-light.safetensors

It takes some ten minutes. A run that was stopped goes on where its last checkpoint stands when the same command is given again."""

_AT_ONCE = 10
_SAVED_EVERY = 500


class Pairs(NamedTuple):
    """The same scenes in two lights, coded at one quality: F_hat (N, 2, C, h, w) float16, w_hat (N, 2, n, d)."""

    feature: Tensor
    words: Tensor


@torch.no_grad()
def coded(model: HscModel, frames: Frames, scenes: int, seed: int) -> Pairs:
    """Scenes in both lights, each at a quality of its own from 1 to 6.

    Raises:
        DataError: the shards do not show scenes in another light, or too few.
    """
    if not frames.relit or len(frames.images) < scenes:
        raise DataError(
            f"the shards show {len(frames.relit)} scenes in two lights, {scenes} were asked for; export them with "
            f"--relit"
        )
    random = np.random.default_rng([seed, 1])
    feature, words = [], []
    for first in range(0, scenes, _AT_ONCE):
        chosen = range(first, min(scenes, first + _AT_ONCE))
        quality = torch.from_numpy(random.integers(32, 193, len(chosen)))
        both = [_coded(model, np.stack([light[i] for i in chosen]), quality) for light in (frames.images, frames.relit)]
        feature.append(torch.stack([f.half() for f, _ in both], 1))
        words.append(torch.stack([w for _, w in both], 1))
        if chosen.stop % 200 == 0 or chosen.stop == scenes:
            sys.stderr.write(f"coded {chosen.stop}/{scenes} scenes\n")
    return Pairs(torch.cat(feature), torch.cat(words))


def _coded(model: HscModel, images: npt.NDArray[np.uint8], quality: Tensor) -> tuple[Tensor, Tensor]:
    found = model.gie(
        torch.from_numpy(images)
        .permute(0, 3, 1, 2)
        .float()
        .div_(127.5)
        .sub_(1)
        .contiguous(memory_format=torch.channels_last)
    )
    semantics, features = model.compress(found.w_plus, found.feature, quality)
    return features.feature, semantics.w_hat


def shown_apart(model: HscModel, made: Tensor, wanted: Tensor) -> Tensor:
    """Mean square error of two F as the generator's linear part shows them, in pixels; of F itself where it has none."""
    patches = model.generator.patches
    error = made - wanted
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
    """Train on all pairs, in both directions, and return the network of the last step; checkpoints stand beside
    ``out``.
    """
    torch.manual_seed(seed)
    channels, words = pairs.feature.shape[2], pairs.words[0, 0].numel()
    network = LightNetwork(channels, words, width)
    spread = pairs.words.flatten(0, 1).flatten(1)
    network.set_scales(
        model.fcn.standard.mean,
        model.fcn.standard.scale,
        spread.mean(0),
        spread.std(0).clamp(min=float(spread.std(0).max()) / 30),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    kept = out.with_suffix(".checkpoint")
    parts: dict[str, Any] = {"network": network, "optimizer": optimizer, "schedule": schedule}
    first, total = resume(kept, parts), 0.0
    for step in range(first, steps):
        random = np.random.default_rng([seed, 2, step])
        chosen = torch.from_numpy(random.integers(0, len(pairs.feature), batch))
        light = torch.from_numpy(random.integers(0, 2, batch))
        seen, w_from = pairs.feature[chosen, light].float(), pairs.words[chosen, light]
        wanted, w_to = pairs.feature[chosen, 1 - light].float(), pairs.words[chosen, 1 - light]
        loss = shown_apart(model, network(seen, w_from, w_to), wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
        if (step + 1) % 100 == 0:
            sys.stderr.write(f"light {step + 1}/{steps} error {(total / 100) ** 0.5 * 127.5:.2f} levels\n")
            total = 0.0
        if (step + 1) % _SAVED_EVERY == 0 and step + 1 < steps:
            keep(kept, step + 1, parts)
    return network.eval().requires_grad_(False)


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m hsc.training.light",
        description="Train the small network that says how F follows w when a file's light is edited.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, type=Path, help="folder of .npz shards with scenes in two lights")
    parser.add_argument("--model", required=True, help="the codec's weights it should fit, by name or path")
    parser.add_argument(
        "--out", required=True, type=Path, help="the file to write: that of the weights, ending in -light.safetensors"
    )
    parser.add_argument("--scenes", type=int, default=2000, help="how many are coded (%(default)s)")
    parser.add_argument("--steps", type=int, default=4000, help="of 16 scenes (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(argv)
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
