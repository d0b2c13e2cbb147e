"""Errors of label maps and shares of parts: cases worked by hand, and the sums that must hold."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.errors.contrast import box_contrasts
from benchmarks.errors.kinds import PIXEL_KINDS
from benchmarks.errors.map_counts import map_counts
from benchmarks.errors.map_errors import bands, compare
from benchmarks.errors.part_counts import Part, PartCounts, differences, shares
from benchmarks.stats.bootstrap import Draws
from downstream.api import VOID


def test_bands_go_by_the_distance_to_the_nearest_boundary_pixel():
    labels = np.zeros((30, 30), np.uint8)
    labels[:, 15:] = 1
    row = bands(labels)[10]
    # the boundary pixels are columns 14 and 15
    assert row[:15].tolist() == [2] * 7 + [1] * 6 + [0] * 2
    assert row[15:].tolist() == [0] * 2 + [1] * 6 + [2] * 7
    assert (bands(np.zeros((4, 4), np.uint8)) == 2).all()


def test_each_pixel_has_one_kind():
    labels = np.array([[0, 0, 0, 0, 1, 1, VOID]], np.uint8)
    original = np.array([[0, 0, 1, 1, 0, VOID, 0]], np.uint8)
    coded = np.array([[0, 1, 0, 1, VOID, 0, 1]], np.uint8)
    errors = compare(labels, np.zeros_like(labels), original, coded, 2)
    assert errors.true[:, :, 0].tolist() == [[1, 0], [1, 2], [1, 0], [1, 0]]  # kept, missed, gained, lost
    assert errors.false[:, :, 0].tolist() == [[0, 1], [1, 1]]  # already false: the fourth; new: the second, the sixth
    assert errors.cured[:, :, 0].tolist() == [[1, 1]]  # the fifth, the third


@pytest.mark.parametrize("seed", range(6))
def test_pixels_add_up_in_every_division(seed):
    random = np.random.default_rng(seed)
    errors, false_before = [], 0
    for _ in range(3):
        labels = random.integers(0, 4, (9, 11)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
        original, coded = (np.where(random.random(labels.shape) < 0.3, random.integers(0, 5), labels) for _ in "12")
        maps = [np.where(one >= 3, VOID, one).astype(np.uint8) for one in (labels, original, coded)]
        errors.append(compare(maps[0], bands(maps[0]), maps[1], maps[2], 3))
        false_before += int(((maps[1] != maps[0]) & (maps[0] != VOID) & (maps[1] != VOID)).sum())
    counts = map_counts(errors, ("a", "b", "c"), np.arange(3))
    whole = dict(zip(PIXEL_KINDS, counts.counts[:, 0].sum(0), strict=True))
    assert sum(whole[kind] for kind in ("kept", "missed", "gained", "lost")) == counts.totals[:, 0].sum()
    assert whole["already_false"] + whole["cured"] == false_before
    for by in ("class", "distance"):
        places = [place for place, part in enumerate(counts.parts) if part.by == by]
        assert np.array_equal(counts.counts[:, places].sum(1), counts.counts[:, 0])
        assert np.array_equal(counts.totals[:, places].sum(1), counts.totals[:, 0])


def counted(lost, new_false, objects):
    """Two kinds of each image, as the counts of a run."""
    counts = np.stack([lost, new_false], -1)[:, None].astype(np.float64)
    images = len(lost)
    totals = np.asarray(objects, np.float64)[:, None]
    return PartCounts((Part("all"),), ("lost", "new_false"), counts, totals, np.ones(images), True, np.arange(images))


def test_shares_and_their_intervals_are_those_of_copied_images():
    random = np.random.default_rng(1)
    counts = counted(random.integers(0, 3, 12), random.integers(0, 5, 12), random.integers(3, 9, 12))
    draws = Draws(12, 200, 5)
    lost, new_false = shares(counts, draws)
    assert lost.value == counts.counts[:, 0, 0].sum() / counts.totals.sum()
    assert new_false.value == counts.counts[:, 0, 1].sum() / 12
    again = [
        np.repeat(counts.counts[:, 0, 0], row).sum() / np.repeat(counts.totals[:, 0], row).sum()
        for row in draws.whole()
    ]
    assert lost.low == pytest.approx(np.sort(again)[5])
    assert lost.high == pytest.approx(np.sort(again)[-6])


def test_differences_are_paired():
    """One point that loses one object an image more than another differs by it in every resample."""
    lost = np.arange(12) % 3
    one, other = (counted(lost + more, lost, np.full(12, 4)) for more in (1, 0))
    difference, false = differences(one, other, Draws(12, 100, 0))
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.25, 0.25, 0.25))
    assert (false.value, false.low, false.high) == (0, 0, 0)


def test_too_few_objects_have_no_interval():
    share, _ = shares(counted([1] * 12, [0] * 12, [1] * 12), Draws(12, 100, 0))
    assert np.isnan(share.low)
    assert "12 labelled objects" in share.reason


def test_contrast_is_michelsons_of_the_box_and_the_frame_around_it():
    image = np.full((40, 40, 3), 50, np.uint8)
    image[10:20, 10:20] = 150
    boxes = np.array([[10, 10, 10, 10], [0, 30, 5, 5], [100, 100, 5, 5], [0, 0, 40, 40]], float)
    assert box_contrasts(image, boxes).tolist() == pytest.approx([0.5, 0, 0, 0])
