"""A run with two metrics of another distribution: both appear wherever scores do, read by their own facts.

count_error is unbounded, in objects, lower is better; right_count is a share without resamples. The codec ``padded``
writes the blocks of its anchor with half as many bytes again, so it is worse: +50 % rate, more objects miscounted and
fewer images counted right at equal rate.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from map_testkit import Greys, ReadGrey
from metric_testkit import Miscount, RightCount

from benchmarks.api import Comparison, MetricFacts
from benchmarks.cli.paper import main as paper
from benchmarks.cli.verify import main as verify
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.progress import Silent
from benchmarks.metrics.coco_ap import CocoAp
from benchmarks.reporting import html
from benchmarks.reporting.figures.rate_curves import figure
from benchmarks.reporting.save_run import write
from benchmarks.runs.run_folder import load
from benchmarks.runs.tables import blocks
from hsc.errors import UsageError

SIZES = (16, 12, 8, 4)
IMAGES = 60
ADDED = ("count_error", "right_count")


@dataclass(frozen=True)
class Padded(Blocks):
    """Blocks with half as many bytes again."""

    def encode(self, image: np.ndarray) -> bytes:
        data = super().encode(image)
        return data + bytes(len(data) // 2)

    def decode(self, data: bytes) -> np.ndarray:
        return super().decode(data[: -(-len(data) * 2 // 3)])


Padded.spec_name = "padded"  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    config = configure(
        "detection",
        Squares(IMAGES),
        [*map(Blocks, SIZES), *map(Padded, SIZES)],
        [FindSquares()],
        anchors=["blocks"],
        resamples=200,
        metrics=["count_error", "right_count(threshold=0.6)"],
    )
    return run(config, cache=tmp_path_factory.mktemp("cache"), executor=Inline())


@pytest.fixture(scope="module")
def folder(outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "counted"
    path.mkdir()
    options = argparse.Namespace(workers=1, device="cpu", cache=path, gallery=0)
    write(outcome, path, options, ["--task", "detection"], Silent())
    return path


def compared(outcome: Outcome, kind: str, metric: str) -> Comparison:
    (comparison,) = (c for c in outcome.comparison_rows if (c.kind, c.metric, c.codec) == (kind, metric, "padded"))
    return comparison


def text_of(outcome: Outcome, form: str) -> str:
    return blocks(outcome.results, form)


def test_their_scores_are_columns_of_the_run_with_intervals_where_they_are_resampled(outcome: Outcome) -> None:
    assert outcome.results.columns[-2:] == ADDED == outcome.results.added
    rows = {m: [r for r in outcome.score_rows if r.metric == m and not r.part and r.codec == "blocks"] for m in ADDED}
    assert [row.unit for row in rows["count_error"]] == ["objects"] * 4
    errors, shares = ([row.value for row in rows[m]] for m in ADDED)
    assert errors == sorted(errors, reverse=True)
    assert shares == sorted(shares)
    assert all(row.low < row.value < row.high for row in rows["count_error"])
    assert np.isnan([row.low for row in rows["right_count"]]).all()
    assert {row.part for row in outcome.score_rows if row.metric == "count_error"} == {"", "square", "unseen"}


def test_bjontegaard_differences_have_the_sign_of_their_direction(outcome: Outcome) -> None:
    for metric in ADDED:
        assert compared(outcome, "bd_rate", metric).value == pytest.approx(50, abs=0.5)
        assert compared(outcome, "bd_rate", metric).unit == "%"
    errors, shares = (compared(outcome, "bd_metric", metric) for metric in ADDED)
    assert (errors.unit, shares.unit) == ("objects", "1")
    assert 0 < errors.low < errors.value < errors.high
    assert shares.value < 0
    rate = compared(outcome, "bd_rate", "count_error")
    assert 49 < rate.low < rate.value < rate.high < 51


def test_the_best_codec_leads_by_fewer_errors_and_by_more_right_counts(outcome: Outcome) -> None:
    leads = [c for c in outcome.comparison_rows if c.kind == "lead_at_rate"]
    assert {(c.metric, c.codec, c.other) for c in leads} == {(metric, "blocks", "padded") for metric in ("ap", *ADDED)}
    assert all(c.value < 0 and c.high < 0 for c in leads if c.metric == "count_error")
    assert all(c.value > 0 for c in leads if c.metric == "right_count")


@pytest.mark.parametrize("form", ["simple", "github", "latex_booktabs"])
def test_tables_show_both_with_unit_digits_direction_and_verdict(outcome: Outcome, form: str) -> None:
    text = text_of(outcome, form).replace(r"\%", "%").replace(r"\{", "{").replace(r"\}", "}").replace(r"\_", "_")
    assert "count error [objects]" in text
    assert "right counts" in text
    row = next(r for r in outcome.score_rows if (r.metric, r.codec, r.point) == ("count_error", "blocks", "size=8"))
    share = next(r for r in outcome.score_rows if (r.metric, r.codec, r.point) == ("right_count", "blocks", "size=8"))
    line = next(line for line in text.splitlines() if "size=8" in line and "blocks" in line)
    assert f" {row.value:.2f} [{row.low:.2f}, {row.high:.2f}]" in line
    assert f" {100 * share.value:.1f} " in line
    errors, shares = (compared(outcome, "bd_metric", metric) for metric in ADDED)
    assert f"{errors.value:+.2f} [{errors.low:+.2f}, {errors.high:+.2f}]" in text
    assert f"{100 * shares.value:+.1f}" in text
    assert "BD-rate (count error)" in text
    assert "BD-count error" in text
    assert "BD-right counts" in text
    assert "Lower is better: count error." in text
    verdicts = [line for line in text.splitlines() if "against blocks: " in line]
    assert [title for line in verdicts for title in (", AP against", ", count error against") if title in line] == [
        ", AP against",
        ", count error against",
    ]
    assert all("worse: padded." in line for line in verdicts)


def test_curves_have_a_panel_a_score_with_unit_and_direction(outcome: Outcome) -> None:
    with figure(outcome.results) as plotted:
        axes = {axis.get_ylabel(): axis for axis in plotted.axes}
        assert list(axes) == ["AP [%]", "count error [objects], lower is better", "right counts [%]"]
        for label, metric, factor in (
            ("count error [objects], lower is better", "count_error", 1),
            ("right counts [%]", "right_count", 100),
        ):
            expected = [r.value for r in outcome.score_rows if (r.metric, r.codec, r.part) == (metric, "padded", "")]
            (line,) = (line for line in axes[label].lines if line.get_label() == "padded" and len(line.get_ydata()) > 2)
            assert list(line.get_ydata()) == pytest.approx([factor * value for value in expected])


def test_the_page_shows_both_by_their_facts(folder: Path, outcome: Outcome) -> None:
    html.write(folder)
    page = (folder / "report.html").read_text("utf-8")
    start = page.index('"metrics":[') + len('"metrics":')
    metrics = {metric["id"]: metric for metric in json.JSONDecoder().raw_decode(page, start)[0]}
    assert metrics["count_error"]["label"] == "count error [objects], lower is better"
    assert (metrics["count_error"]["sign"], metrics["count_error"]["factor"], metrics["count_error"]["high"]) == (
        -1,
        1,
        None,
    )
    assert (metrics["right_count"]["label"], metrics["right_count"]["sign"]) == ("right counts [%]", 1)
    assert (metrics["right_count"]["factor"], metrics["right_count"]["high"]) == (100, 100)
    errors, shares = (compared(outcome, "bd_metric", metric) for metric in ADDED)
    assert f"+{errors.value:.2f} objects" in page
    assert f"−{abs(100 * shares.value):.1f}" in page
    differences = page[page.index('id="differences"') :]
    assert differences[: differences.index("</table>")].count("▼ worse") == 2  # of three scores, those with an interval
    assert "▲ better" not in differences
    rows = re.findall(r"<tr[^>]*>.*?</tr>", page[page.index("Bjontegaard differences") :], re.DOTALL)
    of_ap, worse = (row for row in rows if "▼ worse" in row)
    assert "count error" in worse
    assert "count error" not in of_ap
    assert "padded" in worse
    assert "padded" in of_ap


def test_the_paper_shows_both_by_their_facts(folder: Path, outcome: Outcome, tmp_path: Path) -> None:
    assert paper([str(folder), "--out", str(tmp_path)]) == 0
    parts = {path.stem.split("frozen-")[-1]: path.read_text("utf-8") for path in tmp_path.glob("*.tex")}
    errors, shares = (compared(outcome, "bd_metric", metric) for metric in ADDED)
    differences = {block.split("}")[0]: block for block in parts["bd"].split(r"\textit{squares, ")[1:]}
    assert list(differences) == ["AP", "count error", "right counts"]
    of_errors, of_shares = (re.sub(r"\\\(([+-])\\\)", r"\1", differences[t]) for t in ("count error", "right counts"))
    assert f" {errors.value:+.2f} {{\\scriptsize[{errors.low:+.2f}, {errors.high:+.2f}]}}" in of_errors
    assert f" {100 * shares.value:+.1f} &" in of_shares
    rates = {block.split("}")[0]: block for block in parts["rates"].split(r"\textit{squares, ")[1:]}
    lines = rates["count error"].splitlines()
    assert [line.split(" &")[0] for line in lines if r"\textbf{" in line] == [
        "blocks"
    ]  # the fewest errors at each rate
    assert r"\textbf{" not in rates["right counts"]
    row = next(r for r in outcome.score_rows if (r.metric, r.codec, r.point) == ("count_error", "blocks", "size=8"))
    assert f"{row.value:.2f} {{\\scriptsize[{row.low:.2f}, {row.high:.2f}]}}" in parts["points"]
    assert parts["points"].count("size=8") == 2  # once a codec, not once a score
    assert [path.name for path in tmp_path.glob("*.pdf")] == ["counted-frozen-curves.pdf"]  # a panel a score, each once


def test_a_folder_read_back_has_them_in_the_same_places(folder: Path, outcome: Outcome) -> None:
    about = json.loads((folder / "run.json").read_text())
    assert about["metrics"] == ["count_error", "right_count(threshold=0.6)"]
    back = load(folder)
    assert (back.results.columns, back.results.added) == (outcome.results.columns, outcome.results.added)
    assert back.design.added == ADDED
    assert blocks(back.results, "github") == text_of(outcome, "github")


def test_a_folder_whose_metrics_are_not_installed_is_read_by_the_recorded_facts(folder: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(folder, foreign)
    for name in ("run.json", "scores.csv", "comparisons.csv"):
        text = (foreign / name).read_text("utf-8")
        (foreign / name).write_text(text.replace("count_error", "their_error"), "utf-8")
    results = load(foreign).results
    assert results.added == ("their_error", "right_count")
    facts = results.facts_of("their_error")
    assert (facts.sign, facts.unit, facts.title, facts.high) == (-1, "objects", "count error", np.inf)


def test_facts_of_an_installed_metric_are_never_taken_from_a_folder(folder: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(folder, forged)
    about = json.loads((forged / "run.json").read_text())
    about["facts"]["count_error"] |= {"higher_is_better": True, "unit": "apples"}
    (forged / "run.json").write_text(json.dumps(about))
    facts = load(forged).results.facts_of("count_error")
    assert (facts.sign, facts.unit) == (-1, "objects")
    assert verify([str(forged)]) == 1


def test_verify_computes_their_comparisons_again_and_finds_a_turned_sign(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify([str(folder)]) == 2  # nothing differs; without bitstreams they are not decoded again
    assert "pass       comparisons: 24 " in capsys.readouterr().out
    forged = tmp_path / "forged"
    shutil.copytree(folder, forged)
    lines = (forged / "comparisons.csv").read_text("utf-8").splitlines(keepends=True)
    (at,) = (n for n, line in enumerate(lines) if line.startswith("bd_metric,") and ",count_error," in line)
    value = re.search(r",(0\.\d+),", lines[at])
    assert value
    lines[at] = lines[at].replace(value.group(0), f",-{value.group(1)},")
    (forged / "comparisons.csv").write_text("".join(lines), "utf-8")
    assert verify([str(forged)]) == 1


def configured(**options: Any) -> Any:
    return configure("detection", Squares(), [Blocks(4)], [FindSquares()], anchors=[], **options)


def test_metrics_may_be_objects_and_those_that_the_task_has_are_not_added_again() -> None:
    config = configured(metrics=[Miscount(0.3), "count_error(threshold=0.3)", "coco_ap", CocoAp(), RightCount()])
    assert config.metrics == (Miscount(0.3), RightCount())
    assert config.all_metrics == (CocoAp(), Miscount(0.3), RightCount())
    assert configured().metrics == ()


@dataclass(frozen=True)
class SecondAp(CocoAp):
    """Another metric with the score names of coco_ap."""

    half: bool = True


def other(**facts: Any) -> Iterator[Any]:
    (name,) = facts
    yield type("Other", (Miscount,), {"facts": {name: replace(Miscount.facts["count_error"], title=name)}})()


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("count_eror", "did you mean count_error"),
        ("count_error(limit=3)", "has no argument 'limit'"),
        ("confusion", "scores SegmentationMap, the heads of this run give Detections"),
        (SecondAp(), "which this run has already"),
        (next(other(bpp=MetricFacts())), "'bpp', which this run has already"),
    ],
)
def test_a_metric_that_does_not_fit_the_run_is_refused_before_anything_is_coded(metric: Any, text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(text)):
        configured(metrics=[metric])


def test_a_metric_of_boxes_is_refused_where_label_maps_are_scored() -> None:
    with pytest.raises(UsageError, match="the heads of this run give SegmentationMap"):
        configure("segmentation", Greys(), [Blocks(4)], [ReadGrey()], anchors=[], metrics=["count_error"])


def test_the_command_line_adds_metrics_and_verify_scores_the_kept_images_by_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.cli.run import main

    line = [
        "--dataset",
        "squares",
        "--codec",
        "blocks(size=[8, 4])",
        "--head",
        "squares",
        "--no-noise-floor",
        "--quiet",
    ]
    where = ["--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"), "--workers", "1", "--gallery", "0"]
    added = ["--metric", "count_error", "--metric", "right_count(threshold=0.6)"]
    assert main([*line, *where, *added, "--keep-streams", "6", "--table", "full"]) == 0
    assert "count error [objects]" in capsys.readouterr().out
    assert load(tmp_path / "run").results.added == ADDED
    assert verify([str(tmp_path / "run"), "--trust", "--workers", "1"]) == 0
    scored = re.search(r"(\d+) of (\d+) in the table, and their intervals, come out again", capsys.readouterr().out)
    assert scored
    assert scored.group(1) == scored.group(2)
    assert verify([str(tmp_path / "run"), "--workers", "1"]) == 2
    assert "metric right_count(threshold=0.6): cannot be used here" in capsys.readouterr().out
    assert main([*line, *where, "--metric", "count_eror"]) == 2
    assert "did you mean count_error" in capsys.readouterr().err
