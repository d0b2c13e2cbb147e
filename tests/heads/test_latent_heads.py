"""The heads on latents: the latents that they read, their size, their geometry, and why they are unavailable."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import pixel_shuffle

from benchmarks.api import CODECS
from downstream.api import HEADS, Detections, routes_of
from downstream.compatibility import why_not
from downstream.heads.latent import LatentDetector, LatentSegmenter
from downstream.heads.segmenter import SegmenterAdapted
from downstream.heads.small import SmallAdapted
from downstream.label_spaces import CAMVID11, ROADSCENES
from downstream.networks import detectors, segmenters
from downstream.networks.detectors.layers import normalised
from downstream.networks.latents import build_detector, build_segmenter
from downstream.networks.latents.adapter import Lift
from downstream.networks.latents.inputs import STRIDES, LatentInput, from_plain, latent_input_of
from downstream.networks.latents.uses import USES
from hsc.api import Latents, LatentSpec
from hsc.errors import DataError, UnavailableError, UsageError

MOST_BYTES = 5_000_000
SPECS = (LatentSpec("w_hat", (3, 8), 0, "5" * 64), LatentSpec("F_hat", (12, None, None), 16, "5" * 64))
WIDE = (LatentSpec("w_hat", (9, 64), 0, "a" * 64), LatentSpec("F_hat", (240, None, None), 16, "a" * 64))


MAPPED = (
    LatentSpec("w_hat", (3, 8), 0, "5" * 64),
    LatentSpec("y_hat", (6, None, None), 16, "5" * 64),
    LatentSpec("w_map", (5, None, None), 16, "5" * 64),
    LatentSpec("F_hat", (12, None, None), 16, "6" * 64),
)
"""As a codec offers whose w is a coarse map; F is in a space of its own."""


def latents(height: int, width: int, seed: int = 0) -> Latents:
    random = np.random.default_rng(seed)
    grid = (-(-height // 16), -(-width // 16))
    maps = {
        "F_hat": random.normal(size=(12, *grid)).astype(np.float32),
        "w_hat": random.normal(size=(3, 8)).astype(np.float32),
    }
    return Latents(maps, (height, width))


@dataclass(frozen=True)
class Offers:
    """The part of a codec that ``why_not`` looks at."""

    specs: tuple[LatentSpec, ...] = SPECS
    reason: str | None = None

    def available(self) -> str | None:
        return self.reason

    def latent_specs(self) -> tuple[LatentSpec, ...]:
        return self.specs

    def decode_latents(self, data: bytes, names: Any = None) -> Latents:
        return latents(16, 16)

    def decode_latents_batch(self, streams: Any, names: Any = None) -> list[Latents]:
        return [latents(16, 16) for _ in streams]


class Pixels:
    def available(self) -> str | None:
        return None


@dataclass(frozen=True)
class Data:
    space: Any = ROADSCENES

    def label_space(self, kind: type) -> Any:
        return self.space


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("build", [build_detector, build_segmenter])
def test_networks_are_small_enough_to_ship(build: Any, use: Any) -> None:
    network = build(latent_input_of(WIDE, use), 11)
    assert 2 * sum(p.numel() for p in network.state_dict().values()) < MOST_BYTES


@pytest.mark.parametrize("stride", STRIDES)
def test_any_stride_is_climbed_to_four(stride: int) -> None:
    latent_input = latent_input_of((LatentSpec("y_hat", (6, None, None), stride, "b"),), "y")
    inputs = latent_input.inputs({"y_hat": torch.zeros(2, 6, *latent_input.grid((128, 192)))}, (128, 192))
    heat, geometry = build_detector(latent_input, 5).eval()(*inputs)
    assert (tuple(heat.shape), tuple(geometry.shape)) == ((2, 5, 40, 60), (2, 4, 40, 60))
    fine, coarse = build_segmenter(latent_input, 7).eval()(*inputs)
    assert (tuple(fine.shape[1:]), tuple(coarse.shape[1:])) == ((7, 32, 48), (7, 6, 10))


def test_what_is_read_follows_the_specs() -> None:
    both, y, w, f = (latent_input_of(SPECS, use) for use in USES)
    assert [(read.channels, read.vector_dim) for read in (both, y, w, f)] == [(12, 24), (12, 0), (2, 24), (12, 0)]
    assert [spec.name for spec in both.needs] == ["F_hat", "w_hat"]
    assert all(from_plain({"needs": r.to_plain()["needs"], "stride": 16}) == r for r in (both, y, w, f))
    (field, vector) = w.inputs({"w_hat": torch.ones(2, 3, 8)}, (33, 57))
    assert (tuple(field.shape), tuple(vector.shape)) == ((2, 2, 3, 4), (2, 24))
    assert field[0, 0, 0].tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75])
    with pytest.raises(DataError, match=r"F_hat came as \(12, 2, 4\), expected \(12, 3, 4\)"):
        y.inputs({"F_hat": torch.zeros(1, 12, 2, 4)}, (33, 57))
    with pytest.raises(DataError, match="w_hat came as nothing"):
        both.inputs({"F_hat": torch.zeros(1, 12, 3, 4)}, (33, 57))
    with pytest.raises(DataError, match="do not say which latents"):
        from_plain({"classes": ["a"]})


def test_a_w_that_says_where_things_are_is_read_as_a_map_too() -> None:
    both, y, w, f = (latent_input_of(MAPPED, use) for use in USES)
    names = [[spec.name for spec in read.needs] for read in (both, y, w, f)]
    assert names == [["y_hat", "w_map", "w_hat"], ["y_hat"], ["w_map", "w_hat"], ["F_hat"]]
    assert [(read.channels, read.vector_dim) for read in (both, y, w, f)] == [(11, 24), (6, 0), (5, 24), (12, 0)]
    assert all(from_plain(read.to_plain()) == read for read in (both, y, w, f))
    maps = {
        "y_hat": torch.full((2, 6, 3, 4), 1.0),
        "w_map": torch.full((2, 5, 3, 4), 2.0),
        "w_hat": torch.ones(2, 3, 8),
    }
    field, vector = both.inputs(maps, (33, 57))
    assert (field.shape, vector.shape) == ((2, 11, 3, 4), (2, 24))
    assert field[0, :, 1, 2].tolist() == [1.0] * 6 + [2.0] * 5
    assert w.inputs(maps, (33, 57))[0].equal(maps["w_map"])
    coarser = (MAPPED[0], replace(MAPPED[1], stride=32), *MAPPED[2:])
    assert [spec.name for spec in latent_input_of(coarser, "both").needs] == ["y_hat", "w_hat"]
    assert latent_input_of(coarser, "F").stride == 16
    with pytest.raises(DataError, match=r"w_map came as \(5, 2, 4\), expected \(5, 3, 4\)"):
        both.inputs(maps | {"w_map": torch.zeros(2, 5, 2, 4)}, (33, 57))


def test_codecs_that_cannot_be_read_are_told_why() -> None:
    with pytest.raises(UsageError, match="give use=y"):
        latent_input_of(SPECS[1:], "both")
    with pytest.raises(UsageError, match="use=F reads the map F_hat, the codec's latents are w_hat"):
        latent_input_of(MAPPED[:2], "F")
    with pytest.raises(UsageError, match="follows the image"):
        latent_input_of((LatentSpec("F_hat", (512, 16, 16), 0, ""),), "y")
    with pytest.raises(UsageError, match="at a stride of 4, 8, 16"):
        latent_input_of((LatentSpec("y_hat", (8, None, None), 12, ""),), "y")
    with pytest.raises(UsageError, match="expected both, y, w"):
        latent_input_of(SPECS, "all")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="maps that follow the image at that stride"):
        LatentInput((), 16)
    with pytest.raises(UsageError, match="maps that follow the image at that stride"):
        LatentInput((MAPPED[1], replace(MAPPED[2], stride=32)), 16)


def test_w_only_reaches_the_answer_through_film() -> None:
    latent_input = latent_input_of(SPECS, "both")
    torch.manual_seed(0)
    network = build_detector(latent_input, 5).eval()
    field = torch.randn(1, 12, 3, 4)
    one, other = (network(field, torch.full((1, 24), 0.0).index_fill(1, torch.tensor([i]), 9.0))[0] for i in (0, 1))
    assert one.equal(other)  # modulation starts as nothing
    torch.nn.init.normal_(network.lift.film.read[3].weight)
    torch.nn.init.normal_(network.lift.block[2].weight)
    one, other = (network(field, torch.full((1, 24), 0.0).index_fill(1, torch.tensor([i]), 9.0))[0] for i in (0, 1))
    assert not one.allclose(other)


@pytest.mark.parametrize("use", USES)
def test_answers_on_any_size_alone_as_in_a_batch(use: Any, latent_weights: Any) -> None:
    detector = LatentDetector(use=use, weights=str(latent_weights("detection", use, SPECS)))
    segmenter = LatentSegmenter(use=use, weights=str(latent_weights("segmentation", use, SPECS)))
    given = [latents(33, 57), latents(64, 64, 1), latents(1, 1, 2), latents(33, 57, 3)]
    together = detector.predict_latents(given)
    for one, found in zip(given, together, strict=True):
        alone = detector.predict_latents([one])[0]
        assert isinstance(alone, Detections)
        assert (alone.labels < 5).all()
        np.testing.assert_allclose(alone.scores[:5], found.scores[:5], atol=1e-4)
    maps = segmenter.predict_latents(given)
    assert [m.labels.shape for m in maps] == [(33, 57), (64, 64), (1, 1), (33, 57)]
    assert segmenter.label_space == CAMVID11
    assert detector.predict_latents([]) == []


def test_boxes_lie_where_the_features_are(latent_weights: Any) -> None:
    """A change in one corner of F moves scores there and not in the far corner."""
    head = LatentDetector(use="y", weights=str(latent_weights("detection", "y", SPECS)))
    network = head._loaded().network
    before = torch.zeros(1, 12, 24, 24)
    after = before.clone()
    after[:, :, :2, :2] = 3.0
    moved = (network(after)[0] - network(before)[0]).abs().amax(1)[0]
    assert moved[:8, :8].max() > 1e-3
    assert moved[-8:, -8:].max() < 1e-5


def test_why_not_says_what_differs(latent_weights: Any) -> None:
    head = LatentDetector(weights=str(latent_weights("detection", "both", SPECS)))
    assert routes_of(head) == ("latent",)
    assert why_not(Offers(), head, Data()) is None
    narrow = tuple(replace(s, shape=(10, *s.shape[1:])) for s in SPECS)
    other = tuple(replace(s, space="6" * 64) for s in SPECS)
    cases = {
        "the codec offers w_hat": Offers(SPECS[:1]),
        r"of shape \(12, None, None\) at stride 16, the codec's is \(10": Offers(narrow),
        "latent space 555555555555, the codec's weights have 666666666666": Offers(other),
        "no such weights": Offers(reason="no such weights"),
        "does not offer latents": Pixels(),
    }
    for reason, codec in cases.items():
        assert re.search(reason, str(why_not(codec, head, Data())))
    assert "no labels" in str(why_not(Offers(), head, Data(None)))
    assert "missing" in str(why_not(Offers(), LatentDetector(weights="none.safetensors"), Data()))


def test_weights_that_are_not_usable_say_the_cure(latent_weights: Any) -> None:
    missing = LatentDetector(weights="none.safetensors")
    assert "--input latents --arch both" in str(missing.available())
    assert missing.needs == ()
    with pytest.raises(UnavailableError):
        missing.predict_latents([latents(16, 16)])
    foreign = LatentDetector(use="y", weights=str(latent_weights("detection", "both", SPECS)))
    assert "expected 'detection' on 'latents' with 'y'" in str(foreign.available())
    assert "expected 'segmentation'" in str(LatentSegmenter(weights=foreign.weights).available())
    whole = LatentDetector(weights=foreign.weights)
    assert {spec.space for spec in whole.needs} == {"5" * 64} == {whole.provenance()["latent_space"]}
    with pytest.raises(DataError, match="0 of 1 images came with the latent F_hat"):
        whole.predict_latents([Latents({}, (16, 16))])


@pytest.mark.parametrize("use", USES)
def test_networks_begin_with_a_pixel_networks_weights(use: Any) -> None:
    latent_input = latent_input_of(SPECS, use)
    for build, pixel in (
        (build_detector, detectors.build("hourglass", 11)),
        (build_segmenter, segmenters.build("context", 11)),
    ):
        network: Any = build(latent_input, 11)
        lift = {name: tensor.clone() for name, tensor in network.lift.state_dict().items()}
        network.begin(pixel.state_dict())
        assert all(tensor.equal(network.state_dict()[name]) for name, tensor in pixel.state_dict().items())
        assert all(tensor.equal(lift[name]) for name, tensor in network.lift.state_dict().items())
        pixels = torch.randint(0, 256, (1, 3, 64, 64)).float()
        for one, other in zip(network.eval().answers(normalised(pixels)), pixel.eval()(pixels), strict=True):
            assert one.equal(other)
        again: Any = build(latent_input, 11)
        again.begin(network.state_dict())
        assert all(tensor.equal(network.state_dict()[name]) for name, tensor in again.state_dict().items())
        with pytest.raises(RuntimeError, match="size mismatch"):
            network.begin(build(latent_input, 3).state_dict())
        other = build(latent_input_of(MAPPED, "both"), 11).state_dict()
        lift = {name: tensor.clone() for name, tensor in network.lift.state_dict().items()}
        network.begin(other)
        assert all(tensor.equal(lift[name]) for name, tensor in network.lift.state_dict().items())
        kept = [name for name in other if not name.startswith("lift.")]
        assert len(kept) == len(pixel.state_dict())
        assert all(other[name].equal(network.state_dict()[name]) for name in kept)


def test_the_lift_is_fitted_by_least_squares() -> None:
    """Pixels that are a linear map of the field come out again, whatever the channels' scale, and one without variance
    does no harm.
    """
    random = np.random.default_rng(0)
    latent_input = latent_input_of(SPECS, "y")
    scales = np.append(10.0 ** np.linspace(-2, 3, 11), 0.0)
    field = torch.from_numpy((random.normal(size=(2, 12, 20, 20)) + 3) * scales[:, None, None]).float()
    weights = torch.from_numpy(random.normal(size=(768, 12)) * 4 / np.maximum(scales, 1e-3)).float()
    weights[:, 11] = 0
    pixels = pixel_shuffle(torch.einsum("oc,nchw->nohw", weights, field) + 100, 16)
    lift = Lift(latent_input)
    lift.fit([(field[:1], pixels[:1]), (field[1:], pixels[1:])])
    with torch.inference_mode():
        planes = lift.eval()(field)
    assert float((planes - normalised(pixels)).abs().max()) < 0.02
    assert all(tensor.isfinite().all() for tensor in lift.state_dict().values())


def test_label_maps_of_smaller_planes_lie_where_the_image_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that answers a sample's distance from the left gives such maps, for sides that no stride divides."""
    network: Any = build_segmenter(latent_input_of(SPECS, "y"), 2).eval()

    def ramp(planes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rows, columns = (side // 4 for side in planes.shape[2:])
        right = (torch.arange(columns) + 0.5) * 4 / network.zoom
        return (
            torch.stack([right, torch.full((columns,), 40.0)])[None, :, None].expand(len(planes), 2, rows, columns),
            planes[:, :2],
        )

    monkeypatch.setattr(network, "answers", ramp)
    labels = network.labels_of((torch.zeros(1, 12, 3, 5),), (33, 75))
    assert (tuple(labels.shape), labels.dtype) == ((1, 33, 75), torch.uint8)
    assert labels[0].equal((torch.arange(75) + 0.5 < 40).to(torch.uint8).expand(33, 75))


PACKAGED = {
    "latent_detector": "hsc",
    "latent_detector(use=y)": "hsc",
    "latent_detector(use=y, codec=compressai)": "compressai(trained=roadscenes)",
    "latent_segmenter": "hsc",
    "latent_segmenter(use=y)": "hsc",
    "latent_segmenter(trained=camvid)": "hsc(model=camvid)",
    "small_adapted(arch=hourglass)": "hsc",
    "segmenter_adapted(arch=context)": "hsc",
    "segmenter_adapted(arch=context, trained=camvid)": "hsc(model=camvid)",
}


def test_packaged_weights_are_named_by_the_codec_that_they_follow() -> None:
    names = {
        LatentDetector(): "latent_detector_both",
        LatentDetector(codec="coarse"): "latent_detector_both_coarse",
        LatentDetector(use="F", codec="coarse"): "latent_detector_F_coarse",
        LatentSegmenter(codec="coarse"): "latent_segmenter_both_roadscenes_coarse",
        SmallAdapted(codec="coarse"): "small_adapted_hourglass_coarse",
        SegmenterAdapted(): "segmenter_adapted_context_roadscenes",
        SegmenterAdapted(codec="coarse"): "segmenter_adapted_context_roadscenes_coarse",
        SmallAdapted(codec="coarse", weights="of/mine.safetensors"): "mine",
    }
    assert {head._path().stem for head in names} == set(names.values())
    assert all(head._path().stem == name for head, name in names.items())
    for adapted in (SmallAdapted, SegmenterAdapted, LatentSegmenter):
        with pytest.raises(ValueError, match="expected one of hsc, coarse, compressai"):
            adapted(codec="jpeg")


def test_weights_for_the_rival_read_its_only_latent() -> None:
    with pytest.raises(ValueError, match="use=y"):
        LatentDetector(codec="compressai")
    with pytest.raises(ValueError, match="hsc, coarse, compressai"):
        LatentDetector(use="y", codec="jpeg")  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", PACKAGED)
def test_packaged_weights_follow_their_codec_and_no_other(spec: str) -> None:
    head = HEADS.build(spec)
    assert head.available() is None
    path = head._path()
    assert path.stat().st_size < MOST_BYTES
    card = path.with_suffix(".md").read_text("utf-8")
    assert head.provenance()["weights_sha256"] in card
    assert "licence" in card
    data = Data(head.label_space)
    for codec in ("hsc", "hsc(model=camvid)", "compressai(trained=roadscenes)"):
        reason = why_not(CODECS.build(codec), head, data)
        assert (reason is None) == (codec == PACKAGED[spec])
    assert why_not(CODECS.build("jpeg"), head, data)
