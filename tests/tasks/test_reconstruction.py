"""The task reconstruction: judges that see the original, scores of which less is better, and heads that agree with
themselves.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from run_folders import judged, write_run
from scipy.linalg import sqrtm

from benchmarks.api import METRICS, TASKS, ScoreRow, Truth
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.executors import Inline
from benchmarks.metrics.frechet import distance
from benchmarks.reporting.figures import rate_curves
from benchmarks.runs import tables
from benchmarks.runs.run_folder import load
from benchmarks.runs.tables import blocks
from benchmarks.stats.metric_facts import facts_of_metrics
from downstream.api import FeaturePair, Fidelity, LabelSpace, Prediction, SegmentationMap, from_bytes, to_bytes
from downstream.heads.fidelity import MsSsim, Psnr
from downstream.heads.inception import SIDE, Fid
from downstream.ops.patches import patch_count, patches
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
class Corners(Psnr):
    """The features of a set's Frechet distance: mean colour of the quarters of an image, divided by 255.

    least: the fewest images that it gives a score for.
    """

    least: int = 0

    spec_name: ClassVar[str] = "corners"
    output: ClassVar[type[Prediction]] = FeaturePair
    measure: ClassVar[str] = "frechet_mobilenet"

    def compare(self, originals: Any, images: Any) -> list[Prediction]:
        return [FeaturePair(*map(self._features, pair), self.measure) for pair in zip(originals, images, strict=True)]

    def why_too_few(self, image_sizes: Any) -> str | None:
        return None if len(image_sizes) >= self.least else f"{len(image_sizes)} images came, {self.least} are needed"

    @staticmethod
    def _features(image: np.ndarray) -> np.ndarray:
        half = [image[part] for part in (np.s_[: len(image) // 2], np.s_[len(image) // 2 :])]
        quarters = [np.array_split(x, 2, axis=1)[side] for x in half for side in (0, 1)]
        return np.array([x.mean((0, 1)) / 255 for x in quarters], np.float32)


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
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A codec, and one that takes twice its bytes for the same images."""
    codecs = [*(Blocks(s) for s in SIZES), *(Wasteful(s) for s in SIZES)]
    heads = [Psnr(), Spread(), FindSquares()]
    config = configure("reconstruction", Squares(12), codecs, heads, anchors=["blocks"], resamples=60)
    return run(config, cache=tmp_path_factory.mktemp("cache"), executor=Inline())


def values(outcome: Outcome, metric: str, head: str) -> dict[str, ScoreRow]:
    """The scores of the codec's own ladder, by point."""
    wanted = (metric, head, "blocks", "", "")
    return {r.point: r for r in outcome.score_rows if (r.metric, r.head, r.codec, r.ladder, r.part) == wanted}


def test_psnr_is_that_of_the_set_and_endless_without_loss(outcome: Outcome) -> None:
    of_head, of_streams = values(outcome, "psnr", "psnr"), values(outcome, "psnr", "")
    assert set(of_head) == {f"size={size}" for size in SIZES}
    for point, row in of_head.items():
        assert row.value == pytest.approx(of_streams[point].value, rel=1e-12)
        assert row.low < row.value < row.high
        assert row.unit == "dB"
    lossless = [
        r.value for r in outcome.score_rows if r.head == "psnr" and r.codec == "original" and r.metric == "psnr"
    ]
    assert lossless == [math.inf]


def test_agreement_is_with_the_heads_own_predictions_on_the_originals_whatever_the_labels(outcome: Outcome) -> None:
    assert {r.dataset for r in outcome.score_rows} == {"squares"}
    of_original = [r for r in outcome.score_rows if r.metric == "agreement" and r.codec == "original" and not r.part]
    assert [r.value for r in of_original] == [1.0]
    agreement = values(outcome, "agreement", "squares")
    assert agreement["size=2"].value > agreement["size=16"].value
    assert not any(r.metric == "ap" for r in outcome.score_rows)


