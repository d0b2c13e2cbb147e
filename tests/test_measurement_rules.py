"""The eleven measurement rules, each as a reader of the table meets it; the tests of the parts go into the corners."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from matplotlib.figure import Figure

from benchmarks.api import CODECS, DATASETS, METRICS, TASKS, MetricFacts, Sample, ScoreRow, Truth
from benchmarks.conformance.codec_rules import CONTRACT
from benchmarks.datasets.roadscenes.dataset import scene_seed
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.timing import timed
from benchmarks.harness.truth import limit_coco
from benchmarks.reporting.figures.rate_curves import panel, styles_of
from benchmarks.runs.provenance import describe
from benchmarks.runs.rows import frame
from benchmarks.runs.tables import blocks
from benchmarks.stats.bjontegaard import bd_rate
from benchmarks.stats.bootstrap import RESAMPLES, Bootstrap, interval
from downstream.api import HEADS, VOID, Detections, SegmentationMap, routes_of
from downstream.training.recipe import Recipe
from downstream.weights.weights_file import read_weights

CURVE = [(0.05, 0.12), (0.1, 0.25), (0.2, 0.38), (0.4, 0.47), (0.8, 0.52), (1.6, 0.55)]
IMAGES = 32
SIZES = (12, 8, 6, 4, 2)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Two codecs that code alike, on a few images."""
    codecs = [*(Blocks(s) for s in SIZES), *(Blocks(s, slow_s=1e-6) for s in SIZES)]
    config = configure("detection", Squares(images=IMAGES), codecs, [FindSquares()], anchors=["blocks"])
    return run(config, cache=tmp_path_factory.mktemp("cache"), executor=Inline())


@dataclass(frozen=True)
class Ragged(Squares):
    """Every other image is half as wide."""

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return replace(sample, image=sample.image[:, : 144 if index % 2 else 72])


@dataclass(frozen=True)
class Watched(Blocks):
    """Writes down the size of each image it codes, and can fail at one image."""

    log: str = ""
    failing: bool = False

    def encode(self, image: np.ndarray) -> bytes:
        with Path(self.log).open("a") as file:
            file.write(f"{image.shape[1]}x{image.shape[0]}\n")
        if self.failing and image.max() == 203:  # the image of index 3
            raise ValueError("no luck")
        return super().encode(image)


@dataclass(frozen=True)
class Adapted(FindSquares):
    """A head that was trained on what a codec leaves."""

    regime: ClassVar[str] = "adapted"
    adapted_to: ClassVar[str] = ""


def one(outcome: Outcome, metric: str, codec: str = "blocks", point: str = "size=4") -> ScoreRow:
    wanted = (metric, codec, point, "", "")
    (score,) = (r for r in outcome.scores if (r.metric, r.codec, r.point, r.part, r.ladder) == wanted)
    return score


def small_run(cache: Path, codecs: list[Any], dataset: Any = None, heads: list[Any] | None = None) -> Outcome:
    config = configure("detection", dataset or Squares(), codecs, heads or [FindSquares()], anchors=[], resamples=20)
    return run(config, cache=cache, executor=Inline())


def test_rule_1_rate_is_all_bits_over_all_pixels_and_no_mean_of_rates(tmp_path: Path) -> None:
    images = [Ragged().load(i).image for i in range(6)]
    bits = [8 * len(Blocks(4).encode(image)) for image in images]
    pixels = [image.shape[0] * image.shape[1] for image in images]
    found = one(small_run(tmp_path, [Blocks(4)], Ragged()), "bpp").value
    assert found == pytest.approx(sum(bits) / sum(pixels), rel=1e-12)
    assert found != pytest.approx(np.mean([b / p for b, p in zip(bits, pixels, strict=True)]), rel=1e-3)


def test_rule_2_images_are_coded_at_the_size_they_come_in_and_scored_against_the_original(tmp_path: Path) -> None:
    codec = Watched(4, log=str(tmp_path / "sizes"))
    found = small_run(tmp_path, [codec])
    assert set((tmp_path / "sizes").read_text().split()) == {"144x56"}
    images = [Squares().load(i).image for i in range(6)]
    error = np.mean([(Blocks(4).decode(Blocks(4).encode(image)).astype(float) - image) ** 2 for image in images])
    assert one(
        found, "psnr", next(r.codec for r in found.scores if r.codec.startswith("blocks"))
    ).value == pytest.approx(10 * np.log10(255**2 / error))


