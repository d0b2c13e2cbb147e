"""The light network: how F follows w when w is moved, for editing in the bitstream.

    w_hat ──┐                                        w1 = w_hat + step * direction ──┐
    F_hat ──M──> what this light makes of F          F_hat ──────────────────────────M──> what that light would
                         └──────────────── F1 = F_hat + M(F_hat, w1) - M(F_hat, w_hat) ──────────┘

The paper's generator has layers below F, and F follows w by the change of what they make: F1 = F_hat + G_n(w1) -
G_n(w_hat). A generator that starts at F has none, and an F that carries everything leaves w nothing to rule. M stands
in their place: each sample of F, scaled and shifted by w, in two layers. Light multiplies what is there, so M sees F as
well as w. A step of 0 changes nothing, whatever M is.

It is a file of its own beside the codec's weights, knows which model it fits, and decoding never reads it.
``hsc.training.light`` trains it on scenes in two lights.

Source: ours, after Li et al. 2025 (see ``hsc.codec``); scaling by w: Perez et al. 2018, "FiLM".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.errors import DataError
from hsc.files.atomic_files import replacing
from hsc.files.tensor_files import outline, read_about, read_tensors, shapes_of

_FILM = 32


class LightNetwork(nn.Module):
    """channels: of F. style_dim: length of W+ as one vector. width: of the hidden layers.

    Before training, ``set_scales``: mean and deviation of F's channels (C,), and of W+ (n * d,).
    """

    feature_mean: Tensor
    feature_scale: Tensor
    word_mean: Tensor
    word_scale: Tensor

    def __init__(self, channels: int, style_dim: int, width: int = 64) -> None:
        super().__init__()
        self.width = width
        self.enter, self.inner, self.leave = (
            nn.Conv2d(channels, width, 1),
            nn.Conv2d(width, width, 1),
            nn.Conv2d(width, channels, 1),
        )
        self.film = nn.Sequential(nn.Linear(style_dim, _FILM), nn.LeakyReLU(0.2), nn.Linear(_FILM, 4 * width))
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
        self.register_buffer("feature_mean", torch.zeros(channels))
        self.register_buffer("feature_scale", torch.ones(channels))
        self.register_buffer("word_mean", torch.zeros(style_dim))
        self.register_buffer("word_scale", torch.ones(style_dim))

    def set_scales(self, feature_mean: Tensor, feature_scale: Tensor, word_mean: Tensor, word_scale: Tensor) -> None:
        """Set what F and W+ are measured in."""
        self.feature_mean.copy_(feature_mean)
        self.feature_scale.copy_(feature_scale)
        self.word_mean.copy_(word_mean)
        self.word_scale.copy_(word_scale)

    def forward(self, feature: Tensor, w_from: Tensor, w_to: Tensor) -> Tensor:
        """F as it would be in another light: (B, C, h, w), twice (B, n, d) -> (B, C, h, w)."""
        x = (feature - self.feature_mean[:, None, None]) / self.feature_scale[:, None, None]
        change = self._seen(x, w_to) - self._seen(x, w_from)
        moved: Tensor = feature + change * self.feature_scale[:, None, None]
        return moved

    def _seen(self, x: Tensor, w: Tensor) -> Tensor:
        style_dim = (w.flatten(1) - self.word_mean) / self.word_scale
        first, shift, second, bias = self.film(style_dim)[:, :, None, None].chunk(4, 1)
        x = functional.leaky_relu(self.enter(x) * (1 + first) + shift, 0.2)
        x = functional.leaky_relu(self.inner(x) * (1 + second) + bias, 0.2)
        made: Tensor = self.leave(x)
        return made


def save_light(network: LightNetwork, path: Path, fits: str, about: Mapping[str, Any]) -> None:
    """Write float16 safetensors, whole or not at all. fits: fingerprint of the model, in hex. about: plain values for
    people.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().half().contiguous() for name, tensor in network.state_dict().items()}
    metadata = {"light": json.dumps({"fits": fits, **about}, sort_keys=True)}
    with replacing(path) as part:
        save_file(tensors, part, metadata)


def load_light(path: Path, fits: str) -> LightNetwork:
    """A frozen light network.

    Raises:
        DataError: the file is missing, damaged, no light network, holds what are no numbers, or is one of another
        model.
    """
    try:
        about, shapes = read_about(path, "light") or {}, shapes_of(path)
        sizes = tuple(shapes[name][0] for name in ("feature_mean", "word_mean", "enter.bias"))
        asked = outline(lambda: LightNetwork(*sizes), path)
        if asked != shapes or min(sizes) < 1:
            differ = sorted(name for name in asked.keys() | shapes.keys() if asked.get(name) != shapes.get(name))
            raise ValueError(f"its tensors do not fit each other at {', '.join(differ[:3])}")
        tensors = read_tensors(path, single=True)
        network = LightNetwork(*sizes)
        network.load_state_dict(tensors)
    except (DataError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise DataError(f"{path} is no light network: {error}; train one with python -m hsc.training.light") from error
    if min(float(tensors[name].min()) for name in ("feature_scale", "word_scale")) <= 0:
        raise DataError(
            f"{path} measures F or W+ in units of 0 or less; train it again with python -m hsc.training.light"
        )
    if about.get("fits") != fits:
        raise DataError(
            f"{path.name} fits the model {str(about.get('fits'))[:12]}, not {fits[:12]}; train one for this model"
        )
    return network.eval().requires_grad_(False)
