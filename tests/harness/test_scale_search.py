"""The search for the border along a codec's scale, against trying every value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.harness.match_bytes import FINEST
from benchmarks.harness.operating_points import curves
from benchmarks.harness.scale_search import Scale


def searched(
    scale: Scale, margin: Callable[[Any], float], broken: tuple[Any, ...] = (), guess: Any = None
) -> tuple[Any, list[Any]]:
    """The value that a search ends with, and all that it tried. Files grow by a tenth a hundredth of the scale."""
    margins: dict[Any, float] = {}
    failed: dict[Any, str] = {}
    tried: list[Any] = []
    while True:
        sizes = {value: 1.1 ** (100 * scale.place(value)) for value in margins}
        value = scale.next(margins, sizes, failed, guess)
        if value is None:
            return scale.border(margins).reached, tried
        assert value not in tried
        tried.append(value)
        if value in broken:
            failed[value] = "broken"
        else:
            margins[value] = margin(value)


@pytest.mark.parametrize("least", [1, 2, 7, 36, 50, 63, 75, 76, 99, 100])
def test_the_smallest_whole_value_that_reaches_the_aim(least: int) -> None:
    value, tried = searched(Scale.of(curves(["jpeg"])[0]), lambda quality: math.log(quality / (least - 0.5)))
    assert value == least
    assert len(tried) <= 12


@pytest.mark.parametrize("most", [63, 45, 30, 26, 3, 0])
def test_a_scale_that_falls_is_searched_from_its_other_end(most: int) -> None:
    value, _ = searched(Scale.of(curves(["vvc"])[0]), lambda qp: most + 0.5 - qp)
    assert value == most


def test_a_scale_of_real_numbers_is_searched_until_files_differ_by_little() -> None:
    scale = Scale.of(curves(["hsc"])[0])
    value, tried = searched(scale, lambda quality: quality - 3.337)
    assert 3.337 <= value < 3.337 + 0.05
    assert all(value / FINEST == int(value / FINEST) for value in tried)
    assert len(tried) <= 14


def test_an_aim_out_of_reach_costs_the_ladder_s_top_and_two_settings_above_it() -> None:
    value, tried = searched(Scale.of(curves(["vvc"])[0]), lambda qp: -1.0)
    assert value is None
    assert tried == [27, 13, 0]


def test_nothing_below_a_value_that_misses_is_taken() -> None:
    """A dip that was met counts, though smaller values reach the aim."""
    scale = Scale.of(curves(["jpeg"])[0])
    assert scale.border({10: 0.1, 40: -0.1, 60: 0.2, 90: 0.3}) == (40, 60)
    assert scale.border({10: math.nan, 60: 0.0}) == (10, 60)
    assert scale.border({10: 0.1, 90: -0.3}) == (90, None)


def test_values_that_cannot_be_coded_are_passed_over() -> None:
    value, tried = searched(Scale.of(curves(["jpeg"])[0]), lambda quality: quality - 41.5, broken=(50, 42, 43))
    assert value == 44
    assert len(tried) <= 14
    value, tried = searched(Scale.of(curves(["jpeg"])[0]), lambda quality: 1.0, broken=tuple(range(101)))
    assert value is None
    assert len(tried) <= 12


def test_points_without_a_scale_of_numbers_are_tried_as_they_are_given() -> None:
    curve = curves(["original"])[0]
    assert searched(Scale.of(curve), lambda place: 1.0) == (0, [0])
    assert Scale.of(curve).codec(0) == curve.points[0].codec
    assert searched(Scale.of(curve), lambda place: -1.0) == (None, [0])


def test_settings_that_were_named_come_first() -> None:
    _, tried = searched(Scale.of(curves(["jpeg(quality=[30, 60])"])[0]), lambda quality: quality - 44.5)
    assert set(tried[:2]) == {30, 60}
    assert searched(Scale.of(curves(["jpeg(quality=80)"])[0]), lambda quality: quality - 44.5)[0] == 45


@pytest.mark.parametrize("codec", ["jpeg", "vvc"])
def test_a_search_from_a_guess_ends_where_the_search_from_the_ladder_does(codec: str) -> None:
    scale = Scale.of(curves([codec])[0])
    for border in (-0.1, 0.02, 0.31, 0.5, 0.77, 0.99, 1.1):
        wanted, _ = searched(scale, lambda value, border=border: scale.place(value) - border)  # type: ignore[misc]
        for guess in (0.0, 0.3, 0.52, 1.0, border):
            value, tried = searched(
                scale,
                lambda value, border=border: scale.place(value) - border,  # type: ignore[misc]
                guess=scale.at(guess),
            )
            assert value == wanted
            assert tried[0] == scale.at(guess)
            assert len(tried) <= (5 if guess == border else 12)


def test_a_guess_that_cannot_be_coded_is_passed_over() -> None:
    scale = Scale.of(curves(["jpeg"])[0])
    value, tried = searched(scale, lambda quality: quality - 41.5, broken=(40, 42), guess=40)
    assert value == 43
    assert len(tried) <= 8


def test_the_value_at_a_place_is_the_next_one_of_larger_files() -> None:
    jpeg, vvc, hsc = (Scale.of(curves([name])[0]) for name in ("jpeg", "vvc", "hsc"))
    assert [jpeg.at(place) for place in (-1.0, 0.0, 0.5, 1.0, 7.0)] == [1, 1, 51, 100, 100]
    assert [vvc.at(place) for place in (0.0, 0.5, 1.0)] == [63, 31, 0]
    assert hsc.at(0.5) / FINEST == int(hsc.at(0.5) / FINEST)
    for value in (1, 36, 77, 100):
        assert jpeg.at(jpeg.place(value)) == value
