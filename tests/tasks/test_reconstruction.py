"""The task reconstruction: judges that see the original, scores of which less is better, and heads that agree with
themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from run_folders import judged, write_run
from scipy.linalg import sqrtm

from benchmarks.api import METRICS, TASKS, Row, Truth
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from benchmarks.metrics.frechet import distance
from benchmarks.reporting.figures import rate_curves
from benchmarks.runs.rows import frame
from benchmarks.runs.tables import blocks
from benchmarks.stats.metric_facts import scale_of
from downstream.api import FeaturePair, Fidelity, LabelSpace, Prediction, SegmentationMap, from_bytes, to_bytes
from downstream.heads.fidelity import MsSsim, Psnr
from downstream.heads.inception import Fid, patches
from hsc.errors import UsageError

SIZES = (32, 16, 8, 4, 2)
COLUMNS = TASKS.build("reconstruction").columns


@dataclass(frozen=True)
class Spread(Psnr):
    """A judge of distance: root mean squared error over 255, under the name of one of which less is better."""

    spec_name: ClassVar[str] = "lpips"
    measure: ClassVar[str] = "lpips"

    def compare(self, originals: Any, images: Any) -> list[Prediction]:
        return [
            Fidelity("lpips", np.array([np.sqrt(np.mean((x / 255.0 - y / 255.0) ** 2))]))
            for x, y in zip(originals, images, strict=True)
        ]


@dataclass(frozen=True)
class Wasteful(Blocks):
    """Blocks with as many bytes again of nothing: twice the rate at the same quality."""

    spec_name: ClassVar[str] = "wasteful"

    def encode(self, image: np.ndarray) -> bytes:
        data = super().encode(image)
        return data + bytes(len(data))

    def decode(self, data: bytes) -> np.ndarray:
        return super().decode(data[: len(data) // 2])


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """A codec, and one that takes twice its bytes for the same images."""
    codecs = [*(Blocks(s) for s in SIZES), *(Wasteful(s) for s in SIZES)]
    heads = [Psnr(), Spread(), FindSquares()]
    config = configure("reconstruction", Squares(12), codecs, heads, anchors=["blocks"], resamples=60)
    return run(config, cache=tmp_path_factory.mktemp("cache"), executor=Inline()).rows


def values(rows: list[Row], metric: str, head: str) -> dict[str, Row]:
    return {
        r.point: r for r in rows if (r.metric, r.head, r.codec, r.part, r.anchor) == (metric, head, "blocks", "", "")
    }


def test_psnr_is_that_of_the_set_and_endless_without_loss(rows: list[Row]) -> None:
    found, streams = (
        values(rows, "psnr", "psnr"),
        {r.point: r for r in rows if r.metric == "psnr" and r.codec == "blocks" and not r.head},
    )
    for point, row in found.items():
        assert row.value == pytest.approx(streams[point].value, rel=1e-12)
        assert row.low < row.value < row.high
        assert row.unit == "dB"
    assert [r.value for r in rows if r.head == "psnr" and r.codec == "original" and r.metric == "psnr"] == [math.inf]


def test_agreement_is_with_what_the_head_says_of_the_original_whatever_the_labels(rows: list[Row]) -> None:
    assert {r.dataset for r in rows} == {"squares"}
    assert [r.value for r in rows if r.metric == "agreement" and r.codec == "original" and not r.part] == [1.0]
    found = values(rows, "agreement", "squares")
    assert found["size=2"].value > found["size=16"].value
    assert not any(r.metric == "ap" for r in rows)


def test_twice_the_rate_is_100_percent_by_every_score(rows: list[Row]) -> None:
    found = {
        r.metric: r
        for r in rows
        if r.codec == "wasteful" and r.anchor == "blocks" and not r.part and r.metric.startswith("bd_")
    }
    assert set(found) == {kind for m in ("psnr", "lpips", "agreement") for kind in (f"bd_rate({m})", f"bd_{m}")}
    assert found["bd_rate(psnr)"].value == pytest.approx(100, abs=1e-6)
    assert found["bd_rate(lpips)"].value == pytest.approx(100, abs=1e-6)
    assert found["bd_psnr"].value < 0 < found["bd_lpips"].value  # worse: fewer dB, more distance
    assert found["bd_psnr"].unit == "dB"
    text = blocks(rows, COLUMNS, "github")
    for head in ("psnr", "lpips"):
        assert f"{head}, against blocks, by intervals that leave out 0: worse: wasteful." in text


def test_judges_stand_in_one_block_and_each_head_in_its_own(rows: list[Row]) -> None:
    text = blocks(rows, COLUMNS, "github")
    titles = [line for line in text.splitlines() if line.startswith("### reconstruction")]
    assert titles == [
        "### reconstruction on squares (test, 12 images), against the originals",
        "### reconstruction on squares (test, 12 images), head squares, image route, frozen",
    ]
    headers = [line for line in text.splitlines() if line.startswith("| codec") and "point" in line]
    assert "PSNR dB" in headers[0]
    assert "LPIPS" in headers[0]
    assert "agreement" not in headers[0]
    assert "FID" not in headers[0]
    assert "agreement" in headers[1]
    assert " inf |" in text


def test_curves_of_decibels_and_distances_are_drawn(rows: list[Row], tmp_path: Path) -> None:
    rate_curves.curves(frame(rows), COLUMNS, tmp_path / "curves")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_what_cannot_judge_here_is_a_row_with_its_reason_and_nothing_is_fetched(tmp_path: Path) -> None:
    absent = Fid(weights=str(tmp_path / "nowhere.pth"))
    config = configure("reconstruction", Squares(2), [Blocks(4)], [Psnr(), absent], anchors=[], resamples=0)
    found = run(config, cache=tmp_path, executor=Inline()).rows
    (skipped,) = (r for r in found if r.status == "skipped")
    assert "not installed" in skipped.reason or "not downloaded automatically" in skipped.reason
    assert "skipped: fid" in blocks(found, COLUMNS, "github")


def test_a_run_of_judges_can_be_verified(tmp_path: Path) -> None:
    code, found = judged(write_run(tmp_path, [Blocks(4), Blocks(2)], head=Psnr(), task="reconstruction"))
    assert code == 0, found


def test_heads_of_other_outputs_are_refused() -> None:
    with pytest.raises(UsageError, match="gives Fidelity, the task detection scores Detections"):
        configure("detection", Squares(), [Blocks(4)], [Psnr()])


def test_psnr_of_a_set_worked_by_hand_and_on_copied_images() -> None:
    metric, truth = METRICS.build("likeness"), Truth(("a", "b"), ())
    found = [Fidelity("psnr", np.array([300.0, 12.0])), Fidelity("psnr", np.array([900.0, 36.0]))]
    assert metric.compute(truth, found)[0].value == pytest.approx(10 * math.log10(255**2 / 25))
    drawn = metric.resample(
        truth, [*found[:1], Fidelity("psnr", np.array([0.0, 36.0]))], np.array([[2, 0], [1, 1], [0, 2]])
    )["psnr"]
    assert drawn == pytest.approx([10 * math.log10(255**2 / 25), 10 * math.log10(255**2 / 6.25), math.inf])
    values = [Fidelity("ms_ssim", np.array([v])) for v in (0.5, 0.9)]
    assert metric.resample(truth, values, np.array([[2, 0], [1, 1]]))["ms_ssim"] == pytest.approx([0.5, 0.7])
    with pytest.raises(UsageError, match="the same for all images"):
        metric.compute(truth, [found[0], values[1]])


def test_the_frechet_distance_is_that_of_normal_distributions() -> None:
    dice = np.random.default_rng(0)
    one, other = dice.normal(0, 1, (50, 4)), dice.normal(0.3, 2, (70, 4)) @ dice.normal(0, 1, (4, 4))
    c, d = np.cov(one.T), np.cov(other.T)
    expected = np.sum((one.mean(0) - other.mean(0)) ** 2) + np.trace(c + d - 2 * np.real(sqrtm(c @ d)))
    assert distance(one, other) == pytest.approx(expected, rel=1e-8)
    few = dice.normal(0, 1, (3, 40))  # fewer patches than features: covariances are singular, and a root of them shaky
    assert distance(few, few) == pytest.approx(0, abs=1e-9)
    assert distance(few, few + 2) == pytest.approx(4 * 40)
    with pytest.raises(UsageError, match="two or more"):
        distance(few[:1], few)


def test_fid_is_over_all_patches_of_the_set() -> None:
    dice = np.random.default_rng(1)
    pairs = [FeaturePair(*dice.normal(0, 1, (2, 3, 5)).astype(np.float32)) for _ in range(2)]
    (found,) = METRICS.build("frechet").compute(Truth(("a", "b"), ()), pairs)
    joined = (np.concatenate([getattr(p, name) for p in pairs]).astype(float) for name in ("original", "decoded"))
    assert (found.metric, found.value) == ("fid", pytest.approx(distance(*joined)))


@pytest.mark.parametrize(("size", "count"), [((256, 384), 1), ((512, 512), 5), ((100, 900), 1), ((640, 256), 2)])
def test_patches_are_whole_and_half_a_patch_apart(size: tuple[int, int], count: int) -> None:
    found = patches(np.zeros((*size, 3), np.uint8))
    assert len(found) == count
    assert {p.shape for p in found} == {(*size, 3) if min(size) < 256 else (256, 256, 3)}


def test_label_maps_agree_by_the_miou_of_the_set() -> None:
    maps = [SegmentationMap(np.random.default_rng(i).integers(0, 3, (5, 6)).astype(np.uint8)) for i in range(4)]
    truth = Truth(("a", "b"), ("x", "y", "z"), maps=maps[:2], pseudo=True)
    whole = METRICS.build("map_agreement").compute(truth, maps[2:])
    expected = {(s.metric, s.part): s.value for s in METRICS.build("confusion").compute(truth, maps[2:])}
    assert {s.part: s.value for s in whole} == {"": expected["miou", ""]}
    drawn = METRICS.build("map_agreement").resample(truth, maps[2:], np.array([[1, 1]]))
    assert drawn["agreement"] == pytest.approx([whole[0].value])


def test_answers_of_judges_go_round() -> None:
    likeness = from_bytes(to_bytes(Fidelity("psnr", np.array([1.0, 2.0]))))
    assert isinstance(likeness, Fidelity)
    assert (likeness.measure, likeness.numbers.tolist()) == ("psnr", [1.0, 2.0])
    pair = from_bytes(to_bytes(FeaturePair(np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32))))
    assert isinstance(pair, FeaturePair)
    assert pair.decoded.shape == (1, 3)


def test_scales_say_which_way_is_better() -> None:
    assert scale_of("ap").bounds == scale_of("agreement").bounds == (0, 1)
    assert scale_of("bd_lpips").bounds == (-math.inf, 0)
    assert scale_of("d_psnr").unit == "dB"


def test_ms_ssim_falls_with_damage_and_needs_five_scales(photo: Any) -> None:
    pytest.importorskip("torchmetrics", reason="MS-SSIM is torchmetrics', which is not installed")
    image = photo(176, 200)
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 8, image.shape), 0, 255).astype(np.uint8)
    image.setflags(write=False)  # as data sets keep theirs
    same, other = (float(x.numbers[0]) for x in MsSsim().compare([image, image], [image, noisy]))
    assert same == pytest.approx(1, abs=1e-6)
    assert 0.5 < other < 0.999
    assert MsSsim().label_space == LabelSpace("", ())
