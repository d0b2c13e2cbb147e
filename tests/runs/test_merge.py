"""Merged runs: the numbers of one run of all codecs, intervals and all; refused where they are of different things."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from class_testkit import TellShade
from hsc_testkit import Blocks, FindSquares, Squares
from page_testkit import Bands, ReadGrey
from run_folders import edit, failures, judged

from benchmarks.datasets.object_crops import ObjectCrops
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.harness.progress import Silent
from benchmarks.reporting.merged_run import why_not_into, write
from benchmarks.runs import archive, prediction_files, provenance, records, tables
from benchmarks.runs.merge import Merged, merge
from benchmarks.runs.mergeable import why_not_merged
from benchmarks.runs.notices import notices_of
from benchmarks.runs.run_agreement import agreement
from benchmarks.runs.run_folder import Run, load
from downstream.api import HEADS
from hsc.errors import ResultsError, UsageError

JPEG = "jpeg(quality=[10, 20, 30, 50, 70, 90])"
SCENES = ObjectCrops("shades", min_side=8)
FINE = [Blocks(size) for size in (12, 8, 6, 4, 2)]


def folder_of(
    folder: Path,
    codecs: Sequence[Any],
    *,
    predictions: bool = True,
    task: str = "detection",
    dataset: Any = None,
    head: Any = None,
    keep: int = 2,
    **options: Any,
) -> Path:
    """The folder of a run of some codecs, without figures."""
    folder.mkdir()
    options = {"resamples": 40, "anchors": [], "noise_floor": False, **options}
    config = configure(task, dataset or Squares(12), codecs, [head or FindSquares()], **options)
    cache = folder.parent / "cache"
    outcome = run(config, cache=cache, executor=Inline(), keep_streams=keep)
    tables.write(outcome.results, folder)
    records.write(outcome.record_rows, folder)
    if outcome.keeping:
        archive.write(outcome.keeping.kept, folder)
    provenance.write(folder / "run.json", provenance.describe(outcome.plan, 1, "cpu", {}))
    if predictions:
        with Store(cache / "store.sqlite") as store:
            prediction_files.write(outcome.plan, store, folder)
    return folder


def merged(*folders: Path) -> Merged:
    return merge(folders, Inline(), Silent())


def written(result: Merged, folder: Path) -> Path:
    """The folder of a merged run, without figures and page."""
    folder.mkdir()
    tables.write(result.results, folder, notices_of(result.about))
    records.write(result.lines, folder)
    if result.kept:
        archive.write(result.kept, folder)
    provenance.write(folder / "run.json", result.about)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs blocks and jpeg, the second without its predictions too, and one of both codecs."""
    place = tmp_path_factory.mktemp("runs")
    folder_of(place / "blocks", FINE, anchors=["blocks"])
    folder_of(place / "jpeg", [JPEG])
    folder_of(place / "bare", [JPEG], predictions=False)
    folder_of(place / "both", [*FINE, JPEG], anchors=["blocks"])
    return place


def test_merged_runs_are_the_run_of_all_codecs(runs: Path, tmp_path: Path) -> None:
    written(merged(runs / "blocks", runs / "jpeg"), tmp_path / "out")
    agreed = agreement(tmp_path / "out", runs / "both")
    assert agreed.equal, "\n".join(agreed.sentences())
    rows = load(tmp_path / "out").comparison_rows
    sure = [row for row in rows if row.kind.startswith("lead") and not math.isnan(row.low)]
    assert {(row.codec, row.other) for row in sure} & {("blocks", "jpeg"), ("jpeg", "blocks")}
    code, verdicts = judged(tmp_path / "out")
    assert code == 0, failures(verdicts)
    assert "streams" in {verdict.about for verdict in verdicts if verdict.state == "pass"}


@pytest.mark.slow  # it draws figures
def test_merged_predictions_can_be_merged_again(runs: Path, tmp_path: Path) -> None:
    write(merged(runs / "blocks", runs / "jpeg"), tmp_path / "out")
    again = merged(tmp_path / "out", runs / "both")
    write(again, tmp_path / "again")
    assert not again.without_predictions
    assert agreement(tmp_path / "again", runs / "both").equal
    code, verdicts = judged(tmp_path / "again")
    assert code == 0, failures(verdicts)
    assert {"figures", "page", "tables"} <= {verdict.about for verdict in verdicts if verdict.state == "pass"}


