"""Pre-processing for machines as codecs: smaller pictures, and backgrounds made cheap around what a detector finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import CODECS
from benchmarks.codecs.roi import Roi
from benchmarks.codecs.scaled import Scaled
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.operating_points import curves
from hsc.errors import BitstreamError, SpecError

IMAGE = Squares().load(0).image
REGIONS = {"of": "blocks(size=1)", "regions": "squares", "margin": 0}


def test_a_curve_has_the_points_of_the_codec_inside() -> None:
    for name in ("scaled", "roi", "enlarged"):
        (curve,) = curves([f"{name}(of=blocks)"])
        assert [point.label for point in curve.points] == [f"value={size}" for size in Blocks.ladder]
        (one,) = curves([f'{name}(of="blocks(size=3)")'])
        assert len(one.points) == 1


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.99])
def test_scaled_pictures_keep_their_size(factor: float) -> None:
    codec = Scaled("blocks(size=1)", factor=factor)
    for hw in ((1, 1), (1, 9), (33, 50), (64, 64)):
        image = np.resize(IMAGE, (*hw, 3))
        data = codec.encode(image)
        assert codec.decode(data).shape == image.shape
        assert np.array_equal(Scaled("blocks(size=1)", factor=0.4).decode(data), codec.decode(data))
    flat = np.full((40, 60, 3), 77, np.uint8)
    assert np.array_equal(codec.decode(codec.encode(flat)), flat)


def test_the_file_is_that_of_the_smaller_picture_and_its_sizes() -> None:
    data = Scaled("blocks(size=1)", factor=0.5).encode(IMAGE)
    assert IMAGE.shape == (56, 144, 3)
    assert data[:4] == b"\x81\x10" + bytes([56, 50])  # 144 in seven bits a byte
    assert Blocks(1).decode(data[4:]).shape == (28, 72, 3)


_DAMAGED = [b"", b"`", b"`@", b"`@\x00", b"`@d", b"\xff\xff\xff\xff\x7f@2", b"`@2"]


@pytest.mark.parametrize("data", _DAMAGED)
def test_damaged_headers_are_refused(data: bytes) -> None:
    codec = Scaled("blocks(size=1)", factor=0.5)
    with pytest.raises(BitstreamError):
        codec.decode(data)


def test_another_size_in_the_header_is_noticed() -> None:
    data = Scaled("blocks(size=1)", factor=0.5).encode(IMAGE)
    with pytest.raises(BitstreamError, match="200x56"):
        Scaled("blocks(size=1)").decode(b"\x81\x48" + data[2:])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("scaled(factor=1.0)", "hundredths"),
        ("scaled(factor=0.333)", "hundredths"),
        ("scaled(of=scaled)", "scaled already"),
        ("roi(regions=truth)", "pixels alone"),
        ("roi(background=black)", "background"),
        ("roi(strength=0)", "strength"),
        ("roi(of=roi)", "roi already"),
        ("enlarged(of=enlarged)", "enlarged already"),
        ("enlarged(short=0)", "short"),
        ('enlarged(of="blocks", value=0.5)', "whole number"),
        ('roi(of="blocks(size=0.5)")', "whole number"),
    ],
)
def test_settings_that_fit_nothing_are_refused(spec: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        CODECS.build(spec)


def regions() -> Any:
    """The pixels that the test kit's detector takes for objects, by its own boxes."""
    (found,) = FindSquares().predict([IMAGE])
    mask = np.zeros(IMAGE.shape[:2], bool)
    for left, top, right, bottom in found.boxes_xyxy[found.scores >= 0.3].astype(int):
        mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize(("background", "strength"), [("blur", 5.0), ("levels", 64.0), ("flat", 8.0)])
def test_objects_stay_and_the_background_is_cheap(background: Any, strength: float) -> None:
    codec = Roi(**REGIONS, background=background, strength=strength)
    mask = codec.regions_of(IMAGE)
    assert np.array_equal(mask, regions())
    assert 0 < mask.mean() < 0.9
    data = codec.encode(IMAGE)
    decoded = codec.decode(data)
    assert np.array_equal(decoded[mask], IMAGE[mask])
    assert not np.array_equal(decoded[~mask], IMAGE[~mask])
    assert len(data) < len(Blocks(1).encode(IMAGE))
    if background == "flat":
        assert (decoded[~mask] == np.rint(IMAGE[~mask].mean(0))).all()
    if background == "levels":
        assert set(np.unique(decoded[~mask])) <= {0, 64, 128, 192, 255}


def test_the_margin_widens_every_box_and_ends_at_the_border() -> None:
    mask = replace(Roi(**REGIONS), margin=3).regions_of(IMAGE)
    grown = regions().copy()
    (found,) = FindSquares().predict([IMAGE])
    for left, top, right, bottom in found.boxes_xyxy[found.scores >= 0.3].astype(int):
        grown[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3] = True
    assert np.array_equal(mask, grown)
    assert Roi(**{**REGIONS, "margin": 10_000}).regions_of(IMAGE).all()
    assert not Roi(**REGIONS, score=1.0).regions_of(IMAGE).any() or (found.scores >= 1).any()


def test_one_byte_says_whose_file_it_is() -> None:
    codec = Roi(**REGIONS, background="flat")
    data = codec.encode(IMAGE)
    assert np.array_equal(codec.decode(data), Blocks(1).decode(data[1:]))
    for foreign in (b"", Blocks(1).encode(IMAGE), data[1:]):
        with pytest.raises(BitstreamError):
            codec.decode(foreign)


def test_what_decides_the_bytes_is_in_the_identity() -> None:
    facts = Roi(of="jpeg", regions="small(arch=hourglass)").provenance()
    assert len(facts["regions_weights_sha256"]) == 64
    assert facts.items() >= CODECS.build("jpeg").provenance().items()
    assert "is no detector" in str(Roi(regions="segmenter").available())


def test_a_run_says_where_the_head_that_scores_has_chosen_the_regions() -> None:
    told: list[str] = []
    codecs = ["roi(of=blocks, regions=squares)", "scaled(of=blocks)"]
    config = configure("detection", Squares(2), codecs, ["squares", "small"], resamples=0, anchors=[])
    run(config, executor=Inline(), dry=True, tell=told.append)
    notices = [text for text in told if "independent" in text]
    assert len(notices) == 1
    assert "squares" in notices[0]
    assert "roi" in notices[0]
