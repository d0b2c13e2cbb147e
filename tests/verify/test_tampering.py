"""Tables that somebody improved: verify finds each way, or notes that it is not checked."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from forged_runs import raised, rewrite, save, written
from hsc_testkit import Blocks, FindSquares
from run_folders import IMAGES, SIZES, edit, failures, judged, write_run

from benchmarks.api import ScoreRow
from benchmarks.cli.run import main as run_main
from benchmarks.codecs.jpeg import Jpeg
from benchmarks.reporting import html
from benchmarks.reporting.figures import rate_curves
from benchmarks.runs import archive, records
from benchmarks.runs.run_folder import load
from benchmarks.stats.bootstrap import Bootstrap, interval
from hsc.errors import ResultsError

WHOLE, SOME = IMAGES, 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A run by the number of its images whose streams are kept."""
    folders = {
        keep: write_run(tmp_path_factory.mktemp("run"), [Blocks(s) for s in SIZES[-4:]], keep=keep)
        for keep in (WHOLE, SOME)
    }
    for folder in folders.values():
        html.write(folder)
    return folders


@pytest.fixture
def copied(runs: dict[int, Path], tmp_path: Path) -> Callable[[int], Path]:
    return lambda keep: Path(
        shutil.copytree(runs[keep], tmp_path / f"run{keep}", ignore=shutil.ignore_patterns("cache"))
    )


def texts(verdicts: list[Any], about: str) -> str:
    return "\n".join(f"{v.state} {v.text}" for v in verdicts if v.about == about)


def test_the_honest_runs_pass_and_count_the_images_that_scores_were_checked_on(runs: dict[int, Path]) -> None:
    code, verdicts = judged(runs[WHOLE])
    assert code == 0, failures(verdicts)
    assert "pass scores checked on 12 of 12 images, " in texts(verdicts, "table")
    assert texts(verdicts, "page") == "pass report.html is what the folder gives, letter by letter"
    code, verdicts = judged(runs[SOME])
    assert code == 0, failures(verdicts)
    assert (
        texts(verdicts, "table")
        == "note scores checked on 2 of 12 images: those in the table, over all 12, are not computed again"
    )


