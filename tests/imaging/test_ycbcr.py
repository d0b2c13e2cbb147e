"""Colour conversion against the standards' own numbers and floating point, and bounds on what a round trip loses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.imaging.ycbcr import (
    MATRICES,
    Matrix,
    Siting,
    decimate,
    interpolate,
    pad_edge,
    planes_to_rgb,
    rgb_to_planes,
)
from hsc.api import Image

YCBCR: tuple[Matrix, ...] = ("bt601", "bt709", "bt2020")
WEIGHTS = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722), "bt2020": (0.2627, 0.678, 0.0593)}


def all_kinds_of_pixels() -> Image:
    """Every combination of 18 levels, black, white and the primaries among them."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 18, 3)


def by_floats(image: Image, matrix: Matrix, full_range: bool, bits: int) -> list[np.ndarray[Any, Any]]:
    rgb = image.astype(np.float64) / 255
    red, green, blue = WEIGHTS[matrix]
    y = rgb @ [red, green, blue]
    differences = [(rgb[..., 2] - y) / (2 - 2 * blue), (rgb[..., 0] - y) / (2 - 2 * red)]
    top, unit = (1 << bits) - 1, 1 << (bits - 8)
    luma = y * top if full_range else (16 + 219 * y) * unit
    scale = top if full_range else 224 * unit
    return [np.clip(p, 0, top) for p in (luma, *(d * scale + 128 * unit for d in differences))]


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full_range", [True, False])
@pytest.mark.parametrize("matrix", YCBCR)
def test_forward_rounds_the_exact_value(matrix: Matrix, full_range: bool, bits: int) -> None:
    image = all_kinds_of_pixels()
    for plane, exact in zip(
        rgb_to_planes(image, matrix, full_range=full_range, bits=bits),
        by_floats(image, matrix, full_range, bits),
        strict=True,
    ):
        assert np.abs(plane - exact).max() <= 0.5 + 1e-3  # 1e-3: 22-bit coefficients at an exact half


@pytest.mark.parametrize(
    ("rgb", "planes"),
    [
        ((255, 255, 255), (235, 128, 128)),
        ((0, 0, 0), (16, 128, 128)),
        ((255, 0, 0), (81, 90, 240)),
        ((0, 0, 255), (41, 240, 110)),
    ],
)
def test_known_values_of_bt601_limited(rgb: tuple[int, int, int], planes: tuple[int, int, int]) -> None:
    image = np.array(rgb, np.uint8).reshape(1, 1, 3)
    assert tuple(int(p[0, 0]) for p in rgb_to_planes(image, "bt601", full_range=False)) == planes


@pytest.mark.parametrize(("bits", "full_range", "worst"), [(8, True, 2), (8, False, 3), (10, True, 0), (10, False, 0)])
@pytest.mark.parametrize("matrix", YCBCR)
def test_round_trip_error_is_bounded(matrix: Matrix, bits: int, full_range: bool, worst: int) -> None:
    image = all_kinds_of_pixels()
    back = planes_to_rgb(
        rgb_to_planes(image, matrix, full_range=full_range, bits=bits), matrix, full_range=full_range, bits=bits
    )
    assert np.abs(back.astype(int) - image).max() <= worst


@pytest.mark.parametrize("matrix", MATRICES)
def test_greys_survive(matrix: Matrix) -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(16, 16, 3)
    assert np.array_equal(planes_to_rgb(rgb_to_planes(greys, matrix), matrix), greys)


def test_gbr_is_exact_and_in_its_order() -> None:
    image = all_kinds_of_pixels()
    planes = rgb_to_planes(image, "gbr")
    assert [np.array_equal(p, image[..., i]) for p, i in zip(planes, (1, 2, 0), strict=True)] == [True] * 3
    assert np.array_equal(planes_to_rgb(planes, "gbr"), image)


def test_does_not_depend_on_strips(monkeypatch: pytest.MonkeyPatch, photo: Callable[[int, int], Image]) -> None:
    planes = rgb_to_planes(photo(67, 41))
    whole = planes_to_rgb(planes)
    monkeypatch.setattr("benchmarks.imaging.ycbcr._STRIP_SAMPLES", 100)
    assert np.array_equal(planes_to_rgb(planes), whole)


@pytest.mark.parametrize("siting", ["centre", "left"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (5, 7), (16, 16), (33, 20)])
def test_resampling_keeps_shapes_and_flat_planes(shape: tuple[int, int], siting: Siting) -> None:
    for bits in (8, 10, 14):
        plane = np.full(shape, (1 << bits) - 1, np.uint8 if bits == 8 else np.uint16)
        small = decimate(plane, bits=bits, siting=siting)
        assert small.shape == ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
        assert np.array_equal(interpolate(small, shape, bits=bits, siting=siting), plane)
        finer = interpolate(small, shape, bits=bits, siting=siting, fraction=4)
        assert np.array_equal(finer, plane.astype(np.uint32) << 4)
        wide = decimate(plane, bits=bits, siting=siting, vertical=False)
        assert wide.shape == (shape[0], (shape[1] + 1) // 2)
        assert np.array_equal(interpolate(wide, shape, bits=bits, siting=siting, vertical=False), plane)


@pytest.mark.parametrize("siting", ["centre", "left"])
def test_resampling_does_not_shift_a_ramp(siting: Siting) -> None:
    """A sample of a ramp says where it was taken: 2 n + 0.5 for the centre, 2 n for the left."""
    ramp = np.tile(np.arange(0, 800, 8, dtype=np.uint16), (8, 1))
    small = decimate(ramp, bits=10, siting=siting, vertical=False)
    inside = slice(8, 40)
    offset = 4 if siting == "centre" else 0
    assert np.array_equal(small[0, inside], 16 * np.arange(50)[inside] + offset)
    back = interpolate(small, ramp.shape, bits=10, siting=siting, vertical=False)
    assert np.abs(back[:, 20:80].astype(int) - ramp[:, 20:80]).max() <= 1


@pytest.mark.parametrize("siting", ["centre", "left"])
def test_smooth_chroma_survives_420(siting: Siting) -> None:
    y, x = np.mgrid[:64, :96]
    plane = np.rint(128 + 60 * np.sin(x / 9) + 50 * np.cos(y / 7)).astype(np.uint8)
    back = interpolate(decimate(plane, siting=siting), plane.shape, siting=siting)
    error = np.abs(back[8:-8, 8:-8].astype(int) - plane[8:-8, 8:-8])
    assert error.max() <= 2  # rounded to 8 bits twice, with filters that overshoot
    assert error.mean() < 0.4


def test_padding_repeats_the_edge() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    padded = pad_edge(image, multiple=8, min_size=16)
    assert padded.shape == (16, 16, 3)
    assert np.array_equal(padded[:2, :3], image)
    assert (padded[2:, 2:] == image[-1, -1]).all()
    assert pad_edge(padded, multiple=8, min_size=16) is padded


def test_refuses_unknown_matrices_and_depths() -> None:
    image = np.zeros((1, 1, 3), np.uint8)
    with pytest.raises(ValueError, match="bt601"):
        rgb_to_planes(image, "bt470")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="8 to 14"):
        rgb_to_planes(image, bits=16)
