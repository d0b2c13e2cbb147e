"""Rate definitions: their pixels, their rows beside bpp, and that verify computes them again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hsc_testkit import Blocks, Squares
from run_folders import edit, failures, judged, write_run

from benchmarks.api import CODECS, RATES
from benchmarks.harness.added_rates import added_rates
from benchmarks.harness.operating_points import curves
from benchmarks.runs.run_folder import load
from benchmarks.runs.run_json import read
from benchmarks.stats.metric_facts import STREAM_FACTS
from downstream.ops.shortest_side import resized_hw
from hsc.errors import BitstreamError, SpecError, UsageError

ENLARGED = "enlarged(short=112, most=400)"


@pytest.mark.parametrize(
    ("hw", "expected"),
    [
        ((480, 640), (800, 1067)),  # COCO's most common size
        ((640, 480), (1067, 800)),
        ((427, 640), (800, 1199)),
        ((240, 960), (333, 1333)),  # the longer side decides
        ((1000, 1000), (800, 800)),
        ((1, 5000), (1, 1333)),
    ],
)
def test_a_detectors_input_has_a_short_side_and_a_limit(hw: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resized_hw(*hw, 800, 1333) == expected
    assert RATES.build("enlarged").pixels(*hw) == expected[0] * expected[1]


def test_the_other_definitions() -> None:
    assert RATES.build("original_pixels").pixels(480, 640) == 480 * 640
    assert RATES.build("centre_crop(side=256)").pixels(480, 640) == 65536
    huge = "9" * 400
    for text in ("centre_crop(side=0)", "enlarged(short=0)", "enlarged(short=900, most=800)", f"enlarged(most={huge})"):
        with pytest.raises(SpecError):
            RATES.build(text)


def test_every_definition_has_facts_and_a_column_of_its_own() -> None:
    metrics = [RATES.get(name).metric for name in RATES.names()]
    assert len(set(metrics)) == len(metrics)
    assert {STREAM_FACTS[metric].unit for metric in metrics} == {"bit/pixel"}


@dataclass(frozen=True)
class OfNobody:
    """A definition of a stranger, whose rate has no facts."""

    metric: ClassVar[str] = "bpp_of_nobody"

    def pixels(self, height: int, width: int) -> int:
        return height * width


def test_a_rate_of_which_nothing_is_known_is_refused_before_anything_is_coded() -> None:
    with pytest.raises(UsageError, match="bpp_of_nobody"):
        added_rates([OfNobody()])
    assert [rate.metric for rate in added_rates([ENLARGED, "original_pixels"])] == ["bpp_enlarged"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twelve pictures of 56x144 with two further rates."""
    rates = [ENLARGED, "centre_crop(side=32)", "original_pixels"]
    return write_run(tmp_path_factory.mktemp("run"), [Blocks(8), Blocks(4)], rates=rates, noise_floor=False)


def test_scores_have_the_rate_by_every_definition(folder: Path) -> None:
    scores = load(folder).scores
    rows = scores[(scores["codec"] == "blocks") & (scores["point"] == "size=4")].set_index("metric")
    # 56x144 becomes 112x288, four times the pixels, so the same bits have a quarter of the rate
    for column in ("value", "low", "high"):
        assert rows.loc["bpp_enlarged", column] == pytest.approx(rows.loc["bpp", column] / 4)
    assert rows.loc["bpp_centre_crop", "value"] == pytest.approx(rows.loc["bpp", "value"] * 56 * 144 / 32**2)
    assert read(folder / "run.json")["rates"] == [ENLARGED, "centre_crop(side=32)"]
    assert set(scores.loc[scores["metric"] == "bpp_enlarged", "codec"]) >= {"original", "blocks"}


def test_verify_computes_them_again(folder: Path, tmp_path: Path) -> None:
    code, verdicts = judged(folder, streams=False)
    assert code == 0, failures(verdicts)

    def forged(line: dict[str, str]) -> dict[str, str]:
        changed = line["metric"] == "bpp_enlarged" and line["point"] == "size=4"
        return line | ({"value": str(0.98 * float(line["value"]))} if changed else {})

    def without(line: dict[str, str]) -> dict[str, str] | None:
        return None if line["metric"] == "bpp_enlarged" and line["point"] == "size=4" else line

    kept = (folder / "scores.csv").read_bytes()
    for change in (forged, without):
        edit(folder / "scores.csv", change)
        code, verdicts = judged(folder, streams=False)
        (folder / "scores.csv").write_bytes(kept)
        assert code == 1
        assert "bpp_enlarged" in failures(verdicts)


def test_two_definitions_of_one_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bpp_enlarged"):
        write_run(tmp_path, [Blocks(4)], dataset=Squares(3), rates=["enlarged", "enlarged(short=600)"])


def test_a_wrapper_that_enlarges_gives_pictures_of_their_own_size_and_its_bits_count_whole() -> None:
    codec = CODECS.build("enlarged(of=jpeg, value=60, short=96, most=200)")
    ramp = np.add.outer(np.arange(48), np.arange(60)).astype(np.uint8)
    picture = np.stack([ramp, ramp // 2, 255 - ramp], axis=2)
    data = codec.encode(picture)
    inner = CODECS.build("jpeg(quality=60)")
    assert inner.decode(data[2:]).shape == (96, 120, 3)  # a byte for each side
    decoded = codec.decode(data)
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).mean() < 3
    with pytest.raises(BitstreamError, match="96"):
        CODECS.build("enlarged(of=jpeg, value=60, short=64, most=200)").decode(data)


def test_a_wrapper_has_the_rate_axis_of_the_codec_inside() -> None:
    assert curves(["enlarged(of=vvc)"])[0].points[0].label == "value=52"
    assert [point.label for point in curves(['enlarged(of="jpeg(quality=20)")'])[0].points] == [""]
    fixed, swept = curves(['enlarged(of="jpeg(optimize=False)", value=[9, 30])'])[0].points
    assert (fixed.label, swept.label) == ("value=9", "value=30")
    with pytest.raises(SpecError, match="enlarged already"):
        CODECS.build("enlarged(of=enlarged)")