@pytest.mark.parametrize(
    "options",
    [
        ["--codec", "blocks(size=[8, 4])", "--codec", "jpeg", "--match-bpp", "1.0", "1000"],
        [
            "--codec",
            "blocks(size=[8, 4])",
            "--codec",
            'vvc(encoder="/nowhere/vvencapp")',
            "--head",
            "squares(threshold=90)",
        ],
        ["--codec", "grid", "--head", "grid_squares"],
    ],
    ids=["rates that are not reached", "a codec that is not here", "both routes"],
)
def test_honest_runs_of_other_kinds_pass(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("latent_testkit")
    how = ["--workers", "1", "--quiet", "--no-noise-floor", "--resamples", "30"]
    how += ["--keep-streams", "6", "--gallery", "0"]
    run_main(
        [
            "--dataset",
            "squares",
            "--head",
            "squares",
            *options,
            *how,
            "--out",
            str(tmp_path / "run"),
            "--cache",
            str(tmp_path / "cache"),
        ]
    )
    code, verdicts = judged(tmp_path / "run", trust=False)
    assert code == 0, [v for v in verdicts if v.state in ("fail", "skipped")]
    capsys.readouterr()


def test_raised_scores_with_all_tables_remade_are_found_where_all_streams_were_kept(
    copied: Callable[[int], Path],
) -> None:
    folder = copied(WHOLE)
    rewrite(folder, raised)
    code, verdicts = judged(folder)
    assert code == 1
    assert "table: blocks size=4 squares ap is" in failures(verdicts)
    assert "the streams of all images give" in failures(verdicts)
    folder = copied(SOME)
    rewrite(folder, raised)
    _, verdicts = judged(folder)
    assert "scores checked on 2 of 12 images" in texts(verdicts, "table")


def test_raised_scores_and_raised_kept_scores_are_found(copied: Callable[[int], Path]) -> None:
    folder = copied(SOME)
    rewrite(folder, raised)
    kept = archive.read(folder)
    scores = tuple(
        s._replace(value=min(s.value + 0.2, 1)) if s.metric == "ap" and s.codec == "blocks" else s for s in kept.scores
    )
    archive.write(replace(kept, scores=scores), folder)
    code, verdicts = judged(folder)
    assert code == 1
    assert "of the kept images is" in failures(verdicts)


def test_narrower_intervals_are_found_where_all_streams_were_kept(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)

    def narrow(row: ScoreRow) -> ScoreRow:
        return (
            replace(row, low=row.value, high=row.value)
            if row.head and row.metric == "ap" and row.point == "size=6"
            else row
        )

    rewrite(folder, narrow)
    code, verdicts = judged(folder)
    assert code == 1
    assert "end of its interval" in failures(verdicts)


def test_the_page_alone(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    page = folder / "report.html"
    bpp = next(f"{r.value:.4f}" for r in written(folder).score_rows if r.metric == "bpp" and r.point == "size=4")
    page.write_text(page.read_text("utf-8").replace(f">{bpp}<", ">0.0100<"), "utf-8")
    code, verdicts = judged(folder)
    assert code == 1
    assert "report.html is not what the folder gives: it has ..." in failures(verdicts)
    page.write_text(page.read_text("utf-8").replace("HSC-Bench page ", "HSC-Bench page 0"), "utf-8")
    assert "note report.html is not checked: another version" in texts(judged(folder, streams=False)[1], "page")


def test_figures_of_other_scores_are_found(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    rate_curves.curves(written(folder).results, folder / "curves")
    honest = {name: (folder / name).read_bytes() for name in ("curves.png", "curves.pdf")}
    verdicts = judged(folder, streams=False)[1]
    assert texts(verdicts, "figures") == "pass drawn again from the scores, and the same: curves.png, curves.pdf"
    results = written(folder).results
    raised_scores = results.scores.assign(value=results.scores["value"].where(results.scores["head"] == "", 0.9))
    rate_curves.curves(replace(results, scores=raised_scores), folder / "curves")
    code, verdicts = judged(folder, streams=False)
    assert code == 1
    assert "curves.png is not what the scores give: " in failures(verdicts)
    assert "curves.pdf is not what the scores give: its part " in failures(verdicts)
    (folder / "curves.png").write_bytes(b"forged")
    (folder / "curves.pdf").write_bytes(honest["curves.pdf"])
    code, verdicts = judged(folder, streams=False)
    assert code == 1
    assert "curves.png is not what the scores give: it is no PNG" in failures(verdicts)


def test_figures_that_something_else_drew_and_all_else_are_noted_as_not_checked(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    PIL.Image.new("RGB", (40, 30)).save(folder / "curves.png")
    PIL.Image.new("RGB", (40, 30)).save(folder / "sheet.jpg")
    code, verdicts = judged(folder, streams=False)
    assert code == 0, failures(verdicts)
    assert "note not checked, other versions of this program or its libraries drew them" in texts(verdicts, "figures")
    assert texts(verdicts, "files") == "note not checked: sheet.jpg"
    assert "times" in texts(verdicts, "not checked")
    assert "intervals" in texts(verdicts, "not checked")


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("head", "another", "is of the head another"),
        ("regime", "adapted", "has the regime adapted"),
        ("route", "latent", "has the route latent"),
        ("unit", "%", "has the unit %"),
        ("dataset", "coco", "has the dataset coco"),
        ("split", "train", "split"),
        ("seed", "7", "has the seed 7"),
        ("point", "size=3", "has the point size=3"),
        ("codec", "vvc", "has the codec vvc"),
        ("value", "1.5", "is 1.5, it lies between 0 and 1"),
        ("value", "0.0001", "its own interval goes from"),
        ("low", "", "has an interval from nan"),
        ("task", "segmentation", "has the task segmentation"),
        ("images", "60", "is over 60 images"),
        ("status", "failed", "is failed and has"),
    ],
)
def test_a_row_that_is_not_its_cells(copied: Callable[[int], Path], column: str, value: str, words: str) -> None:
    folder = copied(WHOLE)
    edit(
        folder / "scores.csv",
        lambda row: (
            {**row, column: value} if (row["metric"], row["point"], row["part"]) == ("ap", "size=4", "") else row
        ),
    )
    code, verdicts = judged(folder, streams=False)
    assert code == 1
    assert words in failures(verdicts)


def altered(folder: Path, kind: str, **columns: str) -> str:
    """The failures of a run after columns of its first comparison of a kind were altered."""
    left = [kind]

    def change(row: dict[str, str]) -> dict[str, str]:
        return {**row, **columns} if row["kind"] in left and not left.clear() else row

    edit(folder / "comparisons.csv", change)
    code, verdicts = judged(folder, streams=False)
    assert code == 1
    return failures(verdicts)


@pytest.fixture
def compared(tmp_path: Path, two_codecs: Path) -> Path:
    """A copy of a run with comparisons of six kinds."""
    return Path(shutil.copytree(two_codecs, tmp_path / "compared", ignore=shutil.ignore_patterns("cache")))


@pytest.fixture(scope="module")
def two_codecs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codecs = [*map(Blocks, (12, 8, 4, 2)), *map(Jpeg, (5, 20, 40, 60, 80))]
    head = FindSquares(threshold=80)
    return write_run(tmp_path_factory.mktemp("two"), codecs, head, keep=0, anchors=["jpeg"])


def test_a_run_with_many_comparisons_passes(compared: Path) -> None:
    code, verdicts = judged(compared, streams=False)
    assert code == 0, failures(verdicts)
    kinds = set(written(compared).comparisons["kind"])
    assert {"bd_rate", "bd_metric", "noise_floor_rate", "noise_floor_metric"} <= kinds
    assert {"difference_at_rate", "score_at_rate", "lead_at_rate"} <= kinds


@pytest.mark.parametrize(
    ("kind", "column", "value", "words"),
    [
        ("bd_metric", "unit", "%", "has the unit '%', the scores give '1'"),
        ("bd_metric", "status", "n/a", "is n/a, the scores give ok"),
        ("bd_metric", "regime", "adapted", "has the regime 'adapted'"),
        ("bd_metric", "method", "fit", "has the method 'fit'"),
        ("bd_metric", "reason", "very sure", "has the reason 'very sure'"),
        ("bd_metric", "overlap_test", "0.123", "has the overlap_test value +0.123"),
        ("bd_metric", "overlap_anchor", "0.123", "has the overlap_anchor value +0.123"),
        ("bd_metric", "value", "0.4999", "has the value +0.4999, the scores give"),
        ("score_at_rate", "value", "0.0001", "has the value +0.0001, the scores give"),
        ("lead_at_rate", "value", "0.4999", "has the value +0.4999, the scores give"),
        ("lead_at_rate", "at_bpp", "123", "and the scores give no such number"),
        ("lead_at_rate", "other", "jpeg", "and the scores give no such number"),
        ("difference_at_rate", "codec_score", "0.5", "has the codec_score value +0.5"),
        ("difference_at_rate", "other_score", "0.5", "has the other_score value +0.5"),
        ("lead_at_rate", "codec_score", "0.5", "has the codec_score value +0.5, the scores give +nan"),
        ("bd_rate", "status", "ok", "is ok, the scores give n/a: the curves share"),
        ("bd_rate", "reason", "", "is n/a and has no reason"),
        ("bd_rate", "value", "-40", "is n/a and has the value -40"),
        ("difference_at_rate", "at_bpp", "0.7", "and the scores give no such number"),
        ("noise_floor_rate", "value", "0.01", "has the value +0.01, the scores give"),
        ("bd_rate", "codec", "vvc", "the codec vvc of comparisons.csv is not in run.json"),
        ("bd_rate", "anchor", "vvc", "the anchor vvc of comparisons.csv is not in run.json"),
        ("lead_at_rate", "other", "vvc", "the codec vvc of comparisons.csv is not in run.json"),
        ("bd_rate", "head", "another", "the head another of comparisons.csv is not in run.json"),
        ("bd_rate", "metric", "ap50", "and the scores give no such number"),
        ("bd_rate", "route", "latent", "and the scores give no such number"),
        ("bd_rate", "task", "segmentation", "has the task segmentation"),
        ("bd_rate", "dataset", "coco", "has the dataset coco"),
        ("bd_rate", "split", "train", "has the split train"),
        ("bd_rate", "seed", "7", "has the seed 7"),
        ("bd_rate", "images", "60", "images is 60 in comparisons.csv"),
        ("score_at_rate", "resamples", "39", "is over 39 resamples, run.json has 40"),
        ("score_at_rate", "refused", "40", "has an interval with 40 of 40 resamples refused"),
        ("score_at_rate", "low", "", "has an interval from nan"),
        ("score_at_rate", "low", "99", "has an interval from 99"),
        ("score_at_rate", "valued_low", "0.1", "of the resamples with a number"),
    ],
)
def test_a_comparison_that_the_scores_do_not_give(
    compared: Path, kind: str, column: str, value: str, words: str
) -> None:
    assert words in altered(compared, kind, **{column: value})


def test_an_interval_that_was_narrowed_to_exclude_zero(compared: Path) -> None:
    text = altered(compared, "lead_at_rate", low="0.998", high="0.999", refused="0")
    assert "its own interval goes from 0.998 to 0.999" in text


def test_doubled_missing_and_invented_comparisons(compared: Path) -> None:
    path = compared / "comparisons.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[1]]))
    assert "stands 2 times in comparisons.csv" in failures(judged(compared, streams=False)[1])
    with pytest.raises(ResultsError, match="stands in it twice"):
        load(compared)
    path.write_text("".join([lines[0], *lines[2:]]))
    assert "is not in comparisons.csv" in failures(judged(compared, streams=False)[1])
    search = lines[1].replace("bd_rate", "matched_rate", 1)
    path.write_text("".join([*lines, search]))
    assert "run.json has no such rate to match" in failures(judged(compared, streams=False)[1])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("status", "n/a", "is n/a with"),
        ("value", "0.99", "is 0.99, the point has"),
        ("value", "2.5", "is ok with 2.5 bpp, 5% off are allowed"),
        ("at_bpp", "0.9", "run.json has no such rate to match"),
        ("point", "size=8", "the point has"),
    ],
)
def test_a_matched_rate_that_its_point_does_not_have(
    tmp_path: Path, matched_run: Path, column: str, value: str, words: str
) -> None:
    folder = Path(shutil.copytree(matched_run, tmp_path / "run", ignore=shutil.ignore_patterns("cache")))
    assert words in altered(folder, "matched_rate", **{column: value})


