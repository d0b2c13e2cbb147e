"""An engineer with an ONNX detector of two classes and a folder of photos: which quality may the camera use?

The pages: guides/own-detector.md for the detector and the photos, guides/choosing-a-quality.md for the answer.
"""

from __future__ import annotations

import csv
import re
import runpy
from pathlib import Path

import pytest
from code_blocks import Reader
from guide import changed, command, file_text, option, typed
from orchard import CLASSES, write_detector, write_photos

SHARE = 0.95


def bring(folder: Path, images: int, seed: int = 0) -> None:
    """What he has: a model, its class names, photos and their labels; and the script of the page."""
    write_detector(folder / "detector.onnx")
    (folder / "names.txt").write_text("\n".join(CLASSES), "utf-8")
    write_photos(folder, images, seed)
    (folder / "choose.py").write_text(file_text("guides/choosing-a-quality.md", "choose.py"), "utf-8")


def measurement() -> str:
    """The line of guides/choosing-a-quality.md, with the detector and the photos of guides/own-detector.md."""
    own = command("guides/own-detector.md", "onnx(path=", "--limit")
    line = command("guides/choosing-a-quality.md", "--repeats")
    return changed(line, {"--head small": f"{option(own, '--head')} {option(own, '--dataset')}"})


def points_of(folder: Path) -> dict[tuple[str, str], dict[str, float]]:
    """AP and bits per pixel by codec and operating point, read from scores.csv without this suite."""
    points: dict[tuple[str, str], dict[str, float]] = {}
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["metric"] in ("ap", "bpp") and not row["part"] and not row["ladder"]:
                points.setdefault((row["codec"], row["point"]), {})[row["metric"]] = float(row["value"])
    return points


def assert_chosen(printed: str, folder: Path, share: float) -> str:
    """The settings printed are the cheapest that keep the share; returns the first of them."""
    points = points_of(folder)
    ceiling = points.pop(("original", ""))["ap"]
    chosen = re.findall(r"^(\w+)\(([^)]*)\) keeps ([\d.]+) % at ([\d.]+) bits a pixel$", printed, re.MULTILINE)
    assert {codec for codec, *_ in chosen} == {"jpeg", "webp"}
    for codec, point, keeps, bpp in chosen:
        numbers = points[codec, point]
        assert float(keeps) == pytest.approx(100 * numbers["ap"] / ceiling, abs=0.06)
        assert float(bpp) == pytest.approx(numbers["bpp"], abs=6e-4)
        assert numbers["ap"] >= share * ceiling
        cheaper = [p for (name, _), p in points.items() if name == codec and p["bpp"] < numbers["bpp"]]
        assert all(p["ap"] < share * ceiling for p in cheaper)
    assert [float(row[3]) for row in chosen] == sorted(float(row[3]) for row in chosen)
    return f"{chosen[0][0]}({chosen[0][1]})"


def test_he_has_a_setting_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On four photos and in this process, so that it is quick."""
    bring(tmp_path, 4)
    assert typed(measurement() + " --workers 1 --quiet --gallery 0 --resamples 0", tmp_path) == 0
    folder = tmp_path / "results" / "runs" / "camera"
    original = points_of(folder)["original", ""]["ap"]
    assert original > 0.8  # the set-up is right, as guides/own-detector.md has it
    capsys.readouterr()
    line = changed(command("guides/choosing-a-quality.md", "choose.py"), {"0.9": str(SHARE)})
    with monkeypatch.context() as place:
        place.chdir(tmp_path)
        place.setattr("sys.argv", line.split()[1:])
        runpy.run_path("choose.py")
    setting = assert_chosen(capsys.readouterr().out, folder, SHARE)
    assert re.fullmatch(r"(jpeg|webp)\(quality=\d+\)", setting)
    assert min(point["ap"] for point in points_of(folder).values()) < SHARE * original  # there was something to choose


@pytest.mark.slow
def test_the_setting_holds_on_other_photos(tmp_path: Path) -> None:
    """Chosen on 20 photos, tried on 40 others: it keeps the share there, give or take a twentieth."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for name, images, seed in (("used", 20, 1), ("others", 40, 2)):
        (tmp_path / name).mkdir()
        bring(tmp_path / name, images, seed)
    engineer = Reader(tmp_path / "used", cache, limit=None)
    engineer.run(measurement())
    printed = engineer.run(changed(command("guides/choosing-a-quality.md", "choose.py"), {"0.9": str(SHARE)}))
    setting = assert_chosen(printed, tmp_path / "used" / "results" / "runs" / "camera", SHARE)
    line = command("guides/choosing-a-quality.md", "--out results/runs/check")
    own = command("guides/own-detector.md", "onnx(path=", "--limit")
    line = changed(line, {option(line, "--codec"): f"--codec '{setting}'", "--head small": option(own, "--head")})
    line = changed(line, {option(line, "--dataset"): option(own, "--dataset")})
    second = Reader(tmp_path / "others", cache, limit=None)
    second.run(line)
    points = points_of(tmp_path / "others" / "results" / "runs" / "check")
    ceiling = points.pop(("original", ""))["ap"]
    (kept,) = points.values()
    assert kept["ap"] >= (SHARE - 0.05) * ceiling
