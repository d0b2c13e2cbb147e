"""``hsc-bench equal-scores``: the codecs of a finished run at equal scores, with intervals from kept predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import CODECS
from benchmarks.cli.equal_scores import main
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.runs import prediction_files, provenance, records, tables

SIZES = (12, 8, 4, 2)


@dataclass(frozen=True)
class Doubled(Blocks):
    """The pixels of blocks, from streams twice as long."""

    spec_name = "doubled"

    def encode(self, image: np.ndarray) -> bytes:
        data = super().encode(image)
        return data + bytes(len(data))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of two codecs with its predictions, and the same without."""
    place = tmp_path_factory.mktemp("equal")
    codecs = [f"blocks(size={list(SIZES)})", f"doubled(size={list(SIZES)}, name='twice as long')"]
    options = {"resamples": 60, "anchors": ["blocks"], "noise_floor": False}
    with pytest.MonkeyPatch.context() as patch:
        CODECS.names()
        patch.setitem(CODECS._classes, "doubled", Doubled)
        config = configure("detection", Squares(12), codecs, [FindSquares()], **options)
        outcome = run(config, cache=place / "cache", executor=Inline(), keep_streams=0)
        for name in ("kept", "bare"):
            (place / name).mkdir()
            tables.write(outcome.results, place / name)
            records.write(outcome.record_rows, place / name)
            provenance.write(place / name / "run.json", provenance.describe(outcome.plan, 1, "cpu", {}))
        with Store(place / "cache" / "store.sqlite") as store:
            prediction_files.write(outcome.plan, store, place / "kept")
        yield place


def compared(runs: Path, name: str, *arguments: str) -> pd.DataFrame:
    assert main([str(runs / name), *arguments, "--executor", "inline", "--quiet", "--out", str(runs / "out")]) == 0
    return pd.read_csv(runs / "out" / "equal-scores.csv", keep_default_na=False, na_values=[""])


def test_twice_the_bits_for_the_same_pixels_are_a_hundred_percent_more(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(runs, "kept")
    text = capsys.readouterr().out
    assert (runs / "out" / "equal-scores.md").read_text() == text
    assert "twice as long" in text
    assert list(found["point"]) == [f"size={size}" for size in SIZES]
    assert set(found["status"]) == {"ok"}
    scores = pd.read_csv(runs / "kept" / "scores.csv", keep_default_na=False, na_values=[""])
    points = scores[(scores["codec"] == "doubled") & scores["part"].isna()].set_index(["metric", "point"])["value"]
    for row in found.itertuples():
        assert (row.codec, row.anchor, row.metric, row.images, row.resamples) == ("doubled", "blocks", "ap", 12, 60)
        assert row.bpp == pytest.approx(points["bpp", row.point])
        assert row.score == pytest.approx(points["ap", row.point])
        assert row.anchor_bpp == pytest.approx(row.bpp / 2)
        assert row.value == pytest.approx(100)
    sure = found.dropna(subset=["low"])
    assert len(sure) >= 1
    assert list(sure["low"]) + list(sure["high"]) == pytest.approx([100.0] * (2 * len(sure)))


def test_codecs_are_named_by_label_spec_or_name(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(runs, "kept", "--codec", "blocks", "--anchor", "twice as long")
    assert (set(found["codec"]), set(found["anchor"])) == ({"blocks"}, {"doubled"})
    assert list(found["value"]) == pytest.approx([-50.0] * len(SIZES))
    capsys.readouterr()
    for arguments in (["--codec", "blocks"], ["--codec", "webp"]):
        assert main([str(runs / "kept"), *arguments, "--executor", "inline", "--quiet"]) == 2
    assert "another --codec" in capsys.readouterr().err


def test_without_predictions_the_row_says_why(runs: Path) -> None:
    found = compared(runs, "bare")
    assert list(found["value"]) == pytest.approx([100.0] * len(SIZES))
    assert found["reason"].str.contains("keep-predictions").all()
    assert all(math.isnan(low) for low in found["low"])