@pytest.fixture(scope="module")
def matched_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codecs = [Jpeg(50), Blocks(4), Blocks(8)]
    folder = write_run(tmp_path_factory.mktemp("matched"), codecs, keep=0, anchors=[], match_bpp=[1.0, 1000.0])
    assert judged(folder, streams=False)[0] == 0
    statuses = written(folder).comparisons.query("kind == 'matched_rate'")["status"]
    assert set(statuses) == {"ok", "n/a"}
    return folder


def test_an_added_metric_that_is_unbounded_and_better_when_lower(tmp_path: Path) -> None:
    """Its own facts bound it, and its scores come out of the streams again."""
    pytest.importorskip("metric_testkit")
    folder = write_run(tmp_path / "run", [Blocks(s) for s in SIZES[-4:]], keep=WHOLE, metrics=["count_error"])
    code, verdicts = judged(folder)
    assert code == 0, failures(verdicts)
    run = written(folder)
    assert run.results.columns[-1] == "count_error"
    assert not run.results.facts_of("count_error").higher_is_better
    edit(folder / "scores.csv", lambda row: {**row, "value": "-1"} if row["metric"] == "count_error" else row)
    assert "count_error is -1, it lies between 0 and inf" in failures(judged(folder, streams=False)[1])
    edit(folder / "scores.csv", lambda row: {**row, "value": "7"} if row["metric"] == "count_error" else row)
    assert "count_error is 7 in scores.csv, the streams of all images give" in failures(judged(folder)[1])


