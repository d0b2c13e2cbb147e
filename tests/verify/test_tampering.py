"""What ``benchmarks.verify`` says of tables that somebody improved: each way is found, or it is said that it is not
checked.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hsc_testkit import Blocks
from run_folders import IMAGES, SIZES, differences, edit, judged, write_run

from benchmarks.api import TASKS, Row
from benchmarks.cli.run import main as run_main
from benchmarks.reporting import html
from benchmarks.runs import archive, records, tables, verify_folder
from benchmarks.stats.bootstrap import Bootstrap, interval
from benchmarks.verify import check_records

WHOLE, SOME = IMAGES, 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A run by how many of its six images have their streams kept."""
    made = {
        keep: write_run(tmp_path_factory.mktemp("run"), [Blocks(s) for s in SIZES[-4:]], keep=keep)
        for keep in (WHOLE, SOME)
    }
    for folder in made.values():
        html.write(folder)
    return made


@pytest.fixture
def copied(runs: dict[int, Path], tmp_path: Path) -> Callable[[int], Path]:
    return lambda keep: Path(
        shutil.copytree(runs[keep], tmp_path / f"run{keep}", ignore=shutil.ignore_patterns("cache"))
    )


def rewrite(folder: Path, change: Callable[[Row], Row]) -> None:
    """Other rows, with differences, tables and page made from them as an honest run would."""
    run = verify_folder.read(folder)
    rows = [change(row) for row in run.rows if not row.anchor and not row.metric.startswith(("at_rate(", "d_"))]
    forged = replace(run, rows=tuple(rows))
    rows += check_records._again(forged)
    tables.write(rows, TASKS.build("detection").columns, folder)
    html.write(folder)


def raised(row: Row) -> Row:
    """Twenty points more, the interval too."""
    if not (row.head and row.metric == "ap" and row.codec == "blocks"):
        return row
    return replace(row, **{name: min(getattr(row, name) + 0.2, 1.0) for name in ("value", "low", "high")})


def said(found: list[Any], about: str) -> str:
    return "\n".join(f"{v.state} {v.text}" for v in found if v.about == about)


def test_the_honest_runs_hold_and_say_on_how_many_images_scores_were_checked(runs: dict[int, Path]) -> None:
    code, found = judged(runs[WHOLE])
    assert code == 0, differences(found)
    assert "holds scores checked on 12 of 12 images, " in said(found, "table")
    assert said(found, "page") == "holds report.html is what the folder gives, letter by letter"
    code, found = judged(runs[SOME])
    assert code == 0, differences(found)
    assert (
        said(found, "table")
        == "note scores checked on 2 of 12 images: those in the table, over all 12, are not computed again"
    )