def test_twice_the_rate_is_100_percent_by_every_score(outcome: Outcome) -> None:
    differences = {
        (c.kind, c.metric): c
        for c in outcome.comparison_rows
        if c.codec == "wasteful" and c.anchor == "blocks" and c.kind in ("bd_rate", "bd_metric")
    }
    metrics = ("psnr", "lpips", "agreement")
    assert set(differences) == {(kind, metric) for metric in metrics for kind in ("bd_rate", "bd_metric")}
    assert differences["bd_rate", "psnr"].value == pytest.approx(100, abs=1e-6)
    assert differences["bd_rate", "lpips"].value == pytest.approx(100, abs=1e-6)
    # worse: fewer dB, more distance
    assert differences["bd_metric", "psnr"].value < 0 < differences["bd_metric", "lpips"].value
    assert differences["bd_metric", "psnr"].unit == "dB"
    text = blocks(outcome.results, "github")
    for head in ("psnr", "lpips"):
        (line,) = (x for x in text.splitlines() if x.startswith("Verdict") and f", {head} against blocks" in x)
        assert line.endswith("worse: wasteful.")


def test_fidelity_heads_stand_in_one_block_and_each_other_head_in_its_own(outcome: Outcome) -> None:
    text = blocks(outcome.results, "github")
    titles = [line for line in text.splitlines() if line.startswith("### reconstruction")]
    assert titles == [
        "### reconstruction on squares (test, 12 images), against the originals",
        "### reconstruction on squares (test, 12 images), head squares, pixel domain, frozen",
    ]
    headers = [line for line in text.splitlines() if line.startswith("| codec") and "point" in line]
    assert "PSNR [dB]" in headers[0]
    assert "LPIPS" in headers[0]
    assert "agreement" not in headers[0]
    assert "FID" not in headers[0]
    assert "agreement" in headers[1]
    assert " inf |" in text


def test_curves_of_decibels_and_distances_are_drawn(outcome: Outcome, tmp_path: Path) -> None:
    rate_curves.curves(outcome.results, tmp_path / "curves")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    with rate_curves.figure(outcome.results) as plotted:
        labels = {axis.get_title(): axis.get_ylabel() for axis in plotted.axes}
        points = {axis.get_title(): axis.lines[-1].get_ydata() for axis in plotted.axes}
    assert labels == {"psnr": "PSNR [dB]", "lpips": "LPIPS, lower is better", "squares": "agreement [%]"}
    of_codec = [row.value for row in sorted(values(outcome, "lpips", "lpips").values(), key=lambda row: -row.value)]
    assert sorted(points["lpips"], reverse=True) == of_codec


def test_a_head_that_is_not_installed_is_a_row_with_its_reason_and_nothing_is_fetched(tmp_path: Path) -> None:
    absent = Fid(weights=str(tmp_path / "nowhere.pth"))
    config = configure("reconstruction", Squares(2), [Blocks(4)], [Psnr(), absent], anchors=[], resamples=0)
    outcome = run(config, cache=tmp_path, executor=Inline())
    (skipped,) = (r for r in outcome.score_rows if r.status == "skipped")
    assert "not installed" in skipped.reason or "not downloaded automatically" in skipped.reason
    assert "skipped: fid" in blocks(outcome.results, "github")


def test_a_frechet_distance_is_a_score_without_interval(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [Blocks(s) for s in (16, 8, 4)], head=Corners(), task="reconstruction")
    scores = load(folder).scores
    rows = scores[(scores["metric"] == "frechet_mobilenet") & (scores["ladder"] == "")]
    of_codec = rows[rows["codec"] == "blocks"]["value"].tolist()
    assert of_codec == sorted(of_codec, reverse=True)
    assert rows[rows["codec"] == "original"]["value"].tolist() == [0]
    assert rows["low"].isna().all()