def test_rule_2_the_contract_of_codecs_finds_colours_that_are_truncated() -> None:
    """See test_seeded_mistakes.py for a conversion that does."""
    assert "rounds_and_never_truncates" in {check.name for check in CONTRACT}


def test_rule_3_the_uncompressed_ceiling_is_in_every_table_with_the_sources_own_bits(measured: Outcome) -> None:
    assert one(measured, "bpp", "original", "").value == pytest.approx(24, rel=0.01)
    source = one(measured, "source_bpp", "original", "").value
    assert source == pytest.approx(8 * 1000 / (56 * 144))
    assert f"originals came as files of {source:.3f} bpp" in blocks(measured.results, "github")


@pytest.mark.parametrize("task", ["detection", "segmentation", "reconstruction"])
def test_rule_4_default_heads_pin_weights_threshold_and_size_and_leave_nothing_out(task: str) -> None:
    for spec in TASKS.build(task).heads:
        head = HEADS.build(spec)
        settings = vars(head)
        assert settings.get("score_threshold", 0) <= 0.001
        if head.output is Detections:
            assert {"score_threshold", "max_detections"} <= set(settings)
            assert (
                "zoom" in settings or head.needs
            )  # the size it looks at, or the latents, whose size follows the image's
            assert head.provenance()["weights_sha256"]


def test_rule_4_ap_is_over_all_images_those_without_a_detection_too() -> None:
    data, metric = Squares(), METRICS.build("coco_ap")
    truth = Truth(
        tuple(data.image_ids()), ("square", "unseen"), coco=limit_coco(data.coco(), range(6), ("square", "unseen"), {})
    )
    seen = FindSquares().predict([data.load(i).image for i in range(6)])
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    whole, halved = (metric.compute(truth, found)[0].value for found in (seen, [*seen[:3], nothing, nothing, nothing]))
    assert halved == pytest.approx(whole / 2, abs=0.03)


def test_rule_4_miou_comes_from_one_matrix_of_the_set_with_void_left_out() -> None:
    true = [np.array([[0, 0, 1, VOID]], np.uint8), np.array([[1, 1, 1, 1]], np.uint8)]
    found = [np.array([[0, 1, 1, 0]], np.uint8), np.array([[1, 1, 1, 1]], np.uint8)]
    truth = Truth(("a", "b"), ("road", "sky"), maps=[SegmentationMap(t) for t in true])
    scores = {
        s.metric: s.value
        for s in METRICS.build("confusion").compute(truth, [SegmentationMap(f) for f in found])
        if not s.part
    }
    assert scores["miou"] == pytest.approx((1 / 2 + 5 / 6) / 2)


def test_rule_5_adapted_heads_say_so_and_stand_in_a_block_of_their_own(tmp_path: Path) -> None:
    found = small_run(tmp_path, [Blocks(4)], heads=[FindSquares(), Adapted(90)])
    assert {r.head: r.regime for r in found.scores if r.head} == {
        "squares": "frozen",
        "squares(threshold=90)": "adapted",
    }
    titles = [line for line in blocks(found.results, "github").splitlines() if line.startswith("### detection")]
    assert [title.rsplit(", ", 1)[1] for title in titles] == ["frozen", "adapted"]


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_rule_5_a_default_head_on_latents_has_an_adapted_rival_on_images_that_began_and_learnt_alike(task: str) -> None:
    adapted = [head for spec in TASKS.build(task).heads if (head := HEADS.build(spec)).regime == "adapted"]
    assert [routes_of(head) for head in adapted] == [("image",), ("latent",)]
    said = [read_weights(head._path()).about for head in adapted]
    for name in ("source", "codec", "teacher", "regime"):
        assert len({str(about[name]) for about in said}) == 1, name
    assert {about["latent_space"] for about in said} <= {
        spec.space for spec in CODECS.build(said[0]["codec"]).latent_specs()
    }
    rival, latent = (str(about["initial"]).split(", which began as ") for about in said)
    frozen = rival[-1]
    assert latent.index(frozen) == len(
        rival
    )  # as many trainings since the frozen head and one more, of the lift: the rival is given decoded images
    ours, rivals = (
        replace(Recipe(**about["recipe"]), arch="hourglass", input="clean", zoom=1.0, task="detection")
        for about in said
    )
    assert ours == rivals


