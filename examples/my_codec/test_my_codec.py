"""Tests of the package, as yours should have some: run ``pytest`` in this folder once it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from my_codec.codec import MyCodec
from my_codec.dataset import SHAPES, MyShapes, shapes_of
from my_codec.head import MyDetector
from my_codec.metric import MyRecall

import hsc
from benchmarks import METRICS, Truth
from benchmarks.conformance.checks import examine
from benchmarks.conformance.metric_rules import CONTRACT
from downstream import Detections
from hsc import BitstreamError

IMAGE = MyShapes().load(0).image


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(first.astype(float) - second).mean()))


def test_quality_rises_with_the_rate() -> None:
    streams = [MyCodec(quality).encode(IMAGE) for quality in MyCodec.ladder]
    sizes = [len(data) for data in streams]
    assert sizes == sorted(set(sizes))
    quality = [psnr(IMAGE, MyCodec().decode(data)) for data in streams]
    assert quality == sorted(quality)
    assert quality[-1] > 30


@pytest.mark.parametrize("size", [(1, 1), (7, 65), (96, 144)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    image = np.ascontiguousarray(IMAGE[: size[0], : size[1]])
    assert MyCodec().decode(MyCodec().encode(image)).shape == image.shape


def test_damage_is_refused() -> None:
    data = MyCodec().encode(IMAGE)
    for damaged in (b"", data[:-1], data + b"\0", b"MYC2" + data[4:], data[:20] + bytes([data[20] ^ 1]) + data[21:]):
        with pytest.raises(BitstreamError):
            MyCodec().decode(damaged)


def test_missing_weights_have_a_cure() -> None:
    assert "train" in str(MyCodec(weights="none.safetensors").available())
    with pytest.raises(hsc.CodecError, match=r"none\.safetensors"):
        MyCodec(weights="none.safetensors").encode(IMAGE)


def test_latents_are_those_the_image_is_made_of() -> None:
    codec = MyCodec(6)
    latents = codec.decode_latents(codec.encode(IMAGE))
    assert latents.image_hw == (96, 144)
    assert latents.maps["y_hat"].shape == (96, 12, 18)
    assert latents.maps["y_hat"].dtype == np.float32
    grey = IMAGE.astype(float).mean(axis=2).reshape(12, 8, 18, 8).mean(axis=(1, 3))
    assert np.corrcoef(latents.maps["y_hat"][0].ravel(), grey.ravel())[0, 1] > 0.99  # the first is a block's brightness


def test_the_detector_finds_every_shape_in_the_originals() -> None:
    data = MyShapes(images=8)
    answers = MyDetector().predict([data.load(index).image for index in range(8)])
    for index, answer in enumerate(answers):
        expected = sorted((s.left, s.top, s.left + s.side, s.top + s.side, s.label) for s in shapes_of(index))
        boxes = answer.boxes_xyxy.astype(int).tolist()
        assert sorted((*box, label) for box, label in zip(boxes, answer.labels.tolist(), strict=True)) == expected


def test_recall_of_a_case_worked_by_hand() -> None:
    """Two discs and a square; one disc is found, the square is taken for a disc, and one box lies beside all."""
    boxes = [[10, 10, 20, 20], [50, 10, 20, 20], [10, 50, 20, 20]]
    annotations = [
        {"id": n, "image_id": 1, "category_id": category, "bbox": box, "area": 400, "iscrowd": 0}
        for n, (box, category) in enumerate(zip(boxes, (1, 1, 2), strict=True), 1)
    ]
    categories = [{"id": n, "name": name} for n, name in enumerate(SHAPES.classes, 1)]
    truth = Truth(("a",), SHAPES.classes, {"images": [{"id": 1}], "categories": categories, "annotations": annotations})
    found = np.array([[11, 10, 31, 30], [80, 80, 90, 90], [10, 50, 30, 70]], np.float32)
    answer = Detections(found, np.full(3, 0.9, np.float32), np.zeros(3, np.int64))
    scores = {score.part: score.value for score in MyRecall().compute(truth, [answer])}
    assert scores == {"": pytest.approx(1 / 3), "disc": 0.5, "square": 0.0}
    assert MyRecall(iou=0.95).compute(truth, [answer])[0].value == 0.0  # the first box is one pixel off: 380 of 420
    drawn = MyRecall().resample(truth, [answer], np.array([[1], [3]]))
    assert drawn["my_recall"] == pytest.approx([1 / 3, 1 / 3])


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.name)
def test_the_metric_keeps_the_rules_of_metrics(check) -> None:
    finding = examine(METRICS.build("my_recall"), check)
    assert finding.state != "failed", finding.text


def test_training_lowers_the_cost() -> None:
    """The cost is that of error and rate together, with real rounding."""
    import torch
    from my_codec.network import Network
    from my_codec.train import BITS, costs, train

    images = [MyShapes().load(index).image for index in range(4)]
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() - 128
    networks = Network(), train(images, steps=60)
    with torch.inference_mode():
        before, after = (costs(network, x, 119.0, noisy=False) for network in networks)
    assert after[0] + BITS * after[1] / 64 < before[0] + BITS * before[1] / 64
