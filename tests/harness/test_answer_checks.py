"""Checks of the answers of codecs and heads: wrong ones are refused with what came, right ones pass as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmarks.api import Sample
from benchmarks.harness.codec_answers import checked_image, checked_latents, checked_stream
from benchmarks.harness.head_answers import checked_prediction
from downstream.api import VOID, Detections, FeaturePair, Fidelity, LabelSpace, Masks, SegmentationMap
from downstream.ops.masks import pack, why_damaged
from downstream.ops.segmentation_canvas import Fitted, labels_from_classes, labels_from_logits
from hsc.api import Latents
from hsc.errors import CodecError, DataError, HeadError


def test_a_decoded_image_is_memory_of_its_own() -> None:
    buffer = np.zeros((4, 6, 3), np.uint8)
    kept = checked_image(buffer[::-1, :, ::-1], (4, 6))
    buffer[:] = 9
    assert not kept.any()
    assert kept.flags["C_CONTIGUOUS"]
    assert not kept.flags["WRITEABLE"]


@pytest.mark.parametrize("data", [None, bytearray(b"a"), memoryview(b"a"), "a", b"", np.bytes_(b"a")])
def test_a_stream_is_bytes_and_not_empty(data: Any) -> None:
    assert checked_stream(b"a") == b"a"
    with pytest.raises(CodecError, match="encode gave"):
        checked_stream(data)


MAP = np.zeros((3, 4), np.float32)


@pytest.mark.parametrize(
    ("latents", "text"),
    [
        ({"y": MAP}, "expected Latents"),
        (Latents({"y": MAP}, (9, 8)), "an image size of (9, 8), expected (8, 9)"),
        (Latents({}, (8, 9)), "came as NoneType, expected float32"),
        (Latents({"y": MAP.astype(np.float64)}, (8, 9)), "came as float64"),
        (Latents({"y": MAP[:2]}, (8, 9)), "came as (2, 4), expected (3, None)"),
        (Latents({"y": MAP[None]}, (8, 9)), "came as (1, 3, 4)"),
        (Latents({"y": MAP * np.float32(np.nan)}, (8, 9)), "not finite"),
    ],
)
def test_latents_are_finite_and_of_their_shape(latents: Any, text: str) -> None:
    assert checked_latents(Latents({"y": MAP}, (8, 9)), (8, 9), {"y": (3, None)}).maps["y"].shape == (3, 4)
    with pytest.raises(CodecError) as refused:
        checked_latents(latents, (8, 9), {"y": (3, None)})
    assert text in str(refused.value)


@dataclass
class Says:
    """A head that says what it answers in."""

    output: type
    label_space: ClassVar[LabelSpace] = LabelSpace("two", ("a", "b"))
    measure: ClassVar[str] = "psnr"


BOX, SCORE, LABEL = np.array([[0, 0, 4, 2]], np.float32), np.array([1.0], np.float32), np.array([1])


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (SegmentationMap(np.zeros((2, 4), np.int64)), "int64 (2, 4), expected uint8 (2, 4)"),
        (SegmentationMap(np.zeros((4, 2), np.uint8)), "uint8 (4, 2), expected uint8 (2, 4)"),
        (SegmentationMap(np.full((2, 4), 2, np.uint8)), "labels run from 2 to 2, expected 0 to 1"),
        (SegmentationMap([[0]]), "came as list"),  # type: ignore[arg-type]
        (Fidelity("psnr", np.array([np.nan, 1.0])), "1 of the head's 2 numbers are not finite"),
        (Fidelity("psnr", np.array([])), "no number at all"),
        (Fidelity("lpips", np.array([1.0])), "measures 'lpips', expected 'psnr'"),
        (FeaturePair(np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32)), "measures 'fid', expected 'psnr'"),
        (FeaturePair(np.zeros((2, 3), np.float32), np.zeros((1, 3), np.float32), "psnr"), "(2, 3) and (1, 3)"),
        (
            FeaturePair(np.zeros((2, 3), np.float32), np.full((2, 3), np.inf, np.float32), "psnr"),
            "6 of the head's 6 features of the decoded image",
        ),
        (Detections(BOX, SCORE, LABEL, Masks((b"",), (2, 4))), "cover 0 pixels, expected 8"),
        (Detections(BOX, SCORE, LABEL, Masks((b"08",), (4, 2))), "1 masks of (4, 2), expected 1 of (2, 4)"),
        (Detections(BOX, SCORE, LABEL, Masks(("08",), (2, 4))), "came as str, expected bytes"),  # type: ignore[arg-type]
    ],
)
def test_answers_of_other_kinds_are_checked_too(answer: Any, text: str) -> None:
    with pytest.raises(HeadError) as refused:
        checked_prediction(answer, Says(type(answer)), (2, 4))
    assert text in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        SegmentationMap(np.array([[0, 1, VOID, 0]] * 2, np.uint8)),
        Fidelity("psnr", np.array([0.0, 24.0])),
        FeaturePair(np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32), "psnr"),
        Detections(BOX, SCORE + np.float32(1e-6), LABEL, pack(np.ones((1, 2, 4), bool))),
        Detections(BOX[:0], SCORE[:0], LABEL[:0]),
        Detections(BOX * 0, SCORE * 0, LABEL),
    ],
)
def test_right_answers_pass_as_they_are(answer: Any) -> None:
    assert checked_prediction(answer, Says(type(answer)), (2, 4)) is answer


def test_packed_runs_are_read_as_coco_packs_them() -> None:
    dice = np.random.default_rng(0)
    for number in range(60):
        size = (int(dice.integers(1, 40)), int(dice.integers(1, 40)))
        drawn = dice.random((1, *size)) < dice.random() if number % 7 else np.full((1, *size), number % 2 == 0)
        (counts,) = pack(drawn).counts
        assert why_damaged(counts, size) is None
        assert why_damaged(counts, (size[0] + 1, size[1])) is not None
        assert why_damaged(counts + b"1", size) is not None
    assert "hold the character" in str(why_damaged(b"\x01", (1, 1)))
    assert "end within a number" in str(why_damaged(b"P", (1, 1)))


PLACED = Fitted(np.zeros((4, 4, 3), np.uint8), (4, 4), (4, 4))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_maps_of_logits_or_classes_that_are_not_finite_are_refused(value: float) -> None:
    logits = np.zeros((2, 4, 4), np.float32)
    assert labels_from_logits(logits, PLACED).shape == (4, 4)
    logits[1, 2, 3] = value
    with pytest.raises(HeadError, match="1 of the network's 32 logits are not finite"):
        labels_from_logits(logits, PLACED)
    with pytest.raises(HeadError, match="1 of the network's 16 classes are not finite"):
        labels_from_classes(logits[1], PLACED)


def test_classes_that_are_not_whole_are_refused() -> None:
    with pytest.raises(DataError, match="not whole"):
        labels_from_classes(np.full((4, 4), 0.5, np.float32), PLACED)


def test_a_sample_without_a_file_has_no_size_in_bytes() -> None:
    assert Sample("a", np.zeros((1, 1, 3), np.uint8)).source_bytes is None
