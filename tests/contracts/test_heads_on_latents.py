"""What every head on latents promises, ours with random weights and a third party's from one file."""

from __future__ import annotations

import dataclasses
import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from downstream.api import HEADS, Detections, LatentHead, SegmentationMap, from_bytes, routes_of, to_bytes
from downstream.compatibility import why_not
from hsc.api import DecodesLatents, Latents, LatentSpec

SIZES = ((1, 1), (33, 57), (64, 96), (33, 57))
SPECS = {
    "grid_squares": ["grid_squares"],
    "latent_detector": [
        'latent_detector(use=USE, weights="LATENT_detection_USE")'.replace("USE", use)
        for use in ("both", "y", "w", "F")
    ],
    "latent_segmenter": [
        'latent_segmenter(use=USE, weights="LATENT_segmentation_USE")'.replace("USE", use)
        for use in ("both", "y", "w", "F")
    ],
}
"""LATENT_TASK_USE stands for a file of random weights."""


class Offering:
    """A codec of these latents, and no more of one than ``why_not`` and heads ask for."""

    def __init__(self, specs: Sequence[LatentSpec]) -> None:
        self.specs = tuple(specs)

    def available(self) -> None:
        return None

    def latent_specs(self) -> Sequence[LatentSpec]:
        return self.specs

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        height, width, seed = data
        random = np.random.default_rng(seed)
        maps = {}
        for spec in self.specs:
            sides = iter([-(-side // spec.stride) for side in (height, width)] if spec.stride else [])
            maps[spec.name] = random.normal(size=[next(sides) if side is None else side for side in spec.shape]).astype(
                np.float32
            )
        return Latents(maps, (height, width))

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]:
        return [self.decode_latents(data) for data in streams]


class Labelled:
    """A data set in a head's own classes."""

    def __init__(self, head: Any) -> None:
        self.head = head

    def label_space(self, kind: type) -> Any:
        return self.head.label_space


@pytest.fixture(params=[spec for specs in SPECS.values() for spec in specs])
def head(request: pytest.FixtureRequest, latent_weights: Callable[..., Path]) -> Any:
    return HEADS.build(
        re.sub(r"LATENT_([a-z]+)_(\w+)", lambda found: str(latent_weights(found[1], found[2])), request.param)
    )


def test_no_latent_head_is_left_out() -> None:
    found = {name for name in HEADS.names() if "latent" in routes_of(HEADS.get(name))}
    assert found == set(SPECS)


def test_it_says_what_it_needs(head: Any) -> None:
    assert isinstance(head, LatentHead)
    assert isinstance(Offering(head.needs), DecodesLatents)
    assert head.available() is None
    assert head.regime == "adapted"
    assert all(isinstance(need, LatentSpec) and need.space for need in head.needs)
    assert len({need.name for need in head.needs}) == len(head.needs) > 0
    assert pickle.loads(pickle.dumps(head)) == head
    assert all(isinstance(value, str) for value in head.provenance().values())


def test_answers_on_any_size_alone_as_in_a_batch(head: Any) -> None:
    codec = Offering(head.needs)
    given = [codec.decode_latents(bytes((*size, seed))) for seed, size in enumerate(SIZES)]
    before = [{name: array.copy() for name, array in one.maps.items()} for one in given]
    found = head.predict_latents(given)
    assert len(found) == len(given)
    assert head.predict_latents([]) == []
    for one, old, prediction in zip(given, before, found, strict=True):
        assert isinstance(prediction, head.output)
        assert all(np.array_equal(one.maps[name], array) for name, array in old.items())
        alone = head.predict_latents([one])[0]
        if isinstance(prediction, SegmentationMap):
            assert prediction.labels.shape == one.image_hw
            assert (alone.labels == prediction.labels).mean() > 0.99
        else:
            assert isinstance(prediction, Detections)
            assert np.isfinite(prediction.boxes_xyxy).all()
            assert (prediction.labels < len(head.label_space.classes)).all()
            np.testing.assert_allclose(alone.scores[:5], prediction.scores[:5], atol=1e-3)
        assert from_bytes(to_bytes(prediction)).labels.dtype == prediction.labels.dtype


def test_what_is_not_read_does_not_matter(head: Any) -> None:
    one = Offering(head.needs).decode_latents(bytes((33, 57, 0)))
    more = Latents({**one.maps, "unheard_of": np.full((2, 3), np.nan, np.float32)}, one.image_hw)
    first, second = (head.predict_latents([given])[0] for given in (one, more))
    np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda spec: dataclasses.replace(spec, name="other"), "the head reads the latent"),
        (lambda spec: dataclasses.replace(spec, shape=(*spec.shape, 7)), "of shape"),
        (lambda spec: dataclasses.replace(spec, stride=spec.stride + 1), "at stride"),
        (lambda spec: dataclasses.replace(spec, space="f" * 64), "trained in the latent space"),
    ],
)
def test_another_codecs_latents_are_refused_with_the_reason(
    head: Any, change: Callable[[LatentSpec], LatentSpec], reason: str
) -> None:
    assert why_not(Offering(head.needs), head, Labelled(head)) is None
    said = why_not(Offering([*head.needs[:-1], change(head.needs[-1])]), head, Labelled(head))
    assert said is not None
    assert reason in said
