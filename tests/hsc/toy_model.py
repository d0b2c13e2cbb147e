"""A small layered model with random weights: w, then four slices of F, as a trained codec would have them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from hsc.entropy_coding.cdf_tables import build_counted_tables, build_gaussian_tables, gaussian_scales
from hsc.entropy_coding.container import Header
from hsc.entropy_coding.integer_nets import IntegerSequence, requantise, scale_levels
from hsc.entropy_coding.layered_stream import Layer, Parameters

STRIDE, WORDS, CHANNELS, SLICES, CONTEXT = 16, 16, 6, 4, 8


class ToyModel:
    """16 symbols of w by a factorised prior, 4 slices of 6 channels at stride 16 by Gaussians given w and earlier
    slices.
    """

    layers = 1 + SLICES

    def __init__(self, seed: int = 0, slices: int = SLICES, channels: int = CHANNELS) -> None:
        random = np.random.default_rng(seed)
        self.layers, self.channels = 1 + slices, channels
        self.w_tables = build_counted_tables(np.rint(random.normal(0, 3, (2000, WORDS))).astype(np.int32))
        self.gaussians = build_gaussian_tables(gaussian_scales(20, 0.11, 16.0), phases=4)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.from_w = IntegerSequence([WORDS, 16, CONTEXT], kernel=1).eval()
            self.nets = [IntegerSequence([CONTEXT + i * channels, 16, 2 * channels]).eval() for i in range(slices)]
        for net in (self.from_w, *self.nets):
            net.freeze()
        digest = hashlib.sha256(self.w_tables.frequencies.tobytes() + self.gaussians.frequencies.tobytes())
        for net in (self.from_w, *self.nets):
            for tensor in net.integer_tensors().values():
                digest.update(tensor.numpy().tobytes())
        self.fingerprint = digest.digest()

    @torch.no_grad()
    def parameters(self, number: int, earlier: Sequence[Layer], header: Header) -> Parameters:
        if number == 0:
            return Parameters(self.w_tables, np.arange(WORDS))
        height, width = (-(-side // STRIDE) for side in header.image_hw)
        w = torch.from_numpy(earlier[0].symbols).reshape(1, WORDS, 1, 1)
        context = self.from_w(requantise(w, 64)).expand(1, CONTEXT, height, width)
        slices = [requantise(torch.from_numpy(layer.symbols)[None], 64) for layer in earlier[1:]]
        mean, scale = self.nets[number - 1](torch.cat([context, *slices], dim=1)).chunk(2, 1)
        level = scale_levels(scale, self.gaussians.groups)
        quarter = torch.floor(mean / 4)  # this toy's tables have 4 phases, not 16
        return Parameters(self.gaussians, level[0].numpy().astype(np.int64), quarter[0].numpy().astype(np.int64))

    def draw(self, seed: int):
        """A ``quantise`` that draws symbols as the model expects them."""
        random = np.random.default_rng(seed)
        scales = gaussian_scales(20, 0.11, 16.0)

        def quantise(number: int, parameters: Parameters):
            if number == 0:
                return np.rint(random.normal(0, 3, WORDS)).astype(np.int32)
            return np.rint(random.normal(parameters.mean / 4, scales[parameters.index])).astype(np.int32)

        return quantise