def test_a_head_whose_score_needs_more_images_is_left_out_with_the_reason(tmp_path: Path) -> None:
    config = configure("reconstruction", Squares(12), [Blocks(4)], [Psnr(), Corners(13)], anchors=[], resamples=0)
    outcome = run(config, cache=tmp_path, executor=Inline())
    rows = [row for row in outcome.score_rows if row.head == "corners(least=13)"]
    assert [(row.status, row.reason) for row in rows] == [("skipped", "12 images came, 13 are needed")]
    assert any(row.status == "ok" and row.head == "psnr" and row.metric == "psnr" for row in outcome.score_rows)
    alone = configure("reconstruction", Squares(12), [Blocks(4)], [Corners(13)], anchors=[], resamples=0)
    with pytest.raises(UsageError, match="12 images came, 13 are needed"):
        run(alone, cache=tmp_path, executor=Inline())


def test_a_run_of_judges_can_be_verified(tmp_path: Path) -> None:
    code, found = judged(write_run(tmp_path, [Blocks(4), Blocks(2)], head=Psnr(), task="reconstruction"))
    assert code == 0, found


def test_a_folder_from_before_a_score_was_a_column_is_read_without_it(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [Blocks(4), Blocks(2)], head=Psnr(), task="reconstruction")
    assert "blockiness_16" in (folder / "table.csv").read_text().splitlines()[0].split(",")
    about = json.loads((folder / "run.json").read_text())
    for name in [name for name in about["facts"] if "blockiness" in name]:
        del about["facts"][name]
    (folder / "run.json").write_text(json.dumps(about))
    tables.write(load(folder).results, folder)
    columns = (folder / "table.csv").read_text().splitlines()[0].split(",")
    assert "blockiness_16" not in columns
    assert {"psnr", "lpips", "agreement"} <= set(columns)
    code, found = judged(folder)
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


@pytest.mark.parametrize(("one", "other"), [(90, 90), (90, 20), (32, 33), (20, 20)])
def test_many_patches_give_the_same_distance_as_the_product_of_all_of_them(one: int, other: int) -> None:
    dice = np.random.default_rng(2)
    first, second = dice.normal(0, 1, (one, 32)), np.maximum(dice.normal(0.1, 1, (other, 32)), 0)
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (first, second))
    whole = np.linalg.svd(a @ b.T, compute_uv=False)  # patches x patches
    shift = first.mean(0) - second.mean(0)
    assert distance(first, second) == pytest.approx(
        shift @ shift + np.sum(a * a) + np.sum(b * b) - 2 * whole.sum(), abs=1e-9
    )


def test_fid_is_over_all_patches_of_the_set() -> None:
    dice = np.random.default_rng(1)
    pairs = [FeaturePair(*dice.normal(0, 1, (2, 3, 5)).astype(np.float32)) for _ in range(2)]
    (found,) = METRICS.build("frechet").compute(Truth(("a", "b"), ()), pairs)
    joined = (np.concatenate([getattr(p, name) for p in pairs]).astype(float) for name in ("original", "decoded"))
    assert (found.metric, found.value) == ("fid", pytest.approx(distance(*joined)))


@pytest.mark.parametrize(("size", "count"), [((256, 384), 1), ((512, 512), 5), ((100, 900), 1), ((640, 256), 2)])
def test_patches_are_whole_and_half_a_patch_apart(size: tuple[int, int], count: int) -> None:
    found = patches(np.zeros((*size, 3), np.uint8), SIDE)
    assert len(found) == count == patch_count(*size, SIDE)
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


def test_facts_say_which_way_is_better() -> None:
    facts = facts_of_metrics(METRICS.build(name) for name in ("coco_ap", "box_agreement", "likeness"))
    assert facts["ap"].bounds == facts["agreement"].bounds == (0, 1)
    assert facts["lpips"].bounds == (-math.inf, 0)
    assert facts["psnr"].unit == "dB"


def test_ms_ssim_falls_with_damage_and_needs_five_scales(photo: Any) -> None:
    pytest.importorskip("torchmetrics", reason="MS-SSIM is torchmetrics', which is not installed")
    image = photo(176, 200)
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 8, image.shape), 0, 255).astype(np.uint8)
    image.setflags(write=False)  # as data sets keep theirs
    same, other = (float(x.numbers[0]) for x in MsSsim().compare([image, image], [image, noisy]))
    assert same == pytest.approx(1, abs=1e-6)
    assert 0.5 < other < 0.999
    assert MsSsim().label_space == LabelSpace("", ())