def test_rule_6_splits_share_no_scene_and_two_heads_of_other_architecture_score() -> None:
    """What the weights were trained on stands in their cards."""
    seeds = {split: {scene_seed(split, seed) % 4 for seed in (None, 0, 1, 7)} for split in ("train", "val", "test")}
    assert all(len(found) == 1 for found in seeds.values())
    assert len(set.union(*seeds.values())) == 3
    for task in ("detection", "segmentation"):
        heads = [HEADS.build(spec) for spec in TASKS.build(task).heads]
        frozen = [head for head in heads if head.regime == "frozen"]
        assert len({head.arch for head in frozen}) == len(frozen) == 2
    assert DATASETS.build(TASKS.build("detection").dataset).split == "val"


def test_rule_7_no_difference_where_both_overlaps_are_under_75_percent() -> None:
    span = CURVE[-1][1] - CURVE[0][1]
    assert bd_rate(CURVE, [(r, q + 0.24 * span) for r, q in CURVE], (0, 1)).value is not None
    refused = bd_rate(CURVE, [(r, q + 0.26 * span) for r, q in CURVE], (0, 1))
    assert refused.value is None
    assert "74% of the test codec's and 74% of the anchor's" in refused.reason


def test_rule_7_a_fit_is_labelled_and_a_failed_fit_is_no_number() -> None:
    dip = [*CURVE[:4], (0.8, 0.465), CURVE[5]]
    assert bd_rate(CURVE, dip, (0, 1)).method == "fit"
    assert bd_rate(CURVE, [*CURVE[:3], (0.4, 0.2), *CURVE[4:]], (0, 1)).value is None


def test_rule_7_both_overlaps_stand_beside_every_difference(measured: Outcome) -> None:
    differences = [c for c in measured.comparisons if c.kind in ("bd_rate", "bd_metric") and c.status == "ok"]
    assert differences
    assert all((c.overlap_test, c.overlap_anchor) == pytest.approx((1, 1)) for c in differences)
    assert " {100/100}" in blocks(measured.results, "github")


def test_rule_8_a_thousand_resamples_of_the_images_with_ap_computed_anew_on_each(measured: Outcome) -> None:
    assert RESAMPLES == 1000
    data, codec = Squares(images=IMAGES), Blocks(4)
    images = [data.load(i).image for i in range(IMAGES)]
    seen = FindSquares().predict([codec.decode(codec.encode(image)) for image in images])
    metric: Any = METRICS.build(TASKS.build("detection").metrics[0])
    truth = Truth(
        tuple(data.image_ids()),
        ("square", "unseen"),
        coco=limit_coco(data.coco(), range(IMAGES), ("square", "unseen"), {}),
    )
    expected = interval(metric.resample(truth, seen, Bootstrap(IMAGES, 1000, 0).draws)["ap"])
    found = one(measured, "ap")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.low < found.value < found.high


def test_rule_8_codecs_are_compared_on_the_same_resamples(measured: Outcome) -> None:
    """A codec that codes as the anchor does differs by nothing on any resample; on draws of its own it would differ by
    the images.
    """
    numbers = [
        c
        for c in measured.comparisons
        if c.codec == "blocks(slow_s=1e-06)" and c.anchor == "blocks" and c.kind in ("bd_rate", "bd_metric")
    ]
    assert len(numbers) == 2
    for c in numbers:
        assert c.value == pytest.approx(0, abs=1e-9)
        assert np.isnan(c.low) or (c.low, c.high) == pytest.approx((0, 0), abs=1e-9)


def test_rule_8_the_noise_floor_stands_under_every_table_of_differences(measured: Outcome) -> None:
    text = blocks(measured.results, "github")
    below = text[text.index("Bjontegaard differences") :]
    assert "Noise floor, squares: blocks against itself" in below
    floors = [c for c in measured.comparisons if c.kind in ("noise_floor_rate", "noise_floor_metric")]
    assert [(c.kind, c.codec, c.anchor) for c in floors] == [
        ("noise_floor_rate", "blocks", "blocks"),
        ("noise_floor_metric", "blocks", "blocks"),
    ]
    assert {r.codec for r in measured.scores if r.ladder} == {"blocks"}
    assert {r.codec for r in measured.scores} == {"original", "blocks", "blocks(slow_s=1e-06)"}


