"""The identity of frozen weights: hashes of their stored arrays, and the latents that these name; no network is built.

profile, arrays by name ──sha256──> fingerprint (all of them), space (those that decide symbols and their values)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hsc.api import LatentSpec
from hsc.networks.config import Profile
from hsc.networks.profiles import profile_to_json

DECODER = ("fcn.synthesis.", "generator.")
"""Starts of the names of arrays that decide neither symbols nor their values."""


class Identity(NamedTuple):
    """The identity of frozen weights.

    fingerprint: sha256 of the profile and all arrays as they are stored, 32 bytes. space: the same without the decoder,
    so models that differ only in the decoder share it.
    """

    profile: Profile
    fingerprint: bytes
    space: bytes

    def latent_specs(self) -> tuple[LatentSpec, ...]:
        """The latents: w_hat (n, w_dim), y_hat (M, h', w'), F_hat (C, h, w) and perhaps w_map and E_hat.

        The rows of w_hat are the styles, followed by the coefficients of a coarse map where the model has one; y_hat is
        then that of F less what the map predicts, and w_map (width, h, w) is what the prediction is a linear function
        of at every position. Symbols decide w_hat, y_hat and w_map, whose space is shared by models that differ only in
        the decoder; F_hat and E_hat, (K, h, w), are in the space of these very weights.
        """
        profile, space, own_space = self.profile, self.space.hex(), self.fingerprint.hex()
        encoder = profile.encoder

        def of_map(name: str, channels: int, stride: int, space: str) -> LatentSpec:
            side = None if encoder.input_size is None else -(-encoder.input_size // stride)
            return LatentSpec(name, (channels, side, side), stride if side is None else 0, space)

        specs: tuple[LatentSpec, ...] = (
            LatentSpec("w_hat", (profile.word_rows, encoder.w_dim), 0, space),
            of_map("y_hat", profile.feature.channels, encoder.stride * profile.feature.stride, space),
        )
        if profile.coarse_map is not None and not profile.coarse_map.silent:
            specs += (of_map("w_map", profile.coarse_map.width, encoder.stride, space),)
        specs += (of_map("F_hat", encoder.feature_channels, encoder.stride, own_space),)
        if profile.detail is not None:
            specs += (of_map("E_hat", profile.detail.channels, encoder.stride, own_space),)
        return specs


def identity_of(profile: Profile, arrays: Mapping[str, npt.NDArray[Any]]) -> Identity:
    """The identity of the arrays of a weights file, by their names there."""
    return Identity(profile, digest(profile, arrays), digest(profile, arrays, without=DECODER))


def digest(profile: Profile, arrays: Mapping[str, npt.NDArray[Any]], without: tuple[str, ...] = ()) -> bytes:
    """sha256 of a profile and arrays, 32 bytes. without: starts of the names of arrays that are left out."""
    hashed = hashlib.sha256(profile_to_json(profile).encode())
    for name, array in sorted(arrays.items()):
        if not name.startswith(without):
            hashed.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
            hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.digest()
