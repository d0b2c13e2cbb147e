"""The networks of the codec as one: what is trained, and what a weights file holds.

    images ──GIE──> W+, F ──SCN──> w_hat ────────────┐
                        └──FCN(. | w_hat)──> F_hat ──┴──generator──> images again
                                                                        └── and what these lack, by the detail network:
                                                                        generator once more

Training runs ``forward`` in ``train()`` mode. Its losses read:

    semantics.bits (B,), features.bits (B, layers)      the rate: what coding costs; its gradient is that of noise for rounding
    w_plus and semantics.w_hat                           distortion of the semantics
    feature and features.feature                         distortion of F (detach ``feature`` to keep GIE out of it)
    image                                                pixels, perceptual, semantic consistency: through the generator
    attention                                            logits of where objects are, 4x4 a sample of F; None where no detail was coded

``freeze`` ends training: floats are rounded to the 16 bits they are stored in, integer networks and quality tables are
fixed, probability tables are made, and all of that is hashed into the fingerprint that files name. It changes the
weights in place; freeze a copy (``copy.deepcopy``) to look at the real codec in between.
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

from hsc.entropy_coding.cdf_tables import CdfTables
from hsc.entropy_coding.gains import QualityTable
from hsc.entropy_coding.integer_nets import IntegerSequence
from hsc.entropy_coding.quantisation import SCALES
from hsc.errors import DataError, UsageError
from hsc.networks.config import Profile, profile_to_json
from hsc.networks.detail import Detail, DetailNetwork
from hsc.networks.entropy_model import EntropyModel
from hsc.networks.fcn import FCN, Features
from hsc.networks.inversion import GIE
from hsc.networks.scn import SCN, Semantics
from hsc.networks.stylegan2 import StyleGAN2

Arrays = Mapping[str, npt.NDArray[Any]]

_TABLES = "tables."
_DECODER = ("fcn.synthesis.", "generator.")


class Reconstruction(NamedTuple):
    """image: (B, 3, H, W) float32, about -1 to 1. w_plus (B, n, d) and feature (B, C, h, w): before coding.

    detail: E_hat and its bits. attention: logits (B, 1, 4h, 4w). Both None where no detail was coded.
    """

    image: Tensor
    w_plus: Tensor
    feature: Tensor
    semantics: Semantics
    features: Features
    detail: Detail | None = None
    attention: Tensor | None = None


class HscModel(nn.Module):
    """GIE, SCN, FCN, generator and, where it has one, detail network of a profile, randomly initialised;
    ``hsc.weights.files`` loads trained ones.
    """

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self.profile = profile
        encoder, semantic = profile.encoder, profile.semantic
        self.gie = GIE(encoder)
        self.scn = SCN(semantic, encoder.n_styles, encoder.w_dim)
        self.fcn = FCN(profile.feature, encoder.feature_channels, encoder.n_styles * encoder.w_dim, semantic.symbols)
        self.generator = StyleGAN2(profile.generator)
        self.detail: DetailNetwork | None = None
        if profile.detail is not None:
            self.detail = DetailNetwork(
                profile.detail, encoder.feature_channels, profile.feature.channels, profile.feature.context
            )
        self._sealed: EntropyModel | None = None
        self._space: bytes | None = None
        self._inverse: Tensor | None = None

    def forward(
        self, images: Tensor, quality: Tensor, *, keep: int | None = None, detail: bool = True
    ) -> Reconstruction:
        """Code images and make them again.

        images: (B, 3, H, W), float, -1 to 1. quality: (B,) int64, 0 to 255 in steps of 1/32. keep: layers of F that are
        coded, None for all; 0 leaves what the semantics alone can say. detail: also code the detail, at qualities that
        have any.
        """
        height, width = images.shape[2:]
        found = self.gie(self._padded(images))
        semantics, features = self.compress(found.w_plus, found.feature, quality, keep=keep)
        wanted = detail and self.profile.detail is not None and bool((quality >= self.profile.detail.start).any())
        with torch.set_grad_enabled(torch.is_grad_enabled() and not wanted):
            image = self.generator(semantics.w_hat, features.feature)
        if self.profile.encoder.input_size is None:
            image = image[:, :, :height, :width]
        if not wanted or self.detail is None:
            return Reconstruction(image, found.w_plus, found.feature, semantics, features)
        logits = self.detail.logits(self.fcn.standard(found.feature).detach())
        with torch.no_grad():
            lack = images - image.add(1).mul_(127.5).round_().clamp_(0, 255).div_(127.5).sub_(1)
            values = self.detail.values(lack, logits, self.inverse_basis())
        coded = self.detail(values, features.known, quality)
        image = self.generator(semantics.w_hat, features.feature, detail=coded.detail)[:, :, :height, :width]
        return Reconstruction(image, found.w_plus, found.feature, semantics, features, coded, logits)

    @torch.no_grad()
    def inverse_basis(self) -> Tensor:
        """What gives the coefficients of a patch in the detail's basis, by least squares: (K, 3 side side, 1, 1)
        float32.
        """
        if self._inverse is not None:
            return self._inverse
        assert self.generator.basis is not None
        inverse: Tensor = torch.linalg.pinv(self.generator.basis.weight[:, :, 0, 0].double())
        return inverse.float()[:, :, None, None]

    def compress(
        self, w_plus: Tensor, feature: Tensor, quality: Tensor, *, keep: int | None = None
    ) -> tuple[Semantics, Features]:
        """The two compression networks alone, as for a frozen encoder and generator; see ``forward``."""
        quality = quality.clamp(max=self.profile.highest_base)
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
            raise UsageError(
                "the model is not frozen, so its integers are not those of any file; call freeze() first, or load a "
                "weights file"
            )
        return self._sealed

    @property
    def fingerprint(self) -> bytes:
        """sha256 over the profile and all tensors as they are stored, 32 bytes. Raises UsageError where not frozen."""
        return self.entropy.fingerprint

    @property
    def space(self) -> bytes:
        """The same over all that makes symbols and their values: models that differ in their decoder alone share it.
        Raises as ``fingerprint``.
        """
        if self._space is None:
            self._space = self._digest(self.entropy.tables, without=_DECODER)
        return self._space

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
                raise DataError(
                    f"{name} holds values that are not finite in 16 bits; training diverged, or the layer needs a "
                    f"smaller scale"
                )
            tensor.copy_(stored)
        self._seal(SCALES.tables())
        return self

    def thaw(self) -> HscModel:
        """Let training go on from here; the result is the model itself."""
        self._sealed = self._inverse = None
        for module in self._integer_modules().values():
            module.thaw()
        self.train().requires_grad_(True)
        return self

    def with_decoder_of(self, other: HscModel) -> HscModel:
        """A frozen model with this one's symbols, and what makes images of them from another of the same profile: g_s
        of F and the generator.

        Raises:
            DataError: a weight of the other is not finite, or too large for 16 bits.
        """
        theirs = {name: tensor.cpu().half() for name, tensor in other._floats().items() if name.startswith(_DECODER)}
        for name, tensor in theirs.items():
            if not bool(tensor.isfinite().all()):
                raise DataError(f"{name} holds values that are not finite in 16 bits; training diverged")
        return HscModel(self.profile).load_arrays(
            {**self.arrays(), **{name: tensor.numpy() for name, tensor in theirs.items()}}
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All a weights file holds: float16, integers of networks and quality tables, probability tables."""
        return self._collect(self.entropy.tables)

    def load_arrays(self, arrays: Arrays) -> HscModel:
        """Take what ``arrays`` gave and freeze; the result is the model itself.

        Raises:
            DataError: one is missing, of other type or shape, or not finite, or there are more.
        """
        floats, integers = self._floats(), self._integer_modules()
        left = dict(arrays)
        for name, tensor in floats.items():
            stored = left.pop(name, None)
            if stored is None or stored.shape != tuple(tensor.shape) or stored.dtype != _stored_type(tensor):
                came = "nothing" if stored is None else f"{stored.dtype} {stored.shape}"
                raise DataError(
                    f"the weights hold {came} as {name}, expected {_stored_type(tensor)} {tuple(tensor.shape)}; they "
                    f"are of another profile"
                )
            if not np.isfinite(stored).all():
                raise DataError(
                    f"the weights hold values that are not finite in {name}; they are damaged: fetch or export them "
                    f"again"
                )
            tensor.copy_(torch.from_numpy(np.array(stored)))
        for name, module in integers.items():
            own = {
                key[len(name) + 1 :]: torch.from_numpy(np.array(left.pop(key)))
                for key in list(left)
                if key.startswith(f"{name}.")
            }
            module.load_integers(own)
        tables = CdfTables.from_arrays(
            {key[len(_TABLES) :]: left.pop(key) for key in list(left) if key.startswith(_TABLES)}
        )
        if left or tables.groups != SCALES.levels or tables.phases != 1:
            raise DataError(
                f"the weights hold {len(left)} tensors too many ({', '.join(sorted(left)[:3])}) or other tables; "
                f"they need another hsc"
            )
        self.eval().requires_grad_(False)
        self._seal(tables)
        return self

    def _seal(self, tables: CdfTables) -> None:
        if self.detail is not None:
            self._inverse = self.inverse_basis()
        self._space = None
        self._sealed = EntropyModel(self.profile, self.scn, self.fcn, self.detail, tables, self._digest(tables))

    def _digest(self, tables: CdfTables, without: tuple[str, ...] = ()) -> bytes:
        digest = hashlib.sha256(profile_to_json(self.profile).encode())
        for name, array in sorted(self._collect(tables).items()):
            if not name.startswith(without):
                digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.digest()

    def _collect(self, tables: CdfTables) -> dict[str, npt.NDArray[Any]]:
        found = {
            name: t.detach().cpu().contiguous().numpy().astype(_stored_type(t)) for name, t in self._floats().items()
        }
        for name, module in self._integer_modules().items():
            found |= {f"{name}.{key}": tensor.numpy() for key, tensor in module.integer_tensors().items()}
        return found | {_TABLES + key: array for key, array in tables.to_arrays().items()}

    def _integer_modules(self) -> dict[str, IntegerSequence | QualityTable]:
        """Networks and tables that are stored as integers, by name."""
        return {
            name: module for name, module in self.named_modules() if isinstance(module, IntegerSequence | QualityTable)
        }

    def _floats(self) -> dict[str, Tensor]:
        """All other tensors: the live ones, so that writing to them changes the model."""
        prefixes = tuple(f"{name}." for name in self._integer_modules())
        return {
            name: tensor.detach()
            for name, tensor in self.state_dict(keep_vars=True).items()
            if not name.startswith(prefixes)
        }

    def _padded(self, images: Tensor) -> Tensor:
        """Images with their edges repeated up to whole samples of F."""
        if self.profile.encoder.input_size is not None:
            return images
        down, right = (-side % self.profile.encoder.stride for side in images.shape[2:])
        return functional.pad(images, (0, right, 0, down), mode="replicate") if down or right else images

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        self._sealed = self._inverse = None  # other weights are other files
        super()._load_from_state_dict(*arguments, **named)


def _stored_type(tensor: Tensor) -> npt.DTypeLike:
    """float16 for floats; counters keep their integers."""
    return np.dtype(np.float16) if tensor.is_floating_point() else np.dtype(np.int64)
