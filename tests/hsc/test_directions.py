"""Directions in W+: axes of most variance, probes of labels, and invalid inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hsc.errors import DataError, UsageError
from hsc.networks.directions import load_directions, principal_directions, probe_direction, save_directions

RANDOM = np.random.default_rng(0)
AXIS = RANDOM.normal(size=(3, 4))
AXIS /= np.linalg.norm(AXIS)
AMOUNT = RANDOM.normal(size=200)
W = AMOUNT[:, None, None] * 5 * AXIS + RANDOM.normal(size=(200, 3, 4)) * 0.1 + 7


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_first_axis_is_that_of_most_spread() -> None:
    directions = principal_directions(W, 3)
    assert directions.axes.shape == (3, 3, 4)
    assert abs(cosine(directions.axes[0], AXIS)) > 0.999
    assert np.linalg.norm(directions.axes[0]) == pytest.approx(5 * AMOUNT.std(), rel=0.02)
    assert directions.share[0] > 0.98
    assert np.allclose(directions.mean, W.mean(0), atol=1e-5)
    again = principal_directions(W[::-1], 3)
    assert np.allclose(np.abs(again.axes[0]), np.abs(directions.axes[0]), atol=1e-4)


def test_a_probe_finds_what_a_label_follows() -> None:
    labels = (AMOUNT > 0).astype(float)
    probe = probe_direction(W, labels)
    assert cosine(probe.direction, AXIS) > 0.99
    assert probe.correlation > 0.7
    chance = probe_direction(W, RANDOM.normal(size=200))
    assert abs(chance.correlation) < 0.5
    few = probe_direction(W[:10], AMOUNT[:10])  # fewer images than values
    assert cosine(few.direction, AXIS) > 0.9


def test_what_cannot_be_is_refused() -> None:
    for call in (
        lambda: principal_directions(W, 0),
        lambda: principal_directions(W[:3], 3),
        lambda: principal_directions(W[0]),
        lambda: probe_direction(W, np.ones(200)),
        lambda: probe_direction(W, AMOUNT[:5]),
        lambda: probe_direction(W * np.nan, AMOUNT),
    ):
        with pytest.raises(UsageError):
            call()


def test_directions_are_kept_in_a_file(tmp_path: Path) -> None:
    directions, file = principal_directions(W, 2), tmp_path / "axes.safetensors"
    save_directions(directions, file)
    assert all(np.array_equal(a, b) for a, b in zip(load_directions(file), directions, strict=True))
    for broken in (b"", file.read_bytes()[:40]):
        file.write_bytes(broken)
        with pytest.raises(DataError, match="no directions"):
            load_directions(file)
    with pytest.raises(DataError, match="no directions"):
        load_directions(tmp_path / "nothing")
