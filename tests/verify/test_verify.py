"""``hsc-bench verify``: its messages, its exit codes, and folders that are damaged, old or empty."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from run_folders import IMAGES, SIZES, edit, failures, judged, write_run

from benchmarks.cli.run import main as run_main
from benchmarks.cli.verify import main
from benchmarks.imaging.sketch import NUMBERS, sketch, squared_distance
from benchmarks.runs import archive as kept_streams
from benchmarks.runs import records
from benchmarks.runs.archive import KeptStream, thinned
from benchmarks.runs.keep_streams import spread
from hsc.errors import ResultsError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("whole"), [Blocks(s) for s in SIZES[-2:]])


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("cache")))


def test_a_run_from_the_command_line_keeps_streams_and_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [
        "--dataset",
        "squares",
        "--head",
        "squares",
        "--codec",
        "blocks(size=[8, 2])",
        "--anchor",
        "blocks",
        "--quiet",
        "--workers",
        "1",
    ]
    where = ["--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
    assert run_main([*run, *where, "--keep-streams", "2"]) == 0
    capsys.readouterr()
    assert main([str(tmp_path / "run"), "--quiet", "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("detection on squares, 6 images, 3 operating points, made at ")
    assert "4 kept streams are unaltered, 2 more come out of their encoders byte for byte" in shown
    assert "6 of 6 images decode bit for bit as in the run" in shown
    assert "6 of 6 predictions are bit for bit those of the run" in shown
    assert shown.endswith("\nverification passed\n")
    assert run_main([*run, *where]) == 0  # without streams: those of the earlier run are not left behind
    capsys.readouterr()
    assert main([str(tmp_path / "run"), "--quiet", "--workers", "1"]) == 2
    assert "run with --keep-streams 8" in capsys.readouterr().out
    assert main([str(tmp_path / "run"), "--no-streams", "--quiet"]) == 0


def test_the_same_run_keeps_the_same_file(whole: Path, tmp_path: Path) -> None:
    again = write_run(tmp_path, [Blocks(s) for s in SIZES[-2:]])
    assert (again / "streams.zip").read_bytes() == (whole / "streams.zip").read_bytes()


def spoil_stream(folder: Path) -> None:
    kept = kept_streams.read(folder)
    cell, streams = next((cell, s) for cell, s in kept.streams.items() if s[0].data)
    assert streams[0].data is not None
    other = streams[0].data[:-1] + bytes([streams[0].data[-1] ^ 1])
    kept_streams.write(
        kept_streams.KeptStreams(
            kept.images, {**kept.streams, cell: (streams[0]._replace(data=other), *streams[1:])}, (), ()
        ),
        folder,
    )


def test_a_stream_of_other_bytes_is_a_failure_with_its_name(folder: Path) -> None:
    spoil_stream(folder)
    code, verdicts = judged(folder)
    assert code == 1
    assert "size=4, squares-0:" in failures(verdicts) or "size=2, squares-0:" in failures(verdicts)


def test_altered_numbers_are_named(folder: Path) -> None:
    edit(
        folder / "scores.csv",
        lambda row: (
            {**row, "value": "0.9"} if row["metric"] == "ap" and row["point"] == "size=4" and not row["part"] else row
        ),
    )
    code, verdicts = judged(folder)
    assert code == 1
    assert "table.md is not what scores.csv and comparisons.csv give: line" in failures(verdicts)
    about = json.loads((folder / "run.json").read_text())
    next(c for c in about["cells"].values() if c["point"] == "size=4")["codec"]["provenance"]["code"] = "blocks-0"
    (folder / "run.json").write_text(json.dumps(about))
    assert "run.json has other settings or versions than the cell" in failures(judged(folder, streams=False)[1])


def test_scores_of_the_kept_images_are_computed_again(folder: Path) -> None:
    kept = kept_streams.read(folder)
    raised = tuple(
        s._replace(value=s.value + 0.01) if s.metric == "ap" and not s.part and s.point == "size=2" else s
        for s in kept.scores
    )
    kept_streams.write(kept_streams.KeptStreams(kept.images, kept.streams, kept.predictions, raised), folder)
    code, verdicts = judged(folder)
    assert code == 1
    assert "blocks size=2 squares image ap of the kept images is" in failures(verdicts)


def test_another_data_set_is_a_failure(folder: Path) -> None:
    about = json.loads((folder / "run.json").read_text())
    about["dataset"]["revision"] = "0"
    (folder / "run.json").write_text(json.dumps(about))
    assert "squares has the revision 1 here, the run had 0" in failures(judged(folder)[1])


def test_a_codec_that_is_not_here_leaves_the_rest_checked(folder: Path) -> None:
    about = json.loads((folder / "run.json").read_text())
    del about["dataset"]["pixels_sha256"]  # as a run of an older version, whose ids cannot be checked
    for cell in about["cells"].values():
        if cell["point"] == "size=4":
            cell["codec"]["name"] = "blosks"
    (folder / "run.json").write_text(json.dumps(about))
    code, verdicts = judged(folder)
    assert code == 2
    (text,) = (v.text for v in verdicts if v.about == "codec blocks")
    assert text == "cannot be used here: no codec is named 'blosks'; did you mean blocks?"
    assert any(v.about == "streams" and v.state == "pass" for v in verdicts)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
@pytest.mark.parametrize("name", ["run.json", "scores.csv", "comparisons.csv", "records.csv", "streams.zip"])
def test_damaged_files_end_with_2_and_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, damage: object
) -> None:
    assert callable(damage)
    damage(folder / name)
    code = main([str(folder), "--quiet", "--workers", "1", *(["--no-streams"] if name != "streams.zip" else [])])
    shown = capsys.readouterr()
    message = shown.err if name in ("run.json", "scores.csv", "comparisons.csv") else shown.out + shown.err
    assert name in message
    if name.endswith(".csv") and damage is cut:
        assert code in (1, 2)  # whole lines may be left
    else:
        assert code == 2
        assert any(word in message for word in ("damaged", "cannot be read", "not there"))
    assert "Traceback" not in shown.err


def test_records_that_are_missing_leave_rates_and_sizes_unchecked(folder: Path) -> None:
    (folder / "records.csv").unlink()
    code, verdicts = judged(folder)
    assert code == 2
    assert {"rates", "sizes"} <= {v.about for v in verdicts if v.state == "skipped"}
    assert any(v.about == "streams" and v.state == "pass" for v in verdicts)


def test_folders_that_are_none_end_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "name the folder that hsc-bench run wrote" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
    (tmp_path / "run.json").write_text("[1, 2]")
    assert main([str(tmp_path)]) == 2
    assert "scores.csv is not there" in capsys.readouterr().err
    for name in ("scores.csv", "comparisons.csv"):
        (tmp_path / name).write_text("")
    assert main([str(tmp_path)]) == 2
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("index", [b"{}", b"[]", b"not json", json.dumps({"format": "other"}).encode()])
def test_a_strange_index_is_refused(tmp_path: Path, index: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "streams.zip", "w") as archive:
        archive.writestr("index.json", index)
    with pytest.raises(ResultsError, match="is damaged"):
        kept_streams.read(tmp_path)


def test_streams_of_another_run_are_refused(folder: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", [Blocks(4)], dataset=Squares(IMAGES + 6), keep=12)
    shutil.copy(other / "streams.zip", folder / "streams.zip")
    code, verdicts = judged(folder)
    assert code == 2
    assert any("it belongs to another run" in v.text for v in verdicts)


def test_a_cell_that_failed_is_no_failure_of_verify(tmp_path: Path) -> None:
    class Failing(Blocks):
        spec_name = "blocks"

        def encode(self, image: np.ndarray) -> bytes:
            if self.size == 8 and image.max() == 203:
                raise ValueError("no luck")
            return super().encode(image)

    folder = write_run(tmp_path, [Failing(8), Failing(4)], head=FindSquares())
    code, verdicts = judged(folder)
    assert code == 0, verdicts


def test_the_largest_points_are_left_out_first() -> None:
    def point(size: int) -> tuple[KeptStream, ...]:
        return (KeptStream(size, "", 0, "", np.zeros(NUMBERS, np.int64), bytes(size)),)

    kept = thinned({"large": point(900), "small": point(10), "middle": point(80)}, max_bytes=100)
    assert [(cell, streams[0].data is not None) for cell, streams in kept.items()] == [
        ("large", False),
        ("small", True),
        ("middle", True),
    ]
    assert kept["large"][0].size_bytes == 900


def test_kept_images_are_spread() -> None:
    assert spread(64, 8) == [0, 8, 16, 24, 32, 40, 48, 56]
    assert spread(3, 8) == [0, 1, 2]
    assert spread(10, 0) == []


@pytest.mark.parametrize("changed", [1, 30, 3000])
def test_sketches_tell_how_far_two_images_are_apart(changed: int) -> None:
    dice = np.random.default_rng(changed)
    image = dice.integers(1, 255, (90, 120, 3)).astype(np.uint8)
    other = image.reshape(-1).copy()
    other[dice.choice(other.size, changed, replace=False)] += 1
    assert squared_distance(sketch(image), sketch(image)) == 0
    assert squared_distance(sketch(image), sketch(other.reshape(image.shape))) == pytest.approx(changed, rel=0.6)


def test_a_sketch_is_the_same_on_every_machine() -> None:
    image = (np.arange(40 * 50 * 3) % 251).astype(np.uint8).reshape(40, 50, 3)
    assert sketch(image)[:4].tolist() == [-14542, -2928, 5982, -10522]


def test_records_go_round(tmp_path: Path) -> None:
    lines = [records.Line("abc", "a, b.png", 3, 4, 5, 6), records.Line("abc", 'c"d', 1, 1, 1, 0)]
    records.write(lines, tmp_path)
    assert records.read(tmp_path) == lines
