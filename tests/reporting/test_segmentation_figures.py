"""Figures of a segmentation run: curves of classes, changes of confusions, contact sheets; and their numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from hsc_testkit import Blocks, FindSquares
from map_testkit import Greys, ReadGrey

from benchmarks.api import TASKS, Counts, ScoreRow
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.executors import Inline
from benchmarks.reporting.figures.class_curves import MAX_CLASSES, class_curves, drawn
from benchmarks.reporting.figures.confusion_change import change_table, common_rate, count_table, panels
from benchmarks.reporting.figures.palettes import palette
from benchmarks.reporting.images.contact_sheet import sheet
from benchmarks.reporting.images.label_maps import errors, scene_scores
from benchmarks.runs.rows import frame
from downstream.api import VOID, LabelSpace
from downstream.label_spaces import ADE150, CAMVID11, CITYSCAPES19, VOC21
from hsc.errors import HeadError, UsageError

HEADS = (ReadGrey(), ReadGrey(voc=True))
SEGMENTATION: Any = TASKS.build("segmentation")
FIGURES = [
    "class_curves.pdf",
    "class_curves.png",
    "confusion.csv",
    "confusion_change.csv",
    "confusion_change.pdf",
    "confusion_change.png",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def outcome(cache: Path) -> Outcome:
    return segmented(cache)


def segmented(cache: Path, heads: Any = HEADS, resamples: int = 40) -> Outcome:
    codecs = ["blocks", Blocks(4, slow_s=1e-6)]
    config = configure("segmentation", Greys(images=12), codecs, heads, anchors=["blocks"], resamples=resamples)
    return run(config, cache=cache, executor=Inline())


def colours_of(path: Path) -> set[tuple[int, ...]]:
    """Every colour of a picture."""
    with PIL.Image.open(path) as picture:
        found = np.unique(np.asarray(picture.convert("RGB")).astype(np.int64) @ (1 << 16, 1 << 8, 1))
    return {(number >> 16, number >> 8 & 255, number & 255) for number in found.tolist()}


def test_counts_are_of_every_cell_but_those_of_second_ladders(outcome: Outcome) -> None:
    cells = [(one.head, one.codec, one.point) for one in outcome.counts]
    assert cells == list(dict.fromkeys(cells))
    assert {codec for _, codec, _ in cells} == {"original", "blocks", "blocks(slow_s=1e-06)"}
    assert len(cells) == 2 * (1 + len(Blocks.ladder) + 1)
    assert all(one.counted.shape == (len(one.classes), len(one.classes) + 1) for one in outcome.counts)
    own = [one.counted for one in outcome.counts if one.classes == CAMVID11.classes]
    assert {int(counted.sum()) for counted in own} == {12 * 24 - 12}
    np.testing.assert_array_equal(own[0], np.hstack([np.diag(np.diag(own[0])), np.zeros((11, 1))]))


def test_counts_agree_with_the_scores_and_come_from_the_cache(outcome: Outcome, cache: Path) -> None:
    again = segmented(cache)
    for before, after in zip(outcome.counts, again.counts, strict=True):
        np.testing.assert_array_equal(before.counted, after.counted)
    table = outcome.results.scores
    for one in outcome.counts:
        of_cell = table[
            (table["head"] == one.head)
            & (table["codec"] == one.codec)
            & (table["ladder"] == "")
            & (table["point"] == one.point)
            & (table["part"] == "")
        ]
        accuracy = float(of_cell[of_cell["metric"] == "pixel_accuracy"]["value"].iloc[0])
        assert accuracy == pytest.approx(np.diagonal(one.counted).sum() / one.counted.sum())


def test_every_class_has_an_interval(outcome: Outcome) -> None:
    table = outcome.results.scores
    found = table[(table["metric"] == "iou") & (table["part"] == "road") & (table["ladder"] == "")]
    assert len(found) == len({(c.head, c.codec, c.point) for c in outcome.counts if "road" in c.classes})
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()


def test_a_run_draws_its_figures(outcome: Outcome, tmp_path: Path) -> None:
    SEGMENTATION.figures(outcome.score_rows, outcome.counts, tmp_path, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == FIGURES
    assert len(colours_of(tmp_path / "class_curves.png")) > 20
    table = pd.read_csv(tmp_path / "confusion.csv")
    assert list(table.columns) == [
        "head",
        "route",
        "codec",
        "point",
        "bpp",
        "true",
        *CAMVID11.classes,
        "void",
        "background",
    ]
    assert len(table) == sum(len(one.classes) for one in outcome.counts)
    change = pd.read_csv(tmp_path / "confusion_change.csv")
    sums = change.groupby(["head", "codec", "true"])["change"].sum(min_count=1).dropna()
    assert np.abs(sums).max() < 1e-12
    assert change["change"].abs().max() > 0.2


def test_without_resamples_there_are_no_bands_and_without_scores_no_figures(
    outcome: Outcome, cache: Path, tmp_path: Path
) -> None:
    SEGMENTATION.figures([r for r in outcome.score_rows if not r.head], [], tmp_path, {})
    assert not list(tmp_path.iterdir())
    bare = segmented(cache, [ReadGrey()], resamples=0)
    assert class_curves(bare.results.scores, "iou", {}, tmp_path / "bare")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bare.pdf", "bare.png"]


def counted(codec: str, point: str, *rows: list[int], head: str = "h") -> Counts:
    return Counts(head, "image", codec, point, ("road", "car"), np.array(rows, np.int64), codec == "original")


def test_a_change_worked_by_hand() -> None:
    """Of ten road pixels two fewer are road, one more is car and one is void; of four car pixels two are road."""
    counts = [
        counted("original", "", [8, 2, 0], [0, 4, 0]),
        counted("a", "q=1", [6, 3, 1], [2, 2, 0]),
        counted("a", "q=2", [8, 2, 0], [0, 4, 0]),
    ]
    rate, (one,) = panels(counts, {("original", ""): 24.0, ("a", "q=1"): 0.1, ("a", "q=2"): 0.4})
    assert (rate, one.bpp, one.counts.point) == (0.1, 0.1, "q=1")
    np.testing.assert_allclose(one.change, [[-0.2, 0.1, 0.1], [0.5, -0.5, 0.0]], atol=1e-12)
    lines = change_table(rate, [one]).set_index(["true", "found"])
    assert lines.loc[("car", "road"), "share"] == 0.5
    assert lines.loc[("road", "void"), "change"] == pytest.approx(0.1)


def test_a_class_without_a_pixel_has_no_change_and_a_head_without_the_originals_no_panel() -> None:
    counts = [
        counted("a", "q=1", [6, 4, 0], [0, 0, 0], head="on latents"),
        counted("original", "", [8, 2, 0], [0, 0, 0]),
        counted("a", "q=1", [6, 4, 0], [0, 0, 0]),
    ]
    _, found = panels(counts, {("a", "q=1"): 0.1})
    assert [one.counts.head for one in found] == ["h"]
    assert np.isnan(found[0].change[1]).all()
    assert len(count_table(counts, {})) == 6
    assert panels(counts[1:2], {})[1] == []
    assert math.isnan(panels(counts[1:2], {})[0])


@pytest.mark.parametrize(
    ("ladders", "rate"),
    [
        ({"a": [0.1, 0.2, 0.4], "b": [0.21, 0.4]}, 0.2),
        ({"a": [0.4, 0.2, 0.1], "b": [0.1, 0.3]}, 0.1),
        ({"a": [0.1], "b": [0.4], "c": [0.2]}, 0.2),
        ({"a": [0.3, 0.7]}, 0.3),
    ],
)
def test_codecs_are_compared_at_the_lowest_rate_that_all_have_a_point_near(
    ladders: dict[str, list[float]], rate: float
) -> None:
    assert common_rate(ladders) == rate


def test_of_many_classes_those_of_the_most_pixels_are_drawn(tmp_path: Path) -> None:
    names = [f"class {n}" for n in range(MAX_CLASSES + 6)]
    kept = drawn(names, {name: float(n) for n, name in enumerate(names)})
    assert kept == names[6:]
    whole = ScoreRow("", "segmentation", "d", "val", "c", "", "", "image", "frozen", "h", "", 0, "iou", 0.5, images=3)
    assert not class_curves(frame([whole], ScoreRow), "iou", {}, tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_errors_and_the_scores_of_one_scene() -> None:
    """Four labelled pixels: right; wrong on the original too; wrong here alone; right though it was wrong on the
    original.
    """
    true = np.array([[0, 0, 1, 1, VOID]], np.uint8)
    original, found = np.array([[0, 1, 1, 0, 0]], np.uint8), np.array([[0, 1, 0, 1, 1]], np.uint8)
    assert errors(true, found, original).tolist() == [[0, 1, 2, 0, 3]]
    assert scene_scores(true, found, ("road", "car"), SEGMENTATION) == "mIoU 33.3   pixel acc. 50.0"


def test_label_maps_have_the_publishers_colours() -> None:
    assert palette(CAMVID11, CAMVID11.classes)[3].tolist() == [128, 64, 128]
    assert palette(CITYSCAPES19, CITYSCAPES19.classes)[10].tolist() == [70, 130, 180]
    voc = palette(VOC21, VOC21.classes)
    assert [voc[i].tolist() for i in (0, 1, 7, 15, 20, VOID)] == [
        [0, 0, 0],
        [128, 0, 0],
        [128, 128, 128],
        [192, 128, 128],
        [0, 64, 128],
        [0, 0, 0],
    ]
    assert palette(CAMVID11, ("background", "car"))[:2].tolist() == [[160, 160, 160], [64, 0, 128]]
    ade = palette(ADE150, ADE150.classes)[:150]
    assert len({tuple(colour) for colour in ade.tolist()} - {(0, 0, 0)}) == 150


@pytest.mark.parametrize(
    ("head", "dataset"), [(HEADS[0], Greys()), (HEADS[1], Greys()), (HEADS[1], Greys(labels=False))]
)
def test_a_sheet_of_label_maps(head: ReadGrey, dataset: Greys, tmp_path: Path) -> None:
    sheet(dataset, head, Blocks(2), [Blocks()], [0, 1], tmp_path / "maps.png", task=SEGMENTATION)
    colours = colours_of(tmp_path / "maps.png")
    own = head.label_space if dataset.labels is False else CAMVID11
    assert tuple(palette(own, ("car",) if own is CAMVID11 else ("bus",))[0].tolist()) in colours
    assert (0xB2, 0x18, 0x2B) in colours


def test_a_sheet_says_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"\(3, 6\), expected uint8 \(4, 6\)"):
        sheet(Greys(), ReadGrey(size=True), Blocks(2), [], [0], tmp_path / "a.png", task=SEGMENTATION)
    with pytest.raises(
        UsageError, match=r"squares gives Detections, the task segmentation draws others; .* --task detection"
    ):
        sheet(Greys(), FindSquares(), Blocks(2), [], [0], tmp_path / "a.png", task=SEGMENTATION)
    assert not list(tmp_path.iterdir())


def test_a_label_space_of_ones_own_has_colours() -> None:
    own = LabelSpace("mine", ("wood", "water"))
    assert palette(own, own.classes)[:2].tolist() == [[128, 0, 0], [0, 128, 0]]