@pytest.mark.parametrize(
    ("field", "value"),
    [("higher_is_better", False), ("percent", False), ("title", "mAP"), ("unit", "dB"), ("high", 2.0), ("digits", 4)],
)
def test_facts_of_an_installed_metric_are_its_own(copied: Callable[[int], Path], field: str, value: Any) -> None:
    folder = copied(SOME)
    honest = load(folder).results
    about = json.loads((folder / "run.json").read_text())
    about["facts"]["ap"][field] = value
    about["facts"]["bpp"] = about["facts"]["ap"]
    (folder / "run.json").write_text(json.dumps(about))
    code, verdicts = judged(folder, streams=False)
    assert code == 1
    assert f"run.json has {field} {value!r} for ap" in failures(verdicts)
    forged = load(folder)
    assert forged.results.facts == honest.facts
    assert forged.results.facts_of("bpp") == honest.facts_of("bpp")
    assert forged.design == load(folder).design


def test_facts_that_are_missing_or_of_nobody(copied: Callable[[int], Path]) -> None:
    folder = copied(SOME)
    about = json.loads((folder / "run.json").read_text())
    about["facts"]["zzz"] = about["facts"].pop("ap")
    (folder / "run.json").write_text(json.dumps(about))
    verdicts = judged(folder, streams=False)[1]
    assert "run.json has no facts of ap, which a metric declares" in failures(verdicts)
    assert "note of metrics that are not installed here, taken from run.json: zzz" in texts(verdicts, "facts")
    edit(folder / "scores.csv", lambda row: {**row, "metric": "yyy"} if row["metric"] == "ap75" else row)
    assert "the score yyy of scores.csv has no facts" in failures(judged(folder, streams=False)[1])


