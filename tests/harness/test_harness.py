"""The harness with a small codec, head and data set of the test kit: keys, resume, failures, scores."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

import benchmarks
from benchmarks.api import ScoreRow
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline, Processes
from benchmarks.harness.index_images import choose_images
from benchmarks.harness.keys import key_of
from benchmarks.harness.operating_points import curves
from benchmarks.runs.results import Results
from benchmarks.runs.rows import frame
from benchmarks.runs.tables import blocks
from benchmarks.runs.wide_table import wide
from hsc.errors import BitstreamError, DataError, ResultsError, UnavailableError, UsageError


@dataclass(frozen=True)
class Counting(Blocks):
    """Blocks that write down each call in a folder, and can be told to fail, lie or die at one image."""

    log: str = ""
    fault: str = ""

    def encode(self, image: np.ndarray) -> bytes:
        with Path(self.log).open("a") as log:
            log.write("e\n")
        if image.max() == 203:  # the image of index 3
            if self.fault == "encode":
                raise ValueError("no luck")
            if self.fault == "die":
                os._exit(7)
        return super().encode(image)

    def decode(self, data: bytes) -> np.ndarray:
        image = super().decode(data)
        if image.max() == 203:
            if self.fault == "decode":
                raise BitstreamError("damaged on purpose")
            if self.fault == "size":
                return image[1:]
            if self.fault == "type":
                return image.astype(np.float32)
        return image


def rows(tmp_path: Path, codecs: list[Any], **options: Any) -> pd.DataFrame:
    options = {
        "heads": [FindSquares()],
        "dataset": Squares(),
        "cache": tmp_path / "cache",
        "executor": Inline(),
        **options,
    }
    return benchmarks.evaluate("detection", codecs=codecs, **options).scores


def value(table: pd.DataFrame, metric: str, codec: str = "blocks", point: str = "size=4") -> float:
    found = table[
        (table["metric"] == metric)
        & (table["codec"] == codec)
        & (table["point"] == point)
        & (table["part"] == "")
        & (table["ladder"] == "")
    ]
    assert len(found) == 1
    return float(found["value"].iloc[0])


def calls(log: Path) -> int:
    return log.read_text().count("e") if log.exists() else 0


def test_rate_is_all_bits_over_all_pixels(tmp_path: Path) -> None:
    table = rows(tmp_path, [Blocks(4)])
    sizes = [len(Blocks(4).encode(Squares().load(i).image)) for i in range(6)]
    assert value(table, "bpp") == pytest.approx(8 * sum(sizes) / (6 * 56 * 144), rel=1e-12)
    assert value(table, "size_bytes") == pytest.approx(sum(sizes) / 6)
    assert value(table, "bpp", "original", "") > 24  # its header is paid for too


def test_psnr_is_of_the_whole_set(tmp_path: Path) -> None:
    errors = [
        np.mean((Blocks(4).decode(Blocks(4).encode(x)).astype(float) - x) ** 2)
        for x in (Squares().load(i).image for i in range(6))
    ]
    assert value(rows(tmp_path, [Blocks(4)]), "psnr") == pytest.approx(
        10 * math.log10(255**2 / np.mean(errors)), rel=1e-9
    )


def test_original_is_the_ceiling_and_is_always_there(tmp_path: Path) -> None:
    table = rows(tmp_path, [Blocks(16)])
    assert value(table, "ap", "original", "") > value(table, "ap", point="size=16")
    assert value(table, "psnr", "original", "") == math.inf
    assert value(table, "source_bpp", "original", "") == pytest.approx(8 * 6000 / (6 * 56 * 144))


def test_the_second_run_codes_nothing_and_says_the_same(tmp_path: Path) -> None:
    codec = Counting(4, log=str(tmp_path / "log"))
    first = rows(tmp_path, [codec])
    coded = calls(tmp_path / "log")
    assert coded == 7  # six images and one warm-up
    second = rows(tmp_path, [codec])
    assert calls(tmp_path / "log") == coded
    pd.testing.assert_frame_equal(first, second)


def test_a_further_head_reads_kept_streams(tmp_path: Path) -> None:
    codec = Counting(4, log=str(tmp_path / "log"))
    rows(tmp_path, [codec])
    coded = calls(tmp_path / "log")
    table = rows(tmp_path, [codec], heads=[FindSquares(), FindSquares(90)])
    assert calls(tmp_path / "log") == coded
    assert set(table["head"]) - {""} == {"squares", "squares(threshold=90)"}


def test_a_larger_limit_keeps_what_a_smaller_one_coded(tmp_path: Path) -> None:
    codec = Counting(4, log=str(tmp_path / "log"))
    rows(tmp_path, [codec], limit=2)
    rows(tmp_path, [codec])
    assert calls(tmp_path / "log") <= 7 + 1


def test_overwrite_always_codes_again_and_never_codes_nothing(tmp_path: Path) -> None:
    codec = Counting(4, log=str(tmp_path / "log"))
    table = rows(tmp_path, [codec], overwrite="never")
    assert calls(tmp_path / "log") == 0
    assert set(table[table["metric"] == "bpp"]["status"]) == {"missing"}
    rows(tmp_path, [codec])
    before = calls(tmp_path / "log")
    rows(tmp_path, [codec], overwrite="always")
    assert calls(tmp_path / "log") - before >= 6


@pytest.mark.parametrize("fault", ["encode", "decode", "size", "type"])
def test_a_failed_image_marks_its_cell_and_is_not_averaged_away(tmp_path: Path, fault: str) -> None:
    codec = Counting(4, log=str(tmp_path / "log"), fault=fault)
    config = configure("detection", Squares(), [codec, Blocks(8)], [FindSquares()])
    outcome = run(config, cache=tmp_path / "cache", executor=Inline())
    table = frame(outcome.score_rows, ScoreRow)
    bad = table[table["status"] == "failed"]
    assert len(bad) == 2  # its rate and its head's score
    assert bad["value"].isna().all()
    assert bad["reason"].str.startswith("1 of 6 images failed: ").all()
    assert len(outcome.failed) == 2
    assert value(table, "ap", point="size=8") > 0  # the others go on


def test_failures_are_tried_again(tmp_path: Path) -> None:
    failing = Counting(4, log=str(tmp_path / "log"), fault="encode")
    rows(tmp_path, [failing])
    before = calls(tmp_path / "log")
    rows(tmp_path, [failing])
    assert calls(tmp_path / "log") > before


def test_a_codec_that_kills_its_worker_costs_its_images_only(tmp_path: Path) -> None:
    deadly = Counting(4, log=str(tmp_path / "log"), fault="die")
    table = rows(tmp_path, [deadly, Blocks(8)], executor=Processes(2), dataset=Squares(images=12))
    bad = table[table["status"] == "failed"]
    assert len(bad)
    assert bad["reason"].str.contains("worker process died").all()
    assert value(table, "ap", point="size=8") > 0


def test_processes_and_inline_agree(tmp_path: Path) -> None:
    steady = ["bpp", "psnr", "ap", "ap50"]
    one = rows(tmp_path / "a", [Blocks(6), Blocks(12)])
    two = rows(tmp_path / "b", [Blocks(6), Blocks(12)], executor=Processes(2))
    left, right = (t[t["metric"].isin(steady)].reset_index(drop=True) for t in (one, two))
    pd.testing.assert_frame_equal(left, right)


def test_images_that_do_not_load_are_named_and_nothing_is_scored(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 of 6 images do not load.*squares-2: ValueError: this one is broken"):
        rows(tmp_path, [Blocks(4)], dataset=Squares(broken=2))


def test_pseudo_labels_are_the_heads_own_and_labelled(tmp_path: Path) -> None:
    table = rows(tmp_path, [Blocks(16)], dataset=Squares(labels=False))
    assert set(table["dataset"]) == {"squares (pseudo-labels)"}
    assert value(table, "ap", "original", "") == 1.0
    assert value(table, "ap", point="size=16") < 1.0


def test_unavailable_codec_is_a_skipped_row_with_its_reason(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Missing(Blocks):
        spec_name: ClassVar[str] = "missing"

        def available(self) -> str | None:
            return "no such binary; install it"

    table = rows(tmp_path, [Missing(4), Blocks(4)])
    skipped = table[table["status"] == "skipped"]
    assert list(skipped["codec"]) == ["missing"]
    assert list(skipped["reason"]) == ["no such binary; install it"]
    assert "skipped: missing: no such binary" in blocks(results(tmp_path, [Missing(4), Blocks(4)]), "github")


def results(tmp_path: Path, codecs: list[Any], **options: Any) -> Results:
    config = configure("detection", Squares(), codecs, [FindSquares()], **options)
    return run(config, cache=tmp_path / "cache", executor=Inline()).results


def test_no_head_that_can_run_is_an_error(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Absent(FindSquares):
        def available(self) -> str | None:
            return "its weights are missing"

    with pytest.raises(UnavailableError, match="its weights are missing"):
        rows(tmp_path, [Blocks(4)], heads=[Absent()])


def test_an_unknown_anchor_is_refused_and_a_known_one_gives_differences(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not among the codecs"):
        configure("detection", Squares(), [Blocks(4)], [FindSquares()], anchors=["vvc"])
    codecs = [*(Blocks(s) for s in Blocks.ladder), *(Blocks(s, slow_s=0.001) for s in Blocks.ladder)]
    comparisons = results(tmp_path, codecs, anchors=["blocks"]).comparisons
    against = comparisons[(comparisons["anchor"] == "blocks") & comparisons["kind"].str.startswith("bd_")]
    assert set(zip(against["kind"], against["metric"], strict=True)) == {("bd_rate", "ap"), ("bd_metric", "ap")}
    assert set(against["codec"]) == {"blocks(slow_s=0.001)"}


def test_points_of_one_configuration_join_one_curve() -> None:
    found = curves(
        [
            "jpeg(quality=5)",
            "jpeg(quality=[20, 10])",
            "jpeg(quality=5, subsampling=[4:4:4])".replace("4:4:4", '"4:4:4"'),
        ]
    )
    assert [(c.label, [p.label for p in c.points]) for c in found] == [
        ("jpeg", ["quality=5", "quality=20", "quality=10"]),
        ('jpeg(subsampling="4:4:4")', ["quality=5"]),
    ]
    assert [p.label for p in curves(["jpeg"])[0].points] == [
        "quality=5",
        "quality=10",
        "quality=20",
        "quality=35",
        "quality=50",
        "quality=75",
    ]


def test_limit_takes_the_first_or_draws_with_a_seed() -> None:
    def chosen(**options: int) -> list[int]:
        return choose_images(configure("detection", Squares(images=50), [], [FindSquares()], **options))

    assert chosen(limit=4) == [0, 1, 2, 3]
    assert chosen(limit=4, seed=1) == chosen(limit=4, seed=1) != chosen(limit=4, seed=2)
    assert chosen(limit=99) == list(range(50))


def test_wide_table_has_one_line_a_point(tmp_path: Path) -> None:
    table = wide(results(tmp_path, [Blocks(4), Blocks(8)]))
    assert list(table["point"]) == ["", "size=4", "size=8"]
    assert set(table["status"]) == {"ok"}


def test_a_damaged_cache_is_an_error_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(ResultsError, match="move it away"):
        Store(tmp_path / "store.sqlite")


def test_keys_are_the_hash_of_canonical_json() -> None:
    assert key_of({"a": 1, "b": [1, 2]}) == key_of({"b": (1, 2), "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        key_of(float("nan"))