def test_without_predictions_the_row_says_why(runs: Path, tmp_path: Path) -> None:
    result = merged(runs / "blocks", runs / "bare")
    written(result, tmp_path / "out")
    full = {key(row): row for row in load(runs / "both").comparison_rows}
    rows = {key(row): row for row in load(tmp_path / "out").comparison_rows}
    assert rows.keys() == full.keys()
    between = [row for row in rows.values() if "keep-predictions" in row.reason]
    assert between
    for name, row in rows.items():
        assert row.value == pytest.approx(full[name].value, rel=1e-9, nan_ok=True)
        if row.reason and row.status == "ok":
            assert math.isnan(row.low)
            assert "bare" in row.reason
        else:  # within one run, the interval is that of the run
            assert (row.low, row.high) == pytest.approx((full[name].low, full[name].high), nan_ok=True)
    assert any("keep-predictions" in text for text in result.about["notices"])
    _, verdicts = judged(tmp_path / "out", streams=False)
    assert not failures(verdicts)
    edit(tmp_path / "out" / "comparisons.csv", lambda row: {**row, "reason": row["reason"] and "it is a secret"})
    assert "reason" in failures(judged(tmp_path / "out", streams=False)[1])


def key(row: Any) -> tuple[Any, ...]:
    return row.kind, row.codec, row.point, row.anchor, row.other, row.head, f"{row.at_bpp:.6g}"


def test_points_of_one_codec_stand_in_the_order_of_their_rates(tmp_path: Path) -> None:
    folder_of(tmp_path / "a", ["jpeg(quality=[10, 50])"], predictions=False, keep=0)
    folder_of(tmp_path / "b", ["jpeg(quality=[30, 90, 50])"], predictions=False, keep=0)
    result = merged(tmp_path / "a", tmp_path / "b")
    points = [cell["point"] for cell in result.about["cells"].values() if "head" not in cell and cell["point"]]
    assert points == [f"quality={quality}" for quality in (10, 30, 50, 90)]


def test_changed_predictions_give_no_interval(runs: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "jpeg", [JPEG])
    manifest = json.loads((folder / "predictions" / "manifest.json").read_text())
    path = folder / "predictions" / manifest["files"][-1]["file"]
    path.write_text(json.dumps(json.loads(path.read_text())[:1]))
    result = merged(runs / "blocks", folder)
    (reason,) = result.without_predictions.values()
    assert "ap" in reason
    path.write_text("[{")
    (reason,) = merged(runs / "blocks", folder).without_predictions.values()
    assert path.name in reason