def test_doubled_and_missing_rows(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    rows = (folder / "scores.csv").read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(rows) if ",blocks,,size=4," in line and ",ap50," in line)
    (folder / "scores.csv").write_text("".join([*rows, rows[number]]))
    assert "ap50 stands 2 times in scores.csv" in failures(judged(folder, streams=False)[1])
    (folder / "scores.csv").write_text("".join(rows[:number] + rows[number + 1 :]))
    assert "has no ap50, which the others have" in failures(judged(folder, streams=False)[1])


def test_a_point_that_one_head_leaves_out(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    about = json.loads((folder / "run.json").read_text())
    gone = next(cell_id for cell_id, cell in about["cells"].items() if "head" in cell and cell["point"] == "size=6")
    del about["cells"][gone]
    (folder / "run.json").write_text(json.dumps(about))
    save(folder, [row for row in written(folder).score_rows if row.cell != gone])
    assert "blocks size=6 is not read by a head that reads 3 other points" in failures(judged(folder, streams=False)[1])


def test_errors_of_kept_images_that_are_not_those_of_the_records(copied: Callable[[int], Path]) -> None:
    folder = copied(SOME)
    lines = records.read(folder)
    cell = list(archive.read(folder).streams)[-1]  # the first is of the originals, without an error
    records.write(
        [line._replace(squared_error=line.squared_error // 2) if line.cell == cell else line for line in lines], folder
    )
    assert "records.csv has a squared error of" in failures(judged(folder)[1])


def test_kept_images_in_another_order_are_refused(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    kept = archive.read(folder)
    turned = {cell: streams[::-1] for cell, streams in kept.streams.items()}
    predictions = tuple(of_head._replace(sha256=of_head.sha256[::-1]) for of_head in kept.predictions)
    archive.write(replace(kept, images=kept.images[::-1], streams=turned, predictions=predictions), folder)
    code, verdicts = judged(folder)
    assert code == 2
    assert "in another order than the run's" in texts(verdicts, "streams")


def test_a_mean_lies_in_the_interval_of_its_resamples() -> None:
    """The rule that a rate or score outside its own interval is a failure: no honest one is."""
    for seed in range(200):
        rates = Bootstrap(6, 40, seed).rate([100, 1, 1, 1, 1, 2000], [1000] * 6)
        low, high, _ = interval(rates)
        assert low <= 8 * 2104 / 6000 <= high or math.isnan(low)
