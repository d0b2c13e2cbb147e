"""All networks of the codec as one model, which is trained as a whole and saved in one weights file.

    images ──GIE──> W+, F ──SCN──> w_hat ────────────┐
                        └──FCN(. | w_hat)──> F_hat ──┴──generator──> decoded images
                                                     decoded images ──detail network──> E_hat ──generator──> images

Training runs ``forward`` in ``train()`` mode. Its losses read:

    semantics.bits (B,), features.bits (B, layers)   rate of the rounded symbols, with the gradient of uniform noise
    w_plus and semantics.w_hat                       distortion of the semantics
    feature and features.feature                     distortion of F (detach ``feature`` to leave GIE unaffected)
    image                                            pixels, perception, semantic consistency: through the generator
    attention                                        logits of objects, 4x4 per sample of F; None without coded detail

``freeze`` ends training: floats are rounded to the 16 bits they are stored in, integer networks and quality tables are
fixed, probability tables are built, and everything is hashed into the fingerprint that files carry. It changes the
weights in place; freeze a copy (``copy.deepcopy``) to evaluate the real codec during training.
"""

from __future__ import annotations

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
from hsc.networks.coarse_map import CoarseMap
from hsc.networks.config import Profile
from hsc.networks.detail import Detail, DetailNetwork
from hsc.networks.entropy_model import EntropyModel
from hsc.networks.fcn import FCN, Features
from hsc.networks.identity import DECODER, Identity, digest
from hsc.networks.inversion import GIE
from hsc.networks.scn import SCN, Semantics
from hsc.networks.stylegan2 import StyleGAN2

Arrays = Mapping[str, npt.NDArray[Any]]

_TABLES = "tables."


class Reconstruction(NamedTuple):
    """Decoded images with the latents before and after coding.

    image: (B, 3, H, W) float32, about -1 to 1. w_plus (B, n, d) and feature (B, C, h, w): before coding.
    detail: E_hat and its bits. attention: logits (B, 1, 4h, 4w). Both are None where no detail was coded.
    """

    image: Tensor
    w_plus: Tensor
    feature: Tensor
    semantics: Semantics
    features: Features
    detail: Detail | None = None
    attention: Tensor | None = None


