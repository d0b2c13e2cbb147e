"""Mistakes found in published harnesses, each made on purpose: a faulty plug-in or an altered folder that is caught.

A faulty plug-in has the name of the honest one, so its run's folder claims to be the honest one's.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from run_folders import IMAGES, edit, failures, judged, write_run

from benchmarks.api import Sample
from benchmarks.codecs.original import Original
from benchmarks.conformance.checks import Finding, examine
from benchmarks.conformance.codec_rules import CONTRACT
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from downstream.api import Detections


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("honest"))


@pytest.fixture
def folder(honest: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(honest, tmp_path / "run", ignore=shutil.ignore_patterns("cache")))


def finding(codec: Any, rule: str) -> Finding:
    return examine(codec, next(check for check in CONTRACT if check.name == rule))


def test_the_honest_run_passes(honest: Path) -> None:
    code, verdicts = judged(honest)
    assert code == 0, verdicts
    about = {v.about for v in verdicts if v.state == "pass"}
    of_folder = {"cells", "facts", "score rows", "rates", "intervals", "comparisons", "tables"}
    assert of_folder | {"sizes", "streams", "pixels", "predictions", "scores"} <= about


_SIZES: dict[bytes, bytes] = {}


@dataclass(frozen=True)
class Headless(Blocks):
    """Counts the payload alone; size and setting pass by the side."""

    spec_name: ClassVar[str] = "blocks"

    def encode(self, image: np.ndarray) -> bytes:
        data = super().encode(image)
        _SIZES[data[5:]] = data[:5]
        return data[5:]

    def decode(self, data: bytes) -> np.ndarray:
        return super().decode(_SIZES.get(data, b"") + data)


def test_headers_not_counted(tmp_path: Path, folder: Path) -> None:
    assert "it fails there" in finding(Headless(), "decodes_in_a_fresh_process").text
    code, verdicts = judged(write_run(tmp_path / "headless", [Headless(4)]))
    assert code == 1
    assert "blocks size=4, squares-0: not a stream of blocks" in failures(verdicts)
    edit(folder / "records.csv", lambda line: {**line, "size_bytes": str(int(line["size_bytes"]) - 5)})
    code, verdicts = judged(folder)
    assert code == 1
    assert "all bits over all pixels give" in failures(verdicts)
    assert "the stream is" in failures(verdicts)


@dataclass(frozen=True)
class Ragged(Squares):
    """Every other image is half as wide."""

    spec_name: ClassVar[str] = "squares"

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return replace(sample, image=sample.image[:, : 144 if index % 2 else 72])


def test_mean_of_bpp(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [Blocks(4)], dataset=Ragged(IMAGES), keep=0)
    assert "fail" not in {v.state for v in judged(folder, streams=False)[1]}
    lines_of_cell: dict[str, list[dict[str, str]]] = {}
    edit(folder / "records.csv", lambda line: lines_of_cell.setdefault(line["cell"], []).append(line) or line)

    def averaged(row: dict[str, str]) -> dict[str, str]:
        lines = lines_of_cell.get(row["cell"], [])
        rates = [8 * int(line["size_bytes"]) / (int(line["height"]) * int(line["width"])) for line in lines]
        return {**row, "value": repr(float(np.mean(rates)))} if row["metric"] == "bpp" else row

    edit(folder / "scores.csv", averaged)
    code, verdicts = judged(folder, streams=False)
    assert code == 1
    assert "which is the mean of the images' rates; all bits over all pixels give" in failures(verdicts)


@dataclass(frozen=True)
class Halved(Squares):
    """Hands out images at a head's size instead of their own."""

    spec_name: ClassVar[str] = "squares"

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return replace(sample, image=np.ascontiguousarray(sample.image[::2, ::2]))


@dataclass(frozen=True)
class Shrinking(Blocks):
    """Codes half of the pixels and never gives them back."""

    def encode(self, image: np.ndarray) -> bytes:
        return super().encode(image[::2, ::2])


def test_resized_before_coding(tmp_path: Path) -> None:
    code, verdicts = judged(write_run(tmp_path / "data", [Blocks(4)], dataset=Halved(IMAGES)))
    assert code == 1
    assert "the data set's image squares-0 is another one here: 144x56 pixels" in failures(verdicts)
    assert "expected uint8" in finding(Shrinking(), "codes_any_size").text
    outcome = run(
        configure("detection", Squares(2), [Shrinking(4)], [FindSquares()], anchors=[]),
        cache=tmp_path,
        executor=Inline(),
    )
    assert any("decode gave uint8 (28, 72, 3), expected uint8 (56, 144, 3)" in line for line in outcome.failed)


