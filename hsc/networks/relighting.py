"""The light network M: the change of F that follows a change of w, for editing in the bitstream.

    w_hat ──┐                                        w1 = w_hat + step * direction ──┐
    F_hat ──M──> M(F_hat, w_hat)                     F_hat ──────────────────────────M──> M(F_hat, w1)
                         └──────────────── F1 = F_hat + M(F_hat, w1) - M(F_hat, w_hat) ──────────┘

The paper's generator has layers below F, and F follows w by the change of their output: F1 = F_hat + G_n(w1) -
G_n(w_hat). A generator that starts at F has no such layers, and where F carries everything, w controls nothing. M takes
their place: two layers on each sample of F, scaled and shifted by w. Light multiplies the scene, so M reads F as well
as w. A step of 0 changes nothing, whatever M is.

The network is a separate file beside the codec's weights and names the model it fits; decoding never reads it.
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
    """The light network, randomly initialised.

    channels: channels of F. style_dim: length of W+ as one vector. width: channels of the hidden layers.
    Before training, call ``set_scales`` with mean and deviation of F's channels, (C,), and of W+, (n * d,).
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
        """Set the statistics by which F, (C,), and W+, (n * d,), are normalised."""
        self.feature_mean.copy_(feature_mean)
        self.feature_scale.copy_(feature_scale)
        self.word_mean.copy_(word_mean)
        self.word_scale.copy_(word_scale)

    def forward(self, feature: Tensor, w_from: Tensor, w_to: Tensor) -> Tensor:
        """F in another light: F (B, C, h, w) in the light of w_from (B, n, d) -> (B, C, h, w) in that of w_to."""
        x = (feature - self.feature_mean[:, None, None]) / self.feature_scale[:, None, None]
        change = self._lit(x, w_to) - self._lit(x, w_from)
        relit: Tensor = feature + change * self.feature_scale[:, None, None]
        return relit

    def _lit(self, x: Tensor, w: Tensor) -> Tensor:
        """M(F, w) of normalised F."""
        styles = (w.flatten(1) - self.word_mean) / self.word_scale
        first, shift, second, bias = self.film(styles)[:, :, None, None].chunk(4, 1)
        x = functional.leaky_relu(self.enter(x) * (1 + first) + shift, 0.2)
        x = functional.leaky_relu(self.inner(x) * (1 + second) + bias, 0.2)
        y: Tensor = self.leave(x)
        return y


def save_light(network: LightNetwork, path: Path, fits: str, about: Mapping[str, Any]) -> None:
    """Write a light network as float16 safetensors, whole or not at all.

    fits: fingerprint of the model, in hex. about: plain values for people.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().half().contiguous() for name, tensor in network.state_dict().items()}
    metadata = {"light": json.dumps({"fits": fits, **about}, sort_keys=True)}
    with replacing(path) as part:
        save_file(tensors, part, metadata)


def load_light(path: Path, fits: str) -> LightNetwork:
    """Load a frozen light network. fits: fingerprint of the model it must fit, in hex.

    Raises:
        DataError: the file is missing, damaged, no light network, holds values that are not finite, or fits another
            model.
    """
    try:
        about, shapes = read_about(path, "light") or {}, shapes_of(path)
        sizes = tuple(shapes[name][0] for name in ("feature_mean", "word_mean", "enter.bias"))
        expected = outline(lambda: LightNetwork(*sizes), path)
        if expected != shapes or min(sizes) < 1:
            differing = sorted(n for n in expected.keys() | shapes.keys() if expected.get(n) != shapes.get(n))
            raise ValueError(f"its tensors do not fit each other at {', '.join(differing[:3])}")
        tensors = read_tensors(path, single=True)
        network = LightNetwork(*sizes)
        network.load_state_dict(tensors)
    except (DataError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise DataError(f"{path} is no light network: {error}; train one with python -m hsc.training.light") from error
    if min(float(tensors[name].min()) for name in ("feature_scale", "word_scale")) <= 0:
        raise DataError(
            f"{path} normalises F or W+ by scales of 0 or less; train it again with python -m hsc.training.light"
        )
    if about.get("fits") != fits:
        raise DataError(
            f"{path.name} fits the model {str(about.get('fits'))[:12]}, not {fits[:12]}; train one for this model"
        )
    return network.eval().requires_grad_(False)
