"""What every head promises, over each registered one that can be built here without files of the user's."""

from __future__ import annotations

import dataclasses
import pickle
import re

import numpy as np
import pytest

from benchmarks.api import METRICS
from downstream.api import (
    HEADS,
    Classification,
    Detections,
    ImageHead,
    SegmentationMap,
    arrays_of,
    from_bytes,
    sees_originals,
    to_bytes,
)
from hsc.registry import Spec, config

SIZES = [(1, 1), (33, 57), (256, 384), (64, 64), (33, 57)]
VARIANTS = {
    "small": ["small", "small(arch=hourglass)", "small(arch=hourglass, zoom=1, flip=True)"],
    "segmenter": [
        "segmenter",
        "segmenter(arch=context)",
        "segmenter(trained=camvid, flip=True)",
        'segmenter(weights="RANDOM_pyramid")',
        'segmenter(arch=context, flip=True, weights="RANDOM_context")',
    ],
    "classifier": ["classifier", "classifier(arch=separable)"],
    "latent_detector": [
        "latent_detector",
        'latent_detector(use=y, weights="LATENT_detection_y")',
        'latent_detector(weights="LATENT_detection_both")',
    ],
    "latent_segmenter": [
        "latent_segmenter",
        'latent_segmenter(use=w, trained=camvid, weights="LATENT_segmentation_w")',
    ],
}
"""RANDOM_ARCH and LATENT_TASK_USE stand for files of random weights, so that the contract is kept whether trained ones
are there or not.
"""


def specs():
    """Specs of all heads whose fields have defaults, and variants of some."""
    found = []
    for name in HEADS.names():
        fields = dataclasses.fields(HEADS.get(name))
        if all(f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING for f in fields):
            found += VARIANTS.get(name, [name])
    return found


def picture(height, width):
    random = np.random.default_rng(height * 1000 + width)
    smooth = np.linspace(0, 200, width)[None, :, None] + random.integers(0, 56, (height, 1, 3))
    return smooth.astype(np.uint8)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Only tests marked so may use the network."""
    monkeypatch.setenv("HSC_OFFLINE", "1")


@pytest.fixture(params=specs())
def head(request, segmenter_weights, latent_weights):
    spec = re.sub(r"RANDOM_(\w+)", lambda found: str(segmenter_weights(found[1])), request.param)
    return HEADS.build(re.sub(r"LATENT_([a-z]+)_(\w+)", lambda found: str(latent_weights(found[1], found[2])), spec))


@pytest.fixture
def usable(head):
    reason = head.available()
    if reason is not None:
        pytest.skip(reason)
    if not isinstance(head, ImageHead):
        pytest.skip("it reads latents, or sees originals")
    return head


def test_nothing_is_broken():
    assert HEADS.broken == {}


def test_config_goes_round_and_travels(head):
    assert HEADS.build(str(HEADS.spec(head))) == head
    assert HEADS.build(Spec(head.spec_name, config(head))) == head
    assert pickle.loads(pickle.dumps(head)) == head
    assert hash(head) == hash(pickle.loads(pickle.dumps(head)))
    if sees_originals(head):
        assert (head.regime, head.label_space.classes) == ("reference", ())
        assert any(
            head.measure in metric.facts and metric.output is head.output
            for metric in map(METRICS.build, METRICS.names())
        )
    else:
        assert head.regime in ("frozen", "adapted")
        assert head.output in (Detections, SegmentationMap, Classification)


def test_says_why_it_cannot(head):
    reason = head.available()
    assert reason is None or (isinstance(reason, str) and len(reason) > 20)


def test_answers_on_any_size(usable):
    images = [picture(*size) for size in SIZES]
    before = [image.copy() for image in images]
    found = usable.predict(images)
    assert len(found) == len(images)
    for image, old, prediction in zip(images, before, found, strict=True):
        np.testing.assert_array_equal(image, old)
        assert isinstance(prediction, usable.output)
        check(prediction, image, usable)
        kept = arrays_of(from_bytes(to_bytes(prediction)))
        assert {name: a.dtype for name, a in kept.items()} == {n: a.dtype for n, a in arrays_of(prediction).items()}
    assert usable.predict([]) == []


def check(prediction, image, head):
    classes = len(head.label_space.classes)
    if isinstance(prediction, Classification):
        assert prediction.ranking.dtype == np.uint16
        assert sorted(prediction.ranking[0].tolist()) == list(range(classes))
        return
    if isinstance(prediction, SegmentationMap):
        assert prediction.labels.shape == image.shape[:2]
        assert ((prediction.labels < classes) | (prediction.labels == 255)).all()
        return
    assert (prediction.boxes_xyxy.dtype, prediction.scores.dtype, prediction.labels.dtype) == (
        np.float32,
        np.float32,
        np.int64,
    )
    assert np.isfinite(prediction.boxes_xyxy).all()
    assert ((prediction.labels >= 0) & (prediction.labels < classes)).all()
    assert ((prediction.scores >= 0) & (prediction.scores <= 1)).all()


def test_same_answer_alone_in_a_batch_and_again(usable):
    images = [picture(*size) for size in SIZES]
    together = usable.predict(images)
    for image, expected in zip(images, together, strict=True):
        same(usable.predict([image])[0], expected)
    for again, expected in zip(usable.predict(images), together, strict=True):
        name = "ranking" if isinstance(expected, Classification) else "labels"
        np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))


def same(found, expected):
    """Batches may sum in another order; the best boxes must agree, the tail near the threshold may swap."""
    if isinstance(found, Classification):
        assert found.ranking[0, 0] == expected.ranking[0, 0]
        return
    if isinstance(found, SegmentationMap):
        assert (found.labels == expected.labels).mean() > 0.999
        return
    assert abs(len(found.scores) - len(expected.scores)) <= 2
    np.testing.assert_allclose(found.scores[:5], expected.scores[:5], atol=1e-3)
    clear = expected.scores > 0.1
    np.testing.assert_allclose(found.boxes_xyxy[: clear.sum()], expected.boxes_xyxy[clear], atol=0.1)


def test_provenance_names_the_weights(usable):
    provenance = usable.provenance()
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in provenance.items())
    assert len(provenance.get("weights_sha256", "0" * 64)) == 64  # a head without a network has none