@dataclass(frozen=True)
class Truncating(Original):
    """Stores luma and chroma, rounded, and makes RGB of them without rounding."""

    def encode(self, image: np.ndarray) -> bytes:
        r, g, b = np.moveaxis(image.astype(np.float64), 2, 0)
        luma = np.rint(0.299 * r + 0.587 * g + 0.114 * b)
        return super().encode(
            np.stack([luma, np.rint((b - luma) * 0.564 + 128), np.rint((r - luma) * 0.713 + 128)], 2).astype(np.uint8)
        )

    def decode(self, data: bytes) -> np.ndarray:
        luma, cb, cr = np.moveaxis(super().decode(data).astype(np.float64), 2, 0)
        rgb = np.stack(
            [luma + 1.403 * (cr - 128), luma - 0.714 * (cr - 128) - 0.344 * (cb - 128), luma + 1.773 * (cb - 128)], 2
        )
        return self.whole(rgb)

    @staticmethod
    def whole(rgb: np.ndarray) -> np.ndarray:
        return np.clip(rgb, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Rounding(Truncating):
    """The same, put right."""

    @staticmethod
    def whole(rgb: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Darkening(Blocks):
    """Blocks whose decoder truncates: every sample comes out a level too dark."""

    spec_name: ClassVar[str] = "blocks"

    def decode(self, data: bytes) -> np.ndarray:
        return np.maximum(super().decode(data), 1) - 1


def test_truncated_colour_conversion(tmp_path: Path) -> None:
    assert "shift by -0.5" in finding(Truncating(), "rounds_and_never_truncates").text
    assert finding(Rounding(), "rounds_and_never_truncates").state == "passed"
    code, verdicts = judged(write_run(tmp_path, [Darkening(4)]))
    assert code == 1
    assert "blocks size=4, squares-0: it decodes to other pixels than the run scored" in failures(verdicts)


@dataclass(frozen=True)
class Picky(FindSquares):
    """Leaves out what it scores under 0.5, and does not say so."""

    spec_name: ClassVar[str] = "squares"

    def predict(self, images: Any) -> list[Detections]:
        found = super().predict(images)
        return [
            Detections(f.boxes_xyxy[f.scores >= 0.5], f.scores[f.scores >= 0.5], f.labels[f.scores >= 0.5])
            for f in found
        ]


def test_threshold_of_one_half(tmp_path: Path, folder: Path) -> None:
    code, verdicts = judged(write_run(tmp_path / "picky", [Blocks(16), Blocks(12)], head=Picky(threshold=70)))
    assert code == 1
    assert "head" not in failures(verdicts)  # it claims to be the honest one, and only its answers give it away
    assert "squares(threshold=70) image ap of the kept images is" in failures(verdicts)
    text = (folder / "run.json").read_text().replace('"threshold": 120', '"threshold": 120, "score_threshold": 0.5')
    (folder / "run.json").write_text(text)
    code, verdicts = judged(folder, streams=False)
    assert code == 1
    assert "the head squares leaves out detections with scores under 0.5" in failures(verdicts)


def test_a_missing_image(folder: Path) -> None:
    edit(folder / "records.csv", lambda line: None if line["image"] == "squares-4" else line)
    code, verdicts = judged(folder, streams=False)
    assert code == 1
    assert "blocks size=4 bpp: 1 of 12 images are missing from records.csv: squares-4" in failures(verdicts)
    edit(folder / "scores.csv", lambda row: {**row, "images": "5"} if row["metric"] == "ap" else row)
    assert "ap is over 5 images, the run has 12" in failures(judged(folder, streams=False)[1])


def test_a_swapped_weight_file(tmp_path: Path) -> None:
    weights = tmp_path / "weights.txt"
    weights.write_text("120")
    folder = write_run(tmp_path / "run", [Blocks(4)], head=FindSquares(weights=str(weights)))
    assert judged(folder)[0] == 0
    weights.write_text("60")
    code, verdicts = judged(folder)
    assert code == 1
    assert "another weights file, so nothing of it was read again" in failures(verdicts)
    weights.unlink()
    code, verdicts = judged(folder)
    assert code == 2
    assert any(v.state == "skipped" and "are not here" in v.text for v in verdicts)
