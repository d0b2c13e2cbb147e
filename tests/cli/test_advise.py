"""``hsc-bench advise`` as a user meets it: tables, CSV, files, exit codes and refusals."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.cli.advise import main


def words(tmp_path: Path, *more: str, images: int = 30) -> list[str]:
    """A quick question, with options after it."""
    subject = ["--dataset", f"squares(images={images})", "--head", "squares", "--codec", "blocks", "--quiet"]
    return [*subject, "--cache", str(tmp_path / "cache"), "--executor", "inline", "--resamples", "200", *more]


def test_a_table_on_the_terminal_and_no_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words(tmp_path, "--keep", "60")) == 0
    assert "blocks(size=" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_csv_in_place_of_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path, "--keep", "60", "100", "--csv")) == 0
    printed = capsys.readouterr().out
    table = pd.read_csv(io.StringIO(printed), keep_default_na=False, na_values=[""])
    assert table.status.tolist() == ["ok", "n/a"]
    assert table.kept_low[0] >= 0.6 > table.missed_low[0]


@pytest.mark.slow
def test_csv_and_files_hold_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "advice"
    assert main(words(tmp_path, "--keep", "60", "--csv", "--out", str(out))) == 0
    assert capsys.readouterr().out == (out / "advice.csv").read_text("utf-8")
    assert (out / "report.html").is_file()


def test_a_finished_run_is_not_written_into_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "run.json").write_text("{}", "utf-8")
    assert main(words(tmp_path, "--keep", "60", "--out", str(out))) == 2
    assert "--overwrite-folder" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["run.json"]
    assert not (tmp_path / "cache").exists()


def test_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path, "--budget-kb", "0.5", "--csv", images=4)) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table.aim.tolist() == ["budget"]
    assert table.target.tolist() == [500]
    assert table.size_bytes[0] <= 500


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--keep", "0.95"], "percent"),
        (["--keep", "101"], "percent"),
        (["--budget-kb", "0"], "budget"),
        (["--keep", "95", "--budget-kb", "3"], "one of the two"),
        (["--minutes", "-1", "--keep", "60"], "minutes"),
        (["--metric", "nothing_of_it"], "nothing_of_it"),
        (["--limit", "9"], "30 are needed"),
    ],
)
def test_what_cannot_be_met_is_refused_in_a_sentence(
    more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, *more)) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
