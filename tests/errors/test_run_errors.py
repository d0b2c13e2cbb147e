"""Errors of whole runs: what the file holds, what verify finds in it, and what the page shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import PIL.Image
import pytest
from class_testkit import Shades, TellShade
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares
from page_testkit import Bands, ReadGrey
from run_folders import edit

from benchmarks.errors import error_rows
from benchmarks.errors.decompose import decompose
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.harness.progress import Silent
from benchmarks.reporting import error_files, html
from benchmarks.reporting.outcome import Outcome
from benchmarks.runs import provenance, records, tables
from benchmarks.runs.run_folder import load
from benchmarks.verify.check_errors import check_errors
from benchmarks.verify.check_figures import check_figures
from hsc.errors import ResultsError


def written(folder: Path, task: str, dataset: Any, codecs: list[Any], heads: list[Any]) -> tuple[Path, Outcome]:
    """A run's folder with the table of its errors, without figures and pictures."""
    config = configure(task, dataset, codecs, heads, resamples=40, anchors=[])
    outcome = run(config, cache=folder / "cache", executor=Inline())
    tables.write(outcome.results, folder)
    records.write(outcome.record_rows, folder)
    provenance.write(folder / "run.json", provenance.describe(outcome.plan, 1, "cpu", {}))
    with Store(folder / "cache" / "store.sqlite") as store:
        error_rows.write(decompose(outcome.plan, store, [], Silent()).rows, folder)
    return folder, outcome


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codecs = [*(Grid(size) for size in (48, 16)), *(Blocks(size) for size in (24, 16, 8))]
    heads = [FindSquares(), GridSquares()]
    return written(tmp_path_factory.mktemp("boxes"), "detection", Squares(12), codecs, heads)[0]


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("maps")
    return written(folder, "segmentation", Bands(), [Blocks(s) for s in (16, 2)], [ReadGrey()])


def verdicts_on(folder: Path) -> dict[str, list[str]]:
    """What verify says of a folder's errors, by state."""
    said: dict[str, list[str]] = {"pass": [], "fail": []}
    for verdict in check_errors(load(folder, consistent=False)):
        said[verdict.state].append(verdict.text)
    return said


def whole(table: pd.DataFrame, codec: str, point: str) -> dict[str, Any]:
    rows = table[
        (table["codec"] == codec) & (table["point"] == point) & (table["by"] == "all") & (table["other"] == "")
    ]
    return {row.kind: row for row in rows.itertuples()}


def test_every_point_counts_every_object_once(boxes: Path) -> None:
    table = error_rows.read(boxes)
    assert table is not None
    labelled = sum(len(Squares(12)._boxes(index)) for index in range(12))
    points = {(row.codec, row.point) for row in table.itertuples() if row.by == "all"}
    assert len(points) == 6
    for point in points:
        kinds = whole(table, *point)
        assert sum(kinds[kind].count for kind in ("kept", "missed", "gained", "lost")) == labelled
        assert kinds["kept"].of == labelled
        assert kinds["hallucinated"].of == 12
    originals = whole(table, "original", "")
    assert originals["lost"].count == originals["new_false"].count == originals["gained"].count == 0
    lost = [whole(table, "blocks", f"size={size}")["lost"] for size in (24, 16, 8)]
    assert lost[0].count > lost[-1].count
    assert lost[0].low <= lost[0].value <= lost[0].high


def test_thresholds_are_those_of_the_originals(boxes: Path) -> None:
    table = error_rows.read(boxes)
    assert table is not None
    thresholds = table[table["kind"] == error_rows.THRESHOLD]
    assert thresholds["codec"].unique().tolist() == ["original"]
    assert (thresholds["value"] > 0).all()


def test_a_head_that_reads_no_originals_says_so(boxes: Path) -> None:
    table = error_rows.read(boxes)
    assert table is not None
    untold = table[table["kind"] == error_rows.NONE]
    assert untold["head"].tolist() == ["grid_squares"]
    assert "originals" in untold["reason"].iloc[0]


def test_a_run_of_heads_without_errors_says_why(tmp_path: Path) -> None:
    """A classifier's answers are not decomposed: the run and its page say so in place of tables."""
    folder, outcome = written(tmp_path, "classification", Shades(), [Blocks(16)], [TellShade()])
    (sentence,) = error_files.write(outcome, folder, folder / "cache", Silent(), Inline())
    assert "shades" in sentence
    assert "Classification" in sentence
    table = error_rows.read(folder)
    assert table is not None
    assert table["kind"].tolist() == [error_rows.NONE]
    assert verdicts_on(folder)["fail"] == []
    html.write(folder)
    page = (folder / "report.html").read_text("utf-8")
    assert table["reason"].iloc[0] in page
    assert "errors-parts" not in page


def test_pixels_add_up_by_class_and_distance(maps: tuple[Path, Outcome]) -> None:
    table = error_rows.read(maps[0])
    assert table is not None
    kinds = whole(table, "blocks", "size=16")
    assert sum(kinds[kind].count for kind in ("kept", "missed", "gained", "lost")) == kinds["lost"].of
    for by in ("class", "distance"):
        of_parts = table[(table["by"] == by) & (table["point"] == "size=16") & (table["kind"] == "lost")]
        assert of_parts["count"].sum() == kinds["lost"].count > 0
    assert verdicts_on(maps[0])["fail"] == []