@pytest.mark.slow  # it draws figures
@pytest.mark.parametrize("name", ["file", "labels"])
def test_no_file_outside_of_the_predictions_is_copied(runs: Path, tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path / "jpeg", [JPEG])
    (tmp_path / "secret.json").write_text("[]")
    path = folder / "predictions" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][-1][name] = "../../secret.json"
    path.write_text(json.dumps(manifest))
    (tmp_path / "deep").mkdir()
    with pytest.raises(ResultsError, match="secret"):
        write(merged(runs / "blocks", folder), tmp_path / "deep" / "out")
    assert not [*(tmp_path / "deep").rglob("*secret*")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "head"), [("instance_segmentation", FindSquares(masks=True)), ("reconstruction", HEADS.build("psnr"))]
)
def test_masks_and_fidelities(tmp_path: Path, task: str, head: Any) -> None:
    given = {"task": task, "dataset": Squares(12), "head": head, "keep": 0}
    folder_of(tmp_path / "a", FINE, **given)
    folder_of(tmp_path / "b", [JPEG], **given)
    result = merged(tmp_path / "a", tmp_path / "b")
    assert not result.without_predictions
    written(result, tmp_path / "out")
    folder_of(tmp_path / "both", [*FINE, JPEG], **given)
    agreed = agreement(tmp_path / "out", tmp_path / "both")
    assert agreed.equal, "\n".join(agreed.sentences())
    assert any(row.resamples == 40 for row in load(tmp_path / "out").comparison_rows if row.other)


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs blocks and jpeg of classified objects, and one of both codecs."""
    place = tmp_path_factory.mktemp("classified")
    given: dict[str, Any] = {"task": "classification", "dataset": SCENES, "head": TellShade(), "keep": 0}
    blocks, jpeg = [Blocks(size) for size in (12, 6, 3)], ["jpeg(quality=[5, 30, 80])"]
    for name, codecs in (("blocks", blocks), ("jpeg", jpeg), ("both", [*blocks, *jpeg])):
        folder_of(place / name, codecs, **given)
    return place


def test_classes(classified: Path, tmp_path: Path) -> None:
    result = merged(classified / "blocks", classified / "jpeg")
    assert not result.without_predictions
    written(result, tmp_path / "out")
    agreed = agreement(tmp_path / "out", classified / "both")
    assert agreed.equal, "\n".join(agreed.sentences())
    rows = load(tmp_path / "out").comparison_rows
    sure = {(row.codec, row.other or row.anchor) for row in rows if row.resamples == 40 and not math.isnan(row.low)}
    assert sure & {("blocks", "jpeg"), ("jpeg", "blocks")}


def test_scores_that_the_first_classes_do_not_give_have_no_interval(classified: Path, tmp_path: Path) -> None:
    shutil.copytree(classified / "blocks", tmp_path / "blocks")

    def raised(row: dict[str, str]) -> dict[str, str]:
        """As of a metric that looks farther down the ranking."""
        return {**row, "value": row["high"]} if row["metric"] == "top5" and row["point"] == "size=12" else row

    edit(tmp_path / "blocks" / "scores.csv", raised)
    (reason,) = merged(tmp_path / "blocks", classified / "jpeg").without_predictions.values()
    assert "top5" in reason
    assert "5 likeliest classes" in reason


@pytest.mark.slow
def test_label_maps(tmp_path: Path) -> None:
    given = {"task": "segmentation", "dataset": Bands(), "head": ReadGrey(), "keep": 0}
    folder_of(tmp_path / "a", [Blocks(size) for size in (16, 8, 4)], **given)
    folder_of(tmp_path / "b", [Blocks(2, slow_s=1e-9), Blocks(3, slow_s=1e-9)], **given)
    result = merged(tmp_path / "a", tmp_path / "b")
    assert not result.without_predictions
    written(result, tmp_path / "out")
    folder_of(tmp_path / "both", [*(Blocks(s) for s in (16, 8, 4)), *(Blocks(s, 1e-9) for s in (2, 3))], **given)
    assert agreement(tmp_path / "out", tmp_path / "both").equal


def changed(run: Run, *path: str | int, value: Any) -> Run:
    """The run with another value at a place of its ``run.json``."""
    about = json.loads(json.dumps(run.about))
    place = about
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return replace(run, about=about)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("task", "version"), "99", "version 99"),
        (("dataset", "revision"), "another", "revision"),
        (("dataset", "images"), ["squares-0"], "12 images and 1"),
        (("dataset", "pixels_sha256"), ["0" * 64] * 12, "12 of 12"),
        (("dataset", "config"), {"count": 99}, "config"),
        (("seed",), 3, "seed"),
        (("resamples",), 41, "resamples"),
        (("match_bpp",), [0.5], "rates"),
        (("metrics",), ["coco_ap"], "metrics"),
        (("heads",), [], "heads differ"),
        (("heads", 0, "config", "threshold"), 99, "threshold"),
        (("heads", 0, "provenance"), {"code": "squares-2"}, "squares-2"),
    ],
)
def test_runs_of_other_things_are_refused(runs: Path, path: tuple[str | int, ...], value: Any, reason: str) -> None:
    first, second = load(runs / "blocks"), load(runs / "jpeg")
    assert why_not_merged(first, second) is None
    assert reason in (why_not_merged(first, changed(second, *path, value=value)) or "")


def test_codecs_of_other_versions_are_refused(runs: Path) -> None:
    first = load(runs / "blocks")
    about = json.loads(json.dumps(first.about))
    for cell in about["cells"].values():
        if cell["curve"] == "blocks":
            cell["codec"]["provenance"] = {"code": "blocks-2"}
    assert "blocks-2" in (why_not_merged(first, replace(first, about=about)) or "")
    for cell in about["cells"].values():
        cell["point"] += "5" * bool(cell["point"])  # no point is in both runs
    assert "blocks-2" in (why_not_merged(first, replace(first, about=about)) or "")


def test_another_number_of_the_same_cell_is_refused(runs: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", [Blocks(4)], predictions=False, keep=0)

    def raised(row: dict[str, str]) -> dict[str, str]:
        return {**row, "value": "0.123"} if row["metric"] == "ap" and row["codec"] == "blocks" else row

    edit(folder / "scores.csv", raised)
    with pytest.raises(ResultsError, match=r"0\.123"):
        merged(runs / "blocks", folder)


def test_folders_that_are_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two or more"):
        merged(runs / "blocks")
    with pytest.raises(UsageError, match="twice"):
        merged(runs / "blocks", runs / "jpeg", runs / "blocks")
    pair = [runs / "blocks", runs / "jpeg"]
    assert "one of the runs" in (why_not_into(runs / "jpeg", pair, overwrite=True) or "")
    assert "another run" in (why_not_into(runs / "both", pair, overwrite=False) or "")
    assert why_not_into(runs / "both", pair, overwrite=True) is None
    result = merged(*pair)
    written(result, tmp_path / "out")
    assert why_not_into(tmp_path / "out", pair, overwrite=False) is None
    with pytest.raises(UsageError, match="one of the runs"):
        write(result, runs / "jpeg")
