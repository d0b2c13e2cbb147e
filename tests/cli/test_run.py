"""The command line as a user meets it: files, exit codes, messages, and what a kill in the middle leaves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.cli.run import main
from benchmarks.evaluation import configure
from hsc.errors import UsageError

TINY = [
    "--dataset",
    "squares",
    "--head",
    "squares",
    "--head",
    "squares(threshold=90)",
    "--codec",
    "blocks",
    "--anchor",
    "blocks",
    "--quiet",
]
TIMES = ["encode_s", "decode_s", "head_s"]


def words(tmp_path: Path, *more: str) -> list[str]:
    return [*TINY, "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run"), "--workers", "1", *more]


def test_a_run_writes_its_files_and_says_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path, "--table", "full")) == 0
    shown = capsys.readouterr()
    assert "AP50" in shown.out
    assert "size=16" in shown.out
    folder = tmp_path / "run"
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [
            "scores.csv",
            "comparisons.csv",
            "records.csv",
            "table.csv",
            "table.md",
            "table.tex",
            "curves.png",
            "curves.pdf",
            "run.json",
            "run.toml",
            "gallery.json",
            "report.html",
        ]
    )
    assert (folder / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert (folder / "curves.pdf").read_bytes()[:4] == b"%PDF"
    assert r"\toprule" in (folder / "table.tex").read_text()


def test_a_run_ends_with_a_summary_of_one_screen_and_where_the_files_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, "--codec", "grid")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120
    assert lines[0].startswith("detection on squares (test, ")
    assert not any("size=16" in line for line in lines)
    assert [line.split()[0] for line in lines if line.startswith(("blocks ", "grid "))]
    place = lines.index(f"Files in {tmp_path / 'run'}")
    assert [line.split()[0] for line in lines[place + 1 :]] == ["report.html", "table.md", "curves.png", "scores.csv"]
    table = (tmp_path / "run" / "table.md").read_text()
    assert table.startswith("### Summary: detection on squares (test, ")


def test_the_full_table_stands_before_the_same_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path)) == 0
    summary = capsys.readouterr().out
    assert main(words(tmp_path, "--table", "full")) == 0
    full = capsys.readouterr().out
    assert full.endswith(summary)
    assert "size=16" in full.removesuffix(summary)


def test_a_preview_prints_a_marked_summary_and_writes_nothing_but_the_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, "--dataset", "squares(images=20)", "--preview")) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("PREVIEW: 12 images, head squares alone, no intervals; no files are written\n")
    assert shown.splitlines()[-1] == shown.splitlines()[0]
    assert "detection on squares (test, 12 images)" in shown
    assert "squares(threshold=90)" not in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]
    line = words(tmp_path, "--dataset", "squares(images=20)", "--dry-run")
    second = line.index("squares(threshold=90)")
    one_head = [*line[: second - 1], *line[second + 1 :]]
    assert main(one_head) == 0
    plan = capsys.readouterr().out
    assert "original: 12 of 20 images known\n" in plan


def test_a_preview_takes_the_first_head_that_can_be_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [word for word in words(tmp_path, "--codec", "grid", "--preview") if word != "--anchor"]
    line[line.index("squares", 2)] = "small"  # it knows none of the classes of squares
    line.remove("blocks")
    assert main(line) == 0
    assert "head squares(threshold=90) alone" in capsys.readouterr().out


def test_a_run_of_few_images_has_no_preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path, "--limit", "4", "--preview")) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "no preview" in shown.err
    assert "4 images" in shown.err


def test_rows_have_the_agreed_columns_and_every_cell_leads_to_its_provenance(tmp_path: Path) -> None:
    assert main(words(tmp_path)) == 0
    table = pd.read_csv(tmp_path / "run" / "scores.csv", keep_default_na=False)
    assert ",".join(table.columns) == (
        "cell,task,dataset,split,codec,ladder,point,route,regime,head,part,seed,metric,value,low,high,unit,images,"
        "status,reason"
    )
    comparisons = pd.read_csv(tmp_path / "run" / "comparisons.csv", keep_default_na=False)
    assert ",".join(comparisons.columns) == (
        "kind,task,dataset,split,metric,head,route,regime,codec,point,anchor,other,other_route,at_bpp,value,low,high,unit,"
        "codec_score,other_score,method,overlap_test,overlap_anchor,resamples,refused,valued_low,valued_high,seed,images,"
        "status,reason"
    )
    assert set(comparisons["kind"]) == {"noise_floor_rate", "noise_floor_metric"}
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    cells = set(table["cell"]) - {""}
    assert cells == set(described["cells"])
    one = described["cells"][table[(table["head"] != "") & (table["point"] == "size=4")]["cell"].iloc[0]]
    assert one["codec"] == {"name": "blocks", "config": {"size": 4, "slow_s": 0.0}, "provenance": {"code": "blocks-1"}}
    assert one["head"]["name"] == "squares"
    assert described["environment"]["packages"]["numpy"]
    assert described["dataset"]["revision"] == "1"
    assert described["arguments"]["command"].startswith("python -m benchmarks.run --dataset squares")


def test_dry_run_shows_the_plan_and_codes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path, "--dry-run")) == 0
    shown = capsys.readouterr().out
    assert "12 cells x 2 heads x 6 images; 72 images to code or read" in shown
    assert "blocks, second ladder size=3: 0 of 6 images known" in shown
    assert not list((tmp_path / "run").glob("*"))
    assert main(words(tmp_path)) == 0
    capsys.readouterr()
    assert main(words(tmp_path, "--dry-run")) == 0
    assert "; 0 images to code or read" in capsys.readouterr().out
    for option in ("--no-noise-floor", "--no-null-floor"):
        assert main(words(tmp_path, "--dry-run", option)) == 0
        assert "7 cells x 2 heads x 6 images" in capsys.readouterr().out


def test_a_value_without_its_option_is_told_how_to_repeat_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main([*words(tmp_path), "--codec", "blocks", "grid"])
    assert refused.value.code == 2
    assert capsys.readouterr().err.endswith("arguments: grid; repeat the option for each value: --codec A --codec B\n")


@pytest.mark.parametrize(
    ("more", "cure"),
    [
        (["--codec", "blocs"], "did you mean blocks?"),
        (["--codec", "blocks(sise=4)"], "did you mean 'size'?"),
        (["--codec", "blocks(size=fast)"], "expected a whole number"),
        (["--codec", "blocks(size=[])"], "empty list"),
        (["--codec", "blocks(size=4"], "bracket or quote is not closed"),
        (["--dataset", "/my photos/streets"], 'as in images(path="/my photos/streets")'),
        (["--head", "detector.onnx"], "a path is an argument"),
        (["--dataset", "squres"], "no data set is named 'squres'; did you mean squares?"),
        (["--config", "nowhere.toml"], "there is no file nowhere.toml"),
        (["--anchor", "vvc"], "not among the codecs"),
        (["--require", "vvc"], "not among the codecs"),
        (["--require", "blocs"], "the required codec 'blocs' is not known; did you mean blocks?"),
        (["--codec", "x(path=a(1).b)"], "double quotes"),
        (["--codec", "blocks(size=[4,", "8])"], "put it into single quotes, as in 'blocks(size=[4, 8])'"),
        (["--codec=blocks(size=[4,", "8,", "2])"], "came in 3 pieces"),
        (["--task", "detektion"], "did you mean detection?"),
        (["--dataset", "squares(broken=2)"], "broken on purpose"),
        (["--dataset", "coco(images=nowhere, annotations=nowhere.json)"], "nowhere"),
        (["--limit", "-3"], "-3"),
        (["--workers", "-1"], "-1"),
        (["--gallery", "-1"], "-1"),
        (["--device", "gpu"], "expected cpu, cuda"),
        (["--cache", "/proc/nowhere"], "name another with --cache"),
    ],
)
def test_what_cannot_be_met_ends_with_2_and_a_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], cure: str
) -> None:
    assert main(words(tmp_path, *more)) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert cure in message
    assert not list((tmp_path / "run").glob("*"))


@pytest.mark.parametrize("name", ["codecs", "heads", "anchors", "metrics"])
def test_a_text_where_python_wants_a_list_is_one_sentence(name: str) -> None:
    with pytest.raises(
        UsageError, match=rf"{name} came as the text 'blocks', expected a list, as in {name}=\['blocks'\]"
    ):
        configure("detection", "squares", **{name: "blocks"})


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_coded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("a file stands here")
    assert main(words(tmp_path)) == 2
    assert "name another with --out" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_a_script_without_a_main_guard_can_run_the_benchmark_with_its_own_codec(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        """
