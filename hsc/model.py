"""The networks of the codec as one: what is trained, and what a weights file holds.

    images ──GIE──> W+, F ──SCN──> w_hat ────────────┐
                        └──FCN(. | w_hat)──> F_hat ──┴──generator──> images again

Training runs ``forward`` in ``train()`` mode. Its losses read:

    semantics.bits (B,), features.bits (B, layers)      the rate: what coding costs; its gradient is that of noise for rounding
    w_plus and semantics.w_hat                           distortion of the semantics
    feature and features.feature                         distortion of F (detach ``feature`` to keep GIE out of it)
    image                                                pixels, perceptual, semantic consistency: through the generator

``freeze`` ends training: floats are rounded to the 16 bits they are stored in, integer networks and quality tables are fixed,
probability tables are made, and all of that is hashed into the fingerprint that files name. It changes the weights in
place; freeze a copy (``copy.deepcopy``) to look at the real codec in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from hsc.entropy import EntropyModel
from hsc.errors import DataError, UsageError
from hsc.fcn import FCN, Features
from hsc.gaussians import SCALES
from hsc.generator import StyleGAN2
from hsc.integer_nets import IntegerSequence
from hsc.inversion import GIE
from hsc.profiles import Profile, profile_to_json
from hsc.quality import QualityTable
from hsc.scn import SCN, Semantics
from hsc.tables import CdfTables

Arrays = Mapping[str, npt.NDArray[Any]]

_TABLES = "tables."


class Reconstruction(NamedTuple):
    """image: (B, 3, H, W) float32, about -1 to 1. w_plus (B, n, d) and feature (B, C, h, w): before coding."""

    image: Tensor
    w_plus: Tensor
    feature: Tensor
    semantics: Semantics
    features: Features


class HscModel(nn.Module):
    """GIE, SCN, FCN and generator of a profile, randomly initialised; ``hsc.weights`` loads trained ones."""

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self.profile = profile
        encoder, semantic = profile.encoder, profile.semantic
        self.gie = GIE(encoder)
        self.scn = SCN(semantic, encoder.n_styles, encoder.w_dim)
        self.fcn = FCN(profile.feature, encoder.feature_channels, encoder.n_styles * encoder.w_dim, semantic.symbols)
        self.generator = StyleGAN2(profile.generator)
        self._sealed: EntropyModel | None = None

    def forward(self, images: Tensor, quality: Tensor, *, keep: int | None = None) -> Reconstruction:
        """Code images and make them again.

        images: (B, 3, H, W), float, -1 to 1. quality: (B,) int64, 0 to 255 in steps of 1/32. keep: layers of F that are
        coded, None for all; 0 leaves what the semantics alone can say.
        """
        height, width = images.shape[2:]
        found = self.gie(self._padded(images))
        semantics, features = self.compress(found.w_plus, found.feature, quality, keep=keep)
        image = self.generator(semantics.w_hat, features.feature)
        if self.profile.encoder.input_size is None:
            image = image[:, :, :height, :width]
        return Reconstruction(image, found.w_plus, found.feature, semantics, features)

    def compress(self, w_plus: Tensor, feature: Tensor, quality: Tensor, *, keep: int | None = None) -> tuple[Semantics, Features]:
        """The two compression networks alone, as for a frozen encoder and generator; see ``forward``."""
        semantics = self.scn(w_plus, quality)
        activations = self.scn.activations(semantics.integers, quality)
        return semantics, self.fcn(feature, semantics, activations, quality, keep=keep)

    @property
    def entropy(self) -> EntropyModel:
        """The layers as the coder sees them.

        Raises:
            UsageError: the model is not frozen.
        """
        if self._sealed is None:
            raise UsageError("the model is not frozen, so its integers are not those of any file; call freeze() first, or load a weights file")
        return self._sealed

    @property
    def fingerprint(self) -> bytes:
        """sha256 over the profile and all tensors as they are stored, 32 bytes. Raises UsageError where not frozen."""
        return self.entropy.fingerprint

    def freeze(self) -> HscModel:
        """Make this the model of a weights file, in place; the result is the model itself.

        Raises:
            DataError: a weight is not finite, or too large for 16 bits.
        """
        self.eval().requires_grad_(False)
        for module in self._integer_modules().values():
            module.freeze()
        for name, tensor in self._floats().items():
            stored = tensor.half()
            if not bool(stored.isfinite().all()):
                raise DataError(f"{name} holds values that are not finite in 16 bits; training diverged, or the layer needs a smaller scale")
            tensor.copy_(stored)
        self._seal(SCALES.tables())
        return self

    def thaw(self) -> HscModel:
        """Let training go on from here; the result is the model itself."""
        self._sealed = None
        for module in self._integer_modules().values():
            module.thaw()
        self.train().requires_grad_(True)
        return self

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All a weights file holds: float16, integers of networks and quality tables, probability tables."""
        return self._collect(self.entropy.tables)

    def load_arrays(self, arrays: Arrays) -> HscModel:
        """Take what ``arrays`` gave and freeze; the result is the model itself.

        Raises:
            DataError: one is missing, of other type or shape, or there are more.
        """
        floats, integers = self._floats(), self._integer_modules()
        left = dict(arrays)
        for name, tensor in floats.items():
            stored = left.pop(name, None)
            if stored is None or stored.shape != tuple(tensor.shape) or stored.dtype != _stored_type(tensor):
                came = "nothing" if stored is None else f"{stored.dtype} {stored.shape}"
                raise DataError(
                    f"the weights hold {came} as {name}, expected {_stored_type(tensor)} {tuple(tensor.shape)}; they are of another profile"
                )
            tensor.copy_(torch.from_numpy(np.array(stored)))
        for name, module in integers.items():
            own = {key[len(name) + 1 :]: torch.from_numpy(np.array(left.pop(key))) for key in list(left) if key.startswith(f"{name}.")}
            module.load_integers(own)
        tables = CdfTables.from_arrays({key[len(_TABLES) :]: left.pop(key) for key in list(left) if key.startswith(_TABLES)})
        if left or tables.groups != SCALES.levels or tables.phases != 1:
            raise DataError(f"the weights hold {len(left)} tensors too many ({', '.join(sorted(left)[:3])}) or other tables; they need another hsc")
        self.eval().requires_grad_(False)
        self._seal(tables)
        return self

    def _seal(self, tables: CdfTables) -> None:
        digest = hashlib.sha256(profile_to_json(self.profile).encode())
        for name, array in sorted(self._collect(tables).items()):
            digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        self._sealed = EntropyModel(self.profile, self.scn, self.fcn, tables, digest.digest())

    def _collect(self, tables: CdfTables) -> dict[str, npt.NDArray[Any]]:
        found = {name: t.detach().cpu().contiguous().numpy().astype(_stored_type(t)) for name, t in self._floats().items()}
        for name, module in self._integer_modules().items():
            found |= {f"{name}.{key}": tensor.numpy() for key, tensor in module.integer_tensors().items()}
        return found | {_TABLES + key: array for key, array in tables.to_arrays().items()}

    def _integer_modules(self) -> dict[str, IntegerSequence | QualityTable]:
        """Networks and tables that are stored as integers, by name."""
        return {name: module for name, module in self.named_modules() if isinstance(module, IntegerSequence | QualityTable)}

    def _floats(self) -> dict[str, Tensor]:
        """All other tensors: the live ones, so that writing to them changes the model."""
        prefixes = tuple(f"{name}." for name in self._integer_modules())
        return {name: tensor.detach() for name, tensor in self.state_dict(keep_vars=True).items() if not name.startswith(prefixes)}

    def _padded(self, images: Tensor) -> Tensor:
        """Images with their edges repeated up to whole samples of F."""
        if self.profile.encoder.input_size is not None:
            return images
        down, right = (-side % self.profile.encoder.stride for side in images.shape[2:])
        return functional.pad(images, (0, right, 0, down), mode="replicate") if down or right else images

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        self._sealed = None  # other weights are other files
        super()._load_from_state_dict(*arguments, **named)


def _stored_type(tensor: Tensor) -> npt.DTypeLike:
    """float16 for floats; counters keep their integers."""
    return np.dtype(np.float16) if tensor.is_floating_point() else np.dtype(np.int64)