def test_rule_8_intervals_of_a_second_run_come_from_the_cache(tmp_path: Path) -> None:
    """See test_bootstrap.py for the proof that they are read; here that they are the same."""
    config = configure("detection", Squares(), [Blocks(4)], [FindSquares()], anchors=[])
    first, second = (run(config, cache=tmp_path, executor=Inline()).results for _ in range(2))
    pd.testing.assert_frame_equal(first.scores, second.scores)
    pd.testing.assert_frame_equal(first.comparisons, second.comparisons)


def test_rule_7_the_fit_that_stands_in_is_drawn_beside_the_raw_points() -> None:
    like = ScoreRow("", "detection", "squares", "test", "c", "", "", "image", "frozen", "h", "", 0, "ap", 0.0, images=4)
    rate = pd.Series({("c", f"p={k}"): r for k, (r, _) in enumerate(CURVE)})
    dotted = []
    for fifth in (0.52, 0.465):
        scores = [*(q for _, q in CURVE[:4]), fifth, CURVE[5][1]]
        axis = Figure().subplots()
        rows = [replace(like, point=f"p={k}", value=q) for k, q in enumerate(scores)]
        panel(axis, frame(rows, ScoreRow), MetricFacts(title="AP"), rate, styles_of(["c"]))
        dotted.append([drawn for drawn in axis.lines if drawn.get_linestyle() == ":"])
        assert list(axis.lines[0].get_ydata()) == pytest.approx([100 * q for q in scores])
    assert [len(found) for found in dotted] == [0, 1]
    assert np.all(np.diff(dotted[1][0].get_ydata()) > 0)


def test_rule_9_times_are_medians_after_a_warm_up_with_threads_declared(tmp_path: Path) -> None:
    pauses = iter([0.0, 0.5, 0.0])
    assert timed(lambda: time.sleep(next(pauses)), repeats=3)[1] < 0.25
    log = tmp_path / "sizes"
    config = configure("detection", Squares(), [Watched(5, log=str(log))], [FindSquares()], anchors=[], resamples=0)
    outcome = run(config, cache=tmp_path, executor=Inline())
    assert len(log.read_text().split()) == 6 + 1  # the first call of a configuration is not timed
    about = describe(outcome.plan, 2, "cpu", {})["environment"]
    assert (about["workers"], about["threads_per_worker"], about["device"]) == (2, 1, "cpu")


def test_rule_10_every_row_leads_to_versions_settings_hashes_and_machine(tmp_path: Path) -> None:
    (tmp_path / "weights.txt").write_text("120")
    config = configure(
        "detection",
        Squares(),
        [Blocks(4)],
        [FindSquares(weights=str(tmp_path / "weights.txt"))],
        anchors=[],
        resamples=0,
    )
    outcome = run(config, cache=tmp_path, executor=Inline())
    about = describe(outcome.plan, 1, "cpu", {})
    for row in (r for r in outcome.scores if r.status == "ok"):
        cell = about["cells"][row.cell]
        assert cell["codec"]["provenance"]
        assert not row.head or len(cell["head"]["provenance"]["weights_sha256"]) == 64
    assert about["environment"]["packages"]["numpy"]
    assert about["environment"]["machine"]["cores"]
    assert "commit" in about["environment"]


def test_rule_11_a_failed_image_leaves_its_cell_without_a_number_and_with_a_reason(tmp_path: Path) -> None:
    found = small_run(tmp_path, [Watched(4, log=str(tmp_path / "log"), failing=True), Blocks(8)])
    bad = [r for r in found.scores if r.status == "failed"]
    assert {r.metric for r in bad} == {"bpp", "ap"}
    assert all(np.isnan(r.value) and r.reason.startswith("1 of 6 images failed: ") and r.images == 6 for r in bad)
    assert "failed: squares blocks" in blocks(found.results, "github")
    assert one(found, "ap", point="size=8").value > 0
