"""A reviewer with somebody's run folder: does its table hold? A sound folder passes, and one that was tampered with in
five ways is found, or verify says that it does not check this.

The page: guides/checking-a-table.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import PIL.Image
import pytest
from code_blocks import ROOT
from forged_runs import raised, rewrite, written
from guide import command, typed
from run_folders import edit

from benchmarks.api import ScoreRow
from benchmarks.reporting.figures import rate_curves
from benchmarks.runs import archive

REFERENCE = ROOT / "results" / "reference" / "detection"
Verdict = tuple[int, str]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's run: two codecs on four images with all bitstreams, of a data set and a head that are installed."""
    folder = tmp_path_factory.mktemp("authors")
    line = "hsc-bench run --dataset squares --head 'squares(threshold=80)' --limit 4 --keep-streams 4 --resamples 30"
    line += " --codec 'jpeg(quality=[5, 20, 80])' --codec 'webp(quality=[0, 20, 80])' --no-noise-floor"
    line += f" --workers 1 --quiet --gallery 0 --out {folder}/run --cache {folder}/cache"
    assert typed(line, folder) == 0
    return folder / "run"


@pytest.fixture
def folder(given: Path, tmp_path: Path) -> Path:
    """The folder as it came to the reviewer, as a copy under the name that the page gives it."""
    return Path(shutil.copytree(given, tmp_path / "tampered"))


@pytest.fixture
def verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[bool], Verdict]:
    """The exit code and output of the page's command. streams: with the bitstreams."""

    def ask(streams: bool = True) -> Verdict:
        capsys.readouterr()
        line = command("guides/checking-a-table.md", "verify tampered").partition(" >")[0]
        line = line.replace(" --no-streams", "") if streams else line
        code = typed(f"{line} --workers 1 --quiet", tmp_path)
        return code, capsys.readouterr().out

    return ask


def failed(output: str) -> str:
    """The lines of verify that name a mismatch."""
    return "\n".join(line for line in output.splitlines() if line.startswith("fail"))


def change_a_score(folder: Path) -> None:
    """One number of scores.csv: the AP of one operating point."""

    def better(row: dict[str, str]) -> dict[str, str]:
        hit = (row["codec"], row["metric"], row["part"], row["ladder"]) == ("jpeg", "ap", "", "")
        return {**row, "value": f"{min(float(row['value']) + 0.004, 1):.6f}"} if hit else row

    edit(folder / "scores.csv", better)


def change_the_page(folder: Path) -> None:
    """One number of report.html: the rate of one operating point."""
    page = folder / "report.html"
    rate = next(row for row in written(folder).score_rows if row.metric == "bpp" and row.codec == "jpeg").value
    text = page.read_text("utf-8")
    assert f">{rate:.4f}<" in text
    page.write_text(text.replace(f">{rate:.4f}<", ">0.0100<"), "utf-8")


def draw(folder: Path, change: Callable[[ScoreRow], ScoreRow] | None = None) -> None:
    """The curves of a run's scores, or of others."""
    run = written(folder)
    results = run.results
    if change:
        rows = map(change, run.score_rows)
        results = replace(results, scores=results.scores.assign(value=[row.value for row in rows]))
    rate_curves.curves(results, folder / "curves")


def change_everything_alike(folder: Path) -> None:
    """Higher scores for one codec, in rows, comparisons, tables, page and figures alike."""
    rewrite(folder, partial(raised, codec="jpeg"))
    draw(folder)


def change_a_setting(folder: Path) -> None:
    """The settings of one operating point in run.json."""
    about = json.loads((folder / "run.json").read_text("utf-8"))
    cell = next(cell for cell in about["cells"].values() if cell["codec"]["name"] == "jpeg")
    cell["codec"]["config"]["quality"] += 1
    (folder / "run.json").write_text(json.dumps(about), "utf-8")


def test_a_sound_folder_passes(folder: Path, verdict: Callable[..., Verdict]) -> None:
    code, output = verdict()
    assert (code, failed(output)) == (0, "")
    assert "scores checked on 4 of 4 images" in output
    assert "times, and that the machine, the packages and the commit were those that run.json names" in output
    assert output.splitlines()[-1] == "verification passed"


def test_a_number_in_scores_csv(folder: Path, verdict: Callable[..., Verdict]) -> None:
    change_a_score(folder)
    code, output = verdict(streams=False)
    assert code == 1
    assert "table.md is not what scores.csv and comparisons.csv give" in failed(output)


def test_the_page_alone(folder: Path, verdict: Callable[..., Verdict]) -> None:
    change_the_page(folder)
    code, output = verdict(streams=False)
    assert code == 1
    assert "report.html is not what the folder gives" in failed(output)


def test_rows_tables_page_and_figures_alike(folder: Path, verdict: Callable[..., Verdict]) -> None:
    change_everything_alike(folder)
    code, output = verdict()
    assert code == 1
    assert "in scores.csv, the streams of all images give" in failed(output)
    code, output = verdict(streams=False)  # the files alone agree with each other, and verify says what it left out
    assert (code, failed(output)) == (0, "")
    assert output.splitlines()[-1] == "verification passed; no stream was decoded"


def test_a_picture_of_other_curves_and_one_from_elsewhere(folder: Path, verdict: Callable[..., Verdict]) -> None:
    draw(folder, partial(raised, codec="jpeg"))
    PIL.Image.new("RGB", (400, 300)).save(folder / "curves.png")
    code, output = verdict(streams=False)
    assert code == 1
    assert "curves.pdf is not what the scores give" in failed(output)
    (line,) = [line for line in output.splitlines() if "curves.png" in line]
    assert line.startswith("note")
    assert "not checked" in line


def test_a_setting_in_run_json(folder: Path, verdict: Callable[..., Verdict]) -> None:
    change_a_setting(folder)
    code, output = verdict(streams=False)
    assert code == 1
    assert "run.json has other settings or versions than the cell" in failed(output)


def test_a_kept_stream_of_another_quality(folder: Path, verdict: Callable[..., Verdict]) -> None:
    kept = archive.read(folder)
    about = json.loads((folder / "run.json").read_text("utf-8"))
    points = {about["cells"][cell]["point"]: cell for cell in kept.streams if about["cells"][cell]["curve"] == "jpeg"}
    small, large = (kept.streams[points[point]] for point in ("quality=5", "quality=80"))
    other = small[0]
    forged = large[0]._replace(data=other.data, size_bytes=other.size_bytes, sha256=other.sha256)
    archive.write(replace(kept, streams={**kept.streams, points["quality=80"]: [forged, *large[1:]]}), folder)
    code, output = verdict()
    assert code == 1
    assert "records.csv counts" in failed(output)
    assert "it decodes to other pixels than the run scored" in failed(output)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (change_a_score, "scores.csv"),
        (change_the_page, "report.html"),
        (change_everything_alike, "no stream was decoded"),
        (partial(draw, change=partial(raised, codec="jpeg")), "curves.png"),
        (change_a_setting, "run.json has other settings"),
    ],
)
def test_the_reference_run_tampered_with(
    tamper: Callable[[Path], None], words: str, tmp_path: Path, verdict: Callable[..., Verdict]
) -> None:
    """The folder of the page itself. Its figures and page may be of another version: found, or named as not checked."""
    folder = Path(shutil.copytree(REFERENCE, tmp_path / "tampered"))
    tamper(folder)
    code, output = verdict(streams=False)
    said = "\n".join(line for line in output.splitlines() if words in line)
    assert said
    assert code == 1 or "not checked" in said or "no stream was decoded" in said