from dataclasses import dataclass
import benchmarks, hsc_testkit
@dataclass(frozen=True)
class Mine(hsc_testkit.Blocks):
    spec_name = "mine"
rows = benchmarks.evaluate("detection", "squares", [Mine(4), "blocks(size=8)"], ["squares"], workers=2, cache="cache")
print(sorted(set(rows.scores["codec"])))
"""
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "plugin")}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "['blocks', 'mine', 'original']\n"


def test_missing_cells_end_with_1_and_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path, "--overwrite", "never")) == 1
    assert "failed: blocks size=16: 6 of 6 images failed: not coded yet" in capsys.readouterr().err


def test_lists_name_everything_once(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, name in (
        ("codecs", "jpeg"),
        ("heads", "onnx"),
        ("datasets", "coco"),
        ("tasks", "detection"),
        ("metrics", "coco_ap"),
    ):
        assert main(["--list", kind]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert sum(line.startswith(name + " ") for line in lines) == 1


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "examples:" in capsys.readouterr().out


def _steady(folder: Path) -> str:
    """The final table without its timing columns."""
    table = pd.read_csv(folder / "table.csv").drop(columns=TIMES)
    scores = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    return table.to_csv() + scores[~scores["metric"].isin(TIMES)].to_csv() + (folder / "comparisons.csv").read_text()


@pytest.mark.slow
def test_killed_ten_times_the_final_table_is_the_same(tmp_path: Path) -> None:
    """kill -9 at ten random moments, then once to the end: the same table, byte for byte, timing columns aside."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "plugin")}
    what = [
        "--dataset",
        "squares(images=24)",
        "--head",
        "squares",
        "--codec",
        "blocks(slow_s=0.05)",
        "--workers",
        "2",
        "--quiet",
    ]

    def begin(name: str) -> subprocess.Popen[bytes]:
        where = ["--cache", str(tmp_path / name), "--out", str(tmp_path / name / "run")]
        line = [sys.executable, "-m", "benchmarks.run", *what, *where]
        return subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    whole = begin("whole")
    start = time.monotonic()
    assert whole.wait(120) == 0
    took = time.monotonic() - start
    rng = random.Random(7)
    for _ in range(10):
        killed = begin("killed")
        time.sleep(rng.uniform(0.2, 0.95) * took)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert begin("killed").wait(120) == 0
    assert _steady(tmp_path / "killed" / "run") == _steady(tmp_path / "whole" / "run")
