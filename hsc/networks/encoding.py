"""Encoding: the symbols of an image, layer by layer.

image ──GIE──> W+, F
layer 0          W+ ──g_a──> round                                     ──> symbols, w_hat
layers of F      F, w_hat as the decoder will know it ──g_a──> round   ──> symbols, F_hat
layers of E      image - the image decoded from all layers before      ──> symbols
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from hsc.api import Image
from hsc.entropy_coding.ans_coder import Symbols
from hsc.entropy_coding.container import Header
from hsc.entropy_coding.layered_stream import Decoded, Layer, Parameters
from hsc.errors import CodecError
from hsc.networks.decoding import image_of, restore
from hsc.networks.entropy_model import round_around
from hsc.networks.inversion import Inversion
from hsc.networks.model import HscModel
from hsc.networks.tiling import invert, residual_coefficients


class SymbolChoice:
    """The ``Quantise`` function of one image: called for one layer after another, it returns the layer's symbols.

    tile: samples of F along a tile's side. inverted: W+ and F of the image where they are known, which spares the
    inversion. The values of F's layers are computed once w_hat is known, those of E's layers once F_hat is.
    """

    def __init__(
        self, model: HscModel, image: Image, header: Header, tile: int, inverted: Inversion | None = None
    ) -> None:
        self.model, self.header, self.image, self.tile = model, header, image, tile
        self.latents = invert(model.gie, image, tile) if inverted is None else inverted
        self.values: list[npt.NDArray[np.float64]] = []
        self.layers: list[Layer] = []

    @torch.no_grad()
    def __call__(self, number: int, parameters: Parameters) -> Symbols:
        """The symbols of layer ``number``, int32.

        Raises:
            CodecError: the networks give values that are not finite.
        """
        entropy = self.model.entropy
        if number == 0:
            quality = entropy.quality(self.header)
            feature = self.model.fcn.standard(self.latents.feature)
            values = self.model.scn.scaled(self.latents.w_plus, quality, feature)[0].cpu().numpy()
        else:
            if number == 1:
                self.values = self._feature_values()
            elif number == entropy.base_layers:
                self.values += self._detail_values()
            values = self.values[number - 1]
        if not np.isfinite(values).all():
            raise CodecError(
                f"the networks give values for the layer {entropy.names[number]} that are not finite; the weights are "
                f"damaged: fetch them again"
            )
        symbols = round_around(values, parameters)
        self.layers.append(Layer(symbols, parameters))
        return symbols

    def _feature_values(self) -> list[npt.NDArray[np.float64]]:
        """The values v of every layer of F, (c, positions) each."""
        fcn, entropy = self.model.fcn, self.model.entropy
        quality = entropy.quality(self.header)
        scn, feature, integers = self.model.scn, self.latents.feature, entropy.decoded(self.layers[0])
        base = scn.prediction(scn.coefficients(integers, quality), feature.shape[2:])
        scaled = fcn.scaled(feature, scn.restore(integers, quality), quality, base)
        return [fcn.pick(scaled, layer)[0].cpu().numpy() for layer in range(len(fcn.passes))]

    def _detail_values(self) -> list[npt.NDArray[np.float64]]:
        """The symbols of every layer of E as floats, (K, positions) each."""
        network = self.model.detail
        assert network is not None
        base = restore(self.model, Decoded(self.header, tuple(self.layers), True))
        decoded = image_of(self.model, base, self.tile)
        values = residual_coefficients(self.model, self.image, decoded, self.latents.feature)
        symbols = network.symbols(values, torch.tensor([self.header.quality], device=values.device))
        return [network.pick(symbols, index)[0].cpu().numpy() for index in range(network.config.layers)]
