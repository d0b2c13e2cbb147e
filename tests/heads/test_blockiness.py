"""Blockiness: pictures whose steps are known, the lattice of JPEG, and the head that measures it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.api import CODECS, METRICS, TASKS, Truth
from downstream.api import HEADS, Fidelity
from downstream.heads.blockiness import PERIODS, Blockiness
from downstream.ops.blockiness import FLOOR, blockiness
from hsc.errors import UnavailableError


def grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels.astype(np.uint8)[..., None], 3, 2)


def staircase(on_line: int, elsewhere: int, period: int, side: int = 64) -> np.ndarray:
    """A picture of rows and columns that step up and down by these levels: (side, side, 3)."""
    place = np.arange(side)
    step = np.where(place % period == 0, on_line, elsewhere)
    signs = np.where(place % 2, -1, 1)
    line = np.cumsum(np.where(place, step * signs, 0))
    return grey(60 + line[:, None] + line[None])


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize(("on_line", "elsewhere"), [(3, 2), (1, 2), (2, 2), (5, 1)])
def test_known_steps_have_the_known_ratio(period: int, on_line: int, elsewhere: int) -> None:
    value = blockiness(staircase(on_line, elsewhere, period), period)
    assert value == pytest.approx((on_line + FLOOR) / (elsewhere + FLOOR), rel=1e-12)
    assert value == pytest.approx(on_line / elsewhere, rel=0.01)


@pytest.mark.parametrize("period", PERIODS)
def test_slopes_and_flat_pictures_have_one_and_blocks_of_one_colour_much_more(period: int) -> None:
    y, x = np.mgrid[:96, :64]
    assert blockiness(grey(2 * x), period) == 1
    assert blockiness(grey(y + 2 * x), period) == 1
    assert blockiness(grey(0 * x), period) == 1
    blocks = grey(10 * ((x // period + y // period) % 2))
    assert blockiness(blocks, period) == pytest.approx((10 + FLOOR) / FLOOR)
    noise = np.random.default_rng(0).integers(0, 256, (256, 384, 3), np.uint8)
    assert blockiness(noise, period) == pytest.approx(1, abs=0.01)


def test_lines_of_other_lattices_lower_it_and_a_shifted_lattice_is_none() -> None:
    blocks = staircase(9, 1, 16, 128)
    assert blockiness(blocks, 16) > blockiness(blocks, 8) > blockiness(blocks, 4) > 1
    assert blockiness(np.roll(blocks, 5, (0, 1)), 16) < 1


def test_channels_count_alike_and_directions_too() -> None:
    picture = staircase(4, 1, 16)
    in_blue = picture.copy()
    in_blue[..., :2] = 0
    assert blockiness(in_blue, 16) == pytest.approx((4 / 3 + FLOOR) / (1 / 3 + FLOOR))
    rng = np.random.default_rng(1)
    textured = rng.integers(0, 256, (80, 144, 3), np.uint8)
    assert blockiness(textured, 16) == pytest.approx(blockiness(textured.transpose(1, 0, 2), 16), rel=1e-12)


def test_a_picture_needs_a_side_longer_than_the_period() -> None:
    strip = grey(np.tile(np.arange(40), (16, 1)))
    assert blockiness(strip, 16) == 1
    with pytest.raises(UnavailableError, match="16x16"):
        blockiness(strip[:, :16], 16)
    with pytest.raises(ValueError, match="expected one of 16, 8, 4"):
        Blockiness(period=5)


def test_coarse_jpeg_has_a_lattice_of_8_pixels(photo: Callable[[int, int], np.ndarray]) -> None:
    picture = photo(128, 192)
    codec = CODECS.build("jpeg(quality=5)")
    decoded = codec.decode(codec.encode(picture))
    plain, relative = (HEADS.build(f"blockiness(period=8, relative={r})") for r in (False, True))
    (of_original, of_decoded), (one, ratio) = (
        [
            answer.numbers[0]
            for answer in head.compare([picture] * 2, [picture, decoded])
            if isinstance(answer, Fidelity)
        ]
        for head in (plain, relative)
    )
    assert of_decoded > 1.5 > of_original
    assert (one, ratio) == (1, pytest.approx(of_decoded / of_original, rel=1e-12))


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("relative", [False, True])
def test_each_measure_is_a_score_of_the_task_reconstruction(period: int, relative: bool) -> None:
    head, metric = Blockiness(period, relative), METRICS.build("likeness")
    assert head.measure in TASKS.build("reconstruction").columns
    assert not metric.facts[head.measure].higher_is_better
    pictures = [staircase(3, 2, period), staircase(5, 1, period)]
    scores = metric.compute(Truth(("a", "b"), ()), head.compare(pictures[:1] * 2, pictures))
    expected = [blockiness(x, period) for x in pictures]
    mean = np.mean(expected) / (expected[0] if relative else 1)
    assert [(s.metric, s.value) for s in scores] == [(head.measure, pytest.approx(mean))]
