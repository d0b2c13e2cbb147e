"""The detail network: coded from one quality on, removable from a file, the same symbols in training and coding."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tiny_profile import TINY, lively, noise_photo

from hsc.codec import HscCodec
from hsc.entropy_coding import layered_stream
from hsc.entropy_coding.container import Header
from hsc.errors import UsageError
from hsc.networks.config import DetailConfig, GeneratorConfig
from hsc.networks.detail import lean_to_zero
from hsc.networks.model import HscModel
from hsc.networks.profiles import DETAILED as SHIPPED
from hsc.networks.profiles import profile_from_json, profile_to_json
from hsc.training.detail_stage import (
    draw_qualities,
    dropped_without_detail,
    keep_symbols,
    sensitivity,
    set_basis,
)
from hsc.training.shards import Batch

START = 64  # quality 2
BASE = 1 + TINY.feature.layers

DETAILED = dataclasses.replace(
    TINY,
    generator=dataclasses.replace(TINY.generator, form="residual", detail=5),
    encoder=dataclasses.replace(TINY.encoder, patch=True),
    detail=DetailConfig(channels=5, start=START, width=4, hidden=(8, 8)),
)


def detailed_model() -> HscModel:
    """Random networks whose detail has a basis made for it, and whose generator adds detail to its image and does not
    read it otherwise.
    """
    model = lively(DETAILED).thaw()
    set_basis(model, batches(6), None)
    with torch.no_grad():
        model.generator.inject.weight.zero_()
    return model.freeze()


@pytest.fixture(scope="module")
def codec() -> HscCodec:
    return HscCodec(detailed_model())


def symbols(codec: HscCodec, data: bytes) -> list[np.ndarray]:
    return [layer.symbols for layer in codec.read(data).layers]


@pytest.mark.parametrize("hw", [(1, 1), (7, 5), (33, 57), (64, 48)])
@pytest.mark.parametrize("quality", [1.0, 2.0, 5.0])
def test_the_symbols_that_were_coded_come_back(codec: HscCodec, hw: tuple[int, int], quality: float) -> None:
    image = noise_photo(*hw)
    header, known = codec._code(image, quality)
    data = codec.encode(image, quality)
    decoded = codec.read(data)
    assert decoded.header == header
    assert header.layers == (BASE if quality < 2 else BASE + 3)
    assert all(np.array_equal(a.symbols, b.symbols) for a, b in zip(decoded.layers, known, strict=True))
    assert codec.decode(data).shape == image.shape
    assert codec.encode(image, quality) == data
    assert codec.info(data).layers[-1].name == ("slice2c" if quality < 2 else "detailc")


def test_all_else_keeps_the_quality_at_which_detail_starts(codec: HscCodec) -> None:
    image = noise_photo(33, 57)
    low, high = codec.encode(image, 2.0), codec.encode(image, 6.0)
    for a, b in zip(symbols(codec, low)[:BASE], symbols(codec, high)[:BASE], strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(codec.decode(codec.cut(low, BASE)), codec.decode(codec.cut(high, BASE)))
    assert not np.array_equal(codec.decode(low), codec.decode(high))
    assert np.array_equal(codec.decode(high, BASE), codec.decode(codec.cut(high, BASE)))


def test_training_sees_the_symbols_that_are_coded(codec: HscCodec) -> None:
    image = noise_photo(48, 80)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        made = codec.model(pixels, torch.tensor([160]))
    assert made.detail is not None
    restored = codec.restore(codec.read(codec.encode(image, 5.0)))
    assert restored.detail is not None
    assert torch.equal(made.detail.detail, restored.detail)
    assert torch.count_nonzero(restored.detail) > 20
    bits = sum(layer.bits for layer in codec.info(codec.encode(image, 5.0)).layers if layer.name.startswith("detail"))
    assert float(made.detail.bits.sum()) == pytest.approx(bits, rel=0.1)  # values far outside count by an approximation


def test_detail_brings_an_image_nearer(codec: HscCodec) -> None:
    image = noise_photo(64, 96)
    errors = [np.square(codec.decode(codec.encode(image, q)).astype(float) - image).mean() for q in (1.96, 4.0, 7.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.8 * errors[0]  # five components of 768


def test_latents_say_what_detail_there_is(codec: HscCodec) -> None:
    image = noise_photo(33, 57)
    names = [spec.name for spec in codec.latent_specs()]
    assert names == ["w_hat", "y_hat", "F_hat", "E_hat"]
    without, with_detail = (codec.decode_latents(codec.encode(image, q)) for q in (1.0, 5.0))
    assert without.maps["E_hat"].shape == with_detail.maps["E_hat"].shape == (5, 3, 4)
    assert not without.maps["E_hat"].any()
    assert with_detail.maps["E_hat"].any()


def test_tiles_read_detail_too(codec: HscCodec) -> None:
    image = noise_photo(80, 112)
    tiled = HscCodec(detailed_model(), tile=2)
    data = codec.encode(image, 5.0)
    assert np.abs(tiled.decode(data).astype(int) - codec.decode(data)).max() <= 1
    ours, theirs = symbols(codec, data), symbols(tiled, tiled.encode(image, 5.0))
    differ = sum(int((a != b).sum()) for a, b in zip(ours, theirs, strict=True))
    assert differ <= 0.002 * sum(a.size for a in ours)  # floats of tiles may fall on the other side of a half step


def test_a_header_may_not_ask_for_more_layers_than_there_are(codec: HscCodec) -> None:
    header = Header((16, 16), 160, BASE + 4)
    with pytest.raises(UsageError, match="11 layers"):
        layered_stream.code(
            codec.entropy, header, lambda number, parameters: np.zeros(parameters.index.shape, np.int32)
        )


def test_rounding_leans_to_zero() -> None:
    rounded = lean_to_zero(torch.tensor([0.5, 0.57, 0.59, -0.57, -0.59, 1.5, 1.6, 0.0]))
    assert rounded.tolist() == [0, 0, 1, 0, -1, 1, 2, 0]


def test_profiles_with_and_without_detail_are_kept() -> None:
    assert profile_from_json(profile_to_json(DETAILED)) == DETAILED
    assert profile_from_json(profile_to_json(TINY)) == TINY
    assert "detail" not in profile_to_json(TINY)
    assert SHIPPED.layers == SHIPPED.layers_at(128) == 16
    assert SHIPPED.layers_at(127) == 13


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: GeneratorConfig(resolution=64, channel_base=384, detail=5),
        lambda: DetailConfig(layers=4),
        lambda: DetailConfig(start=256),
        lambda: dataclasses.replace(DETAILED, detail=DetailConfig(channels=6)),
        lambda: dataclasses.replace(DETAILED, detail=None),
    ],
)
def test_shapes_that_do_not_fit_are_refused(wrong) -> None:
    with pytest.raises(UsageError):
        wrong()


def test_the_generator_refuses_detail_of_another_shape(codec: HscCodec) -> None:
    feature, words = torch.zeros(1, 12, 2, 3), torch.zeros(1, 9, 8)
    with pytest.raises(UsageError, match="expected 5 channels beside F"):
        codec.model.generator(words, feature, detail=torch.zeros(1, 5, 3, 3))


class Linear:
    """A teacher whose one feature is a fixed linear map of each pixel's colours."""

    class Seen(NamedTuple):
        features: list[torch.Tensor]
        logits: torch.Tensor

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix = matrix

    def __call__(self, images: torch.Tensor) -> Linear.Seen:
        return self.Seen([torch.einsum("ij,bjhw->bihw", self.matrix, images)], 0 * images[:, :1])