class HscModel(nn.Module):
    """The networks of a profile (GIE, SCN, FCN, generator and perhaps detail network), randomly initialised.

    ``hsc.weights.files`` loads trained ones.
    """

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self.profile = profile
        encoder, semantic = profile.encoder, profile.semantic
        self.gie = GIE(encoder)
        channels, styles, coarse = encoder.feature_channels, encoder.n_styles * encoder.w_dim, profile.coarse_map
        self.scn = SCN(
            semantic,
            encoder.n_styles,
            encoder.w_dim,
            None if coarse is None else CoarseMap(coarse, channels, styles),
            coded=profile.ablation is None or profile.ablation.semantics,
        )
        self.fcn = FCN(profile.feature, channels, styles, semantic.symbols, coarse, profile.ablation)
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
        self,
        images: Tensor,
        quality: Tensor,
        *,
        keep: int | None = None,
        detail: bool = True,
        dropped: Tensor | None = None,
    ) -> Reconstruction:
        """Encode and decode images.

        images: (B, 3, H, W), float, -1 to 1. quality: (B,) int64, 0 to 255 in steps of 1/32. keep: number of coded
        layers of F, None for all; with 0 the image is made from the semantics alone. detail: also code the detail, at
        qualities that have it. dropped: (B,) bool, the samples whose F is that of the coarse map alone, or None.
        """
        height, width = images.shape[2:]
        latents = self.gie(self._padded(images))
        semantics, features = self.compress(latents.w_plus, latents.feature, quality, keep=keep, dropped=dropped)
        wanted = detail and self.profile.detail is not None and bool((quality >= self.profile.detail.start).any())
        with torch.set_grad_enabled(torch.is_grad_enabled() and not wanted):
            image = self.generator(semantics.w_hat, features.feature)
        if self.profile.encoder.input_size is None:
            image = image[:, :, :height, :width]
        if not wanted or self.detail is None:
            return Reconstruction(image, latents.w_plus, latents.feature, semantics, features)
        logits = self.detail.logits(self.fcn.standard(latents.feature).detach())
        with torch.no_grad():
            residual = images - image.add(1).mul_(127.5).round_().clamp_(0, 255).div_(127.5).sub_(1)
            values = self.detail.values(residual, logits, self.inverse_basis())
        coded = self.detail(values, features.context, quality)
        image = self.generator(semantics.w_hat, features.feature, detail=coded.detail)[:, :, :height, :width]
        return Reconstruction(image, latents.w_plus, latents.feature, semantics, features, coded, logits)

    @torch.no_grad()
    def inverse_basis(self) -> Tensor:
        """The least-squares inverse of the detail's basis, (K, 3 side side, 1, 1) float32: patches to coefficients."""
        if self._inverse is not None:
            return self._inverse
        assert self.generator.basis is not None
        inverse: Tensor = torch.linalg.pinv(self.generator.basis.weight[:, :, 0, 0].double())
        return inverse.float()[:, :, None, None]

    def compress(
        self,
        w_plus: Tensor,
        feature: Tensor,
        quality: Tensor,
        *,
        keep: int | None = None,
        dropped: Tensor | None = None,
    ) -> tuple[Semantics, Features]:
        """Run the two compression networks alone, without encoder and generator; arguments as in ``forward``."""
        quality = quality.clamp(max=self.profile.highest_base)
        semantics = self.scn(w_plus, quality, self.fcn.standard(feature))
        activations = self.scn.activations(semantics.integers, quality)
        base = self.scn.prediction(semantics.coefficients, feature.shape[2:])
        return semantics, self.fcn(feature, semantics, activations, quality, keep=keep, base=base, dropped=dropped)

    @property
    def entropy(self) -> EntropyModel:
        """The entropy model of the frozen networks.

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
        """sha256 of the profile and all tensors as they are stored, 32 bytes.

        Raises:
            UsageError: the model is not frozen.
        """
        return self.entropy.fingerprint

    @property
    def space(self) -> bytes:
        """sha256 of everything that decides symbols and their values; models that differ only in the decoder share it.

        Raises:
            UsageError: the model is not frozen.
        """
        if self._space is None:
            self._space = self._digest(self.entropy.tables, without=DECODER)
        return self._space

    @property
    def identity(self) -> Identity:
        """What a weights file of the model is known by.

        Raises:
            UsageError: the model is not frozen.
        """
        return Identity(self.profile, self.fingerprint, self.space)

    def freeze(self) -> HscModel:
        """End training: make this the model that a weights file holds, in place, and return it.

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
        """Let training continue from here, and return the model."""
        self._sealed = self._inverse = None
        for module in self._integer_modules().values():
            module.thaw()
        self.train().requires_grad_(True)
        return self

    def with_decoder_of(self, other: HscModel) -> HscModel:
        """A frozen model with this one's symbols and the decoder (g_s of F, and generator) of another.

        other: a model of the same profile.

        Raises:
            DataError: a weight of the other decoder is not finite, or too large for 16 bits.
        """
        decoder = {name: tensor.cpu().half() for name, tensor in other._floats().items() if name.startswith(DECODER)}
        for name, tensor in decoder.items():
            if not bool(tensor.isfinite().all()):
                raise DataError(f"{name} holds values that are not finite in 16 bits; training diverged")
        return HscModel(self.profile).load_arrays(
            {**self.arrays(), **{name: tensor.numpy() for name, tensor in decoder.items()}}
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The content of a weights file: float16, integers of networks and quality tables, probability tables."""
        return self._collect(self.entropy.tables)

    def load_arrays(self, arrays: Arrays) -> HscModel:
        """Fill the model from the arrays of a weights file, freeze it, and return it.

        Raises:
            DataError: an array is missing, of another type or shape, not finite, or not one of this model's.
        """
        floats, integers = self._floats(), self._integer_modules()
        unread = dict(arrays)
        for name, tensor in floats.items():
            stored = unread.pop(name, None)
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
            module_arrays = {
                key[len(name) + 1 :]: torch.from_numpy(np.array(unread.pop(key)))
                for key in list(unread)
                if key.startswith(f"{name}.")
            }
            module.load_integers(module_arrays)
        tables = CdfTables.from_arrays(
            {key[len(_TABLES) :]: unread.pop(key) for key in list(unread) if key.startswith(_TABLES)}
        )
        if unread or tables.groups != SCALES.levels or tables.phases != 1:
            raise DataError(
                f"the weights hold {len(unread)} tensors too many ({', '.join(sorted(unread)[:3])}) or other tables; "
                f"they need another version of hsc"
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
        return digest(self.profile, self._collect(tables), without)

    def _collect(self, tables: CdfTables) -> dict[str, npt.NDArray[Any]]:
        arrays = {
            name: t.detach().cpu().contiguous().numpy().astype(_stored_type(t)) for name, t in self._floats().items()
        }
        for name, module in self._integer_modules().items():
            arrays |= {f"{name}.{key}": tensor.numpy() for key, tensor in module.integer_tensors().items()}
        return arrays | {_TABLES + key: array for key, array in tables.to_arrays().items()}

    def _integer_modules(self) -> dict[str, IntegerSequence | QualityTable]:
        """The networks and tables that are stored as integers, by name."""
        return {
            name: module for name, module in self.named_modules() if isinstance(module, IntegerSequence | QualityTable)
        }

    def _floats(self) -> dict[str, Tensor]:
        """All other tensors by name; writing to them changes the model."""
        prefixes = tuple(f"{name}." for name in self._integer_modules())
        return {
            name: tensor.detach()
            for name, tensor in self.state_dict(keep_vars=True).items()
            if not name.startswith(prefixes)
        }

    def _padded(self, images: Tensor) -> Tensor:
        """Images padded to whole samples of F by repeating their edges."""
        if self.profile.encoder.input_size is not None:
            return images
        down, right = (-side % self.profile.encoder.stride for side in images.shape[2:])
        return functional.pad(images, (0, right, 0, down), mode="replicate") if down or right else images

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        self._sealed = self._inverse = None  # both belong to the weights that are being replaced
        super()._load_from_state_dict(*arguments, **named)


def _stored_type(tensor: Tensor) -> npt.DTypeLike:
    """The type a tensor is stored as: float16 for floats, int64 for counters."""
    return np.dtype(np.float16) if tensor.is_floating_point() else np.dtype(np.int64)