def test_masks_are_decomposed_as_boxes_are(tmp_path: Path) -> None:
    folder, _ = written(tmp_path, "instance_segmentation", Squares(12), [Blocks(24)], [FindSquares(masks=True)])
    table = error_rows.read(folder)
    assert table is not None
    kinds = whole(table, "blocks", "size=24")
    assert sum(kinds[kind].count for kind in ("kept", "missed", "gained", "lost")) == kinds["kept"].of
    assert verdicts_on(folder)["fail"] == []


def test_verify_finds_an_honest_table_right(boxes: Path) -> None:
    said = verdicts_on(boxes)
    assert said["fail"] == []
    assert "6 heads" in said["pass"][0]


@pytest.mark.slow
def test_figure_and_pictures_are_drawn_and_the_figure_is_what_the_table_gives(maps: tuple[Path, Outcome]) -> None:
    folder, outcome = maps
    assert error_files.write(outcome, folder, folder / "cache", Silent(), Inline()) == []
    html.write(folder)
    with PIL.Image.open(folder / "worst.jpg") as sheet:
        assert min(sheet.size) > 100
    figures = [verdict for verdict in check_figures(load(folder, consistent=False)) if verdict.state == "pass"]
    assert "errors.png" in figures[0].text
    assert "data:image/jpeg;base64," in (folder / "report.html").read_text("utf-8")


@pytest.fixture
def copied(boxes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(boxes, tmp_path / "run", ignore=shutil.ignore_patterns("cache")))


def fewer(kind: str, by: str) -> Callable[[dict[str, str]], dict[str, str]]:
    def change(line: dict[str, str]) -> dict[str, str]:
        if line["codec"] == "blocks" and (line["kind"], line["by"]) == (kind, by) and line["count"] not in ("", "0"):
            count = int(line["count"]) - 1
            line |= {"count": str(count), "value": str(count / float(line["of"]))}
        return line

    return change


@pytest.mark.parametrize(("kind", "by"), [("lost", "all"), ("vanished", "size"), ("kept", "contrast")])
def test_verify_finds_a_count_that_somebody_improved(copied: Path, kind: str, by: str) -> None:
    edit(copied / "errors.csv", fewer(kind, by))
    assert verdicts_on(copied)["fail"]


def test_verify_finds_a_share_and_a_cell_that_are_none(copied: Path) -> None:
    edit(copied / "errors.csv", lambda line: line | ({"value": "0.001"} if line["kind"] == "kept" else {}))
    assert any("another share" in text for text in verdicts_on(copied)["fail"])
    edit(copied / "errors.csv", lambda line: line | {"cell": "abcdefabcdef"})
    assert any("abcdefabcdef" in text for text in verdicts_on(copied)["fail"])


@pytest.mark.parametrize(
    "change",
    [lambda line: line | {"kind": "nicer"}, lambda line: line | {"count": "many"}, lambda line: line | {"of": "1e99"}],
)
def test_a_damaged_file_is_refused(copied: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    edit(copied / "errors.csv", change)
    with pytest.raises(ResultsError, match=r"errors\.csv is damaged"):
        error_rows.read(copied)


def test_the_page_shows_the_errors_and_the_worst_images(copied: Path) -> None:
    PIL.Image.new("RGB", (40, 30)).save(copied / "worst.jpg")
    page = html.page_of(copied)
    for words in ('id="errors"', "Hallucinated", "data:image/jpeg;base64,", 'id="errors-parts"', "grid_squares: "):
        assert words in page
    (copied / "errors.csv").unlink()
    assert 'id="errors"' not in html.page_of(copied)


def test_a_picture_that_is_none_is_refused(copied: Path) -> None:
    (copied / "worst.jpg").write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(ResultsError, match=r"worst\.jpg"):
        html.page_of(copied)


def test_codecs_at_one_rate_are_compared(tmp_path: Path) -> None:
    config = configure(
        "detection", Squares(12), ["blocks(size=[8, 4])", "jpeg"], [FindSquares()], match_bpp=[0.92], resamples=40
    )
    outcome = run(config, cache=tmp_path, executor=Inline())
    matched = [row for row in outcome.comparison_rows if row.kind == "matched_rate"]
    with Store(tmp_path / "store.sqlite") as store:
        table = error_rows.frame(decompose(outcome.plan, store, matched, Silent()).rows)
    apart = {(row.codec, row.kind): row for row in table[table["other"] != ""].itertuples()}
    lost = apart["blocks", "lost"]
    points = {row.codec: row.point for row in matched}
    assert (lost.point, lost.other, lost.other_point) == (points["blocks"], "jpeg", points["jpeg"])
    own = table[(table["by"] == "all") & (table["kind"] == "lost") & (table["other"] == "")]
    shares = dict(zip(own["codec"], own["value"], strict=True))
    assert lost.value == pytest.approx(shares["blocks"] - shares["jpeg"])
    assert lost.low <= lost.value <= lost.high
    assert apart["jpeg", "lost"].value == -lost.value