@pytest.mark.parametrize(
    "what",
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
def test_honest_runs_of_other_kinds_hold(what: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("latent_testkit")
    how = ["--workers", "1", "--quiet", "--no-null-floor", "--resamples", "30", "--keep-streams", "6", "--gallery", "0"]
    run_main(
        [
            "--dataset",
            "squares",
            "--head",
            "squares",
            *what,
            *how,
            "--out",
            str(tmp_path / "run"),
            "--cache",
            str(tmp_path / "cache"),
        ]
    )
    code, found = judged(tmp_path / "run", trust=False)
    assert code == 0, [v for v in found if v.state in ("differs", "unchecked")]
    capsys.readouterr()


def test_raised_scores_with_all_tables_remade_are_found_where_all_streams_were_kept(
    copied: Callable[[int], Path],
) -> None:
    folder = copied(WHOLE)
    rewrite(folder, raised)
    code, found = judged(folder)
    assert code == 1
    assert "table: blocks size=4 squares ap is" in differences(found)
    assert "the streams of all images give" in differences(found)
    folder = copied(SOME)
    rewrite(folder, raised)
    _, found = judged(folder)
    assert "scores checked on 2 of 12 images" in said(found, "table")


def test_raised_scores_and_raised_kept_scores_are_found(copied: Callable[[int], Path]) -> None:
    folder = copied(SOME)
    rewrite(folder, raised)
    kept = archive.read(folder)
    scores = tuple(
        s._replace(value=min(s.value + 0.2, 1)) if s.metric == "ap" and s.curve == "blocks" else s for s in kept.scores
    )
    archive.write(replace(kept, scores=scores), folder)
    code, found = judged(folder)
    assert code == 1
    assert "of the kept images is" in differences(found)


def test_narrower_intervals_are_found_where_all_streams_were_kept(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)

    def narrow(row: Row) -> Row:
        return (
            replace(row, low=row.value, high=row.value)
            if row.head and row.metric == "ap" and row.point == "size=6"
            else row
        )

    rewrite(folder, narrow)
    code, found = judged(folder)
    assert code == 1
    assert "end of its interval" in differences(found)


def test_the_page_alone(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    page = folder / "report.html"
    bpp = next(f"{r.value:.4f}" for r in verify_folder.read(folder).rows if r.metric == "bpp" and r.point == "size=4")
    page.write_text(page.read_text("utf-8").replace(f">{bpp}<", ">0.0100<"), "utf-8")
    code, found = judged(folder)
    assert code == 1
    assert "report.html is not what the folder gives: it has ..." in differences(found)
    page.write_text(page.read_text("utf-8").replace("HSC-Bench page ", "HSC-Bench page 0"), "utf-8")
    assert "note report.html is not checked: another version" in said(judged(folder, streams=False)[1], "page")


def test_figures_are_said_not_to_be_checked(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    (folder / "curves.png").write_bytes(b"forged")
    assert said(judged(folder, streams=False)[1], "figures") == "note not checked: curves.png"


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
        folder / "rows.csv",
        lambda row: (
            {**row, column: value} if (row["metric"], row["point"], row["part"]) == ("ap", "size=4", "") else row
        ),
    )
    code, found = judged(folder, streams=False)
    assert code == 1
    assert words in differences(found)


def test_doubled_and_missing_rows(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    rows = (folder / "rows.csv").read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(rows) if ",blocks,size=4," in line and ",ap50," in line)
    (folder / "rows.csv").write_text("".join([*rows, rows[number]]))
    assert "ap50 stands 2 times in rows.csv" in differences(judged(folder, streams=False)[1])
    (folder / "rows.csv").write_text("".join(rows[:number] + rows[number + 1 :]))
    assert "has no ap50, which the others have" in differences(judged(folder, streams=False)[1])


def test_a_point_that_one_head_leaves_out(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    about = json.loads((folder / "run.json").read_text())
    gone = next(at for at, cell in about["cells"].items() if "head" in cell and cell["point"] == "size=6")
    del about["cells"][gone]
    (folder / "run.json").write_text(json.dumps(about))
    rewrite_rows = [row for row in verify_folder.read(folder).rows if row.cell != gone]
    tables.write(rewrite_rows, TASKS.build("detection").columns, folder)
    assert "blocks size=6 is not read by a head that reads 3 other points" in differences(
        judged(folder, streams=False)[1]
    )


def test_errors_of_kept_images_that_are_not_those_of_the_records(copied: Callable[[int], Path]) -> None:
    folder = copied(SOME)
    lines = records.read(folder)
    cell = list(archive.read(folder).streams)[-1]  # the first is of the originals, without an error
    records.write(
        [line._replace(squared_error=line.squared_error // 2) if line.cell == cell else line for line in lines], folder
    )
    assert "records.csv has a squared error of" in differences(judged(folder)[1])


def test_kept_images_in_another_order_are_refused(copied: Callable[[int], Path]) -> None:
    folder = copied(WHOLE)
    kept = archive.read(folder)
    turned = {cell: streams[::-1] for cell, streams in kept.streams.items()}
    predictions = tuple(one._replace(sha256=one.sha256[::-1]) for one in kept.predictions)
    archive.write(replace(kept, images=kept.images[::-1], streams=turned, predictions=predictions), folder)
    code, found = judged(folder)
    assert code == 2
    assert "in another order than the run's" in said(found, "streams")


def test_a_mean_lies_in_the_interval_of_its_resamples() -> None:
    """The rule that a rate or score outside its own interval is a difference: no honest one is."""
    for seed in range(200):
        rates = Bootstrap(6, 40, seed).rate([100, 1, 1, 1, 1, 2000], [1000] * 6)
        low, high, _ = interval(rates)
        assert low <= 8 * 2104 / 6000 <= high or math.isnan(low)