def batches(count: int) -> list[Batch]:
    batches = []
    for i in range(count):
        image = torch.from_numpy(noise_photo(64, 96, i)).permute(2, 0, 1)[None].float() / 127.5 - 1
        weight = torch.ones(1, 1, 64, 96)
        weight[:, :, 16:48, 32:64] = 9
        batches.append(Batch(image, weight, torch.zeros(1, 64, 96, dtype=torch.int64), torch.zeros(1, 0, 1, 1), image))
    return batches


def test_sensitivity_has_the_products_of_the_jacobian() -> None:
    torch.manual_seed(0)
    matrix = torch.tensor([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    gradients = torch.cat([sensitivity(Linear(matrix), torch.randn(4, 3, 64, 64)) for _ in range(4)])
    products = torch.einsum("bihw,bjhw->ij", gradients, gradients)
    products /= products.trace()
    assert torch.allclose(products, torch.diag(torch.tensor([0.1, 0.9, 0.0])), atol=0.01)


def test_the_basis_follows_what_lacks_and_what_is_seen() -> None:
    model = detailed_model().thaw()
    set_basis(model, batches(6), None)
    basis = model.generator.basis.weight[:, :, 0, 0].clone()
    assert torch.allclose(basis.t() @ basis, torch.eye(5), atol=1e-4)  # plain error: orthonormal
    set_basis(model, batches(6), Linear(torch.diag(torch.tensor([1.0, 0.0, 0.0]))))
    seen = model.generator.basis.weight[:, :, 0, 0]
    assert not torch.allclose(basis.abs(), seen.abs(), atol=0.05)
    inverse = model.inverse_basis()[:, :, 0, 0]
    assert torch.allclose(inverse @ seen, torch.eye(5), atol=1e-3)


def test_only_what_follows_the_symbols_is_trained() -> None:
    model = detailed_model().thaw()
    keep_symbols(model)
    trained = {name.split(".")[0] + "." + name.split(".")[1] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {
        "fcn.synthesis",
        "generator.convs",
        "generator.rgbs",
        "generator.patches",
        "generator.inject",
        "detail.attention",
        "detail.nets",
    }


def test_half_of_a_batch_has_detail() -> None:
    model = detailed_model()
    qualities = draw_qualities(200, model, torch.Generator().manual_seed(0))
    assert int((qualities >= START).sum()) == 100
    assert int(qualities.min()) >= 32
    assert int(qualities.max()) <= 255


def test_files_without_any_f_have_no_detail_in_training() -> None:
    model = detailed_model()
    drawn, quality = torch.tensor([True, True, False, False]), torch.tensor([START, START - 1, START, START - 1])
    assert dropped_without_detail(drawn, quality, model).tolist() == [False, True, False, False]
    assert dropped_without_detail(None, quality, model).tolist() == [False] * 4


def test_without_objects_detail_is_for_the_whole_picture() -> None:
    parts = [batch._replace(weight=torch.ones_like(batch.weight)) for batch in batches(6)]
    model = detailed_model().thaw()
    set_basis(model, parts, None, everywhere=True)
    basis = model.generator.basis.weight[:, :, 0, 0]
    assert torch.allclose(basis.t() @ basis, torch.eye(5), atol=1e-4)
    coded = model.eval()(parts[0].images, torch.tensor([START]))
    assert coded.attention is not None
    assert float(torch.sigmoid(coded.attention.detach()).min()) > 0.9999
    gains = model.detail.quality.gains(torch.tensor([START, START + 64])).gain[:, 0] / 4096
    assert gains.tolist() == pytest.approx([2**-1.6, 1.0], rel=1e-3)  # steps of 3 and 1
