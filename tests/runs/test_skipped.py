"""Codecs and heads that could not run: in run.json, in scores.csv, and in what reads them back."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from run_folders import edit, judged

from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from benchmarks.runs import run_json
from benchmarks.runs.consistency import codecs_of, heads_of
from benchmarks.runs.run_folder import load
from benchmarks.runs.run_settings import differences, settings_of_config, settings_of_run

CODEC, HEAD = "no such binary; install it", "its weights are missing"


@dataclass(frozen=True)
class AbsentCodec(Blocks):
    """A codec that cannot run here."""

    def available(self) -> str | None:
        return CODEC


@dataclass(frozen=True)
class AbsentHead(FindSquares):
    """A head that cannot run here."""

    def available(self) -> str | None:
        return HEAD


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which one codec and one head could not run."""
    place = tmp_path_factory.mktemp("skipped")
    codecs = [Blocks(16), Blocks(8), AbsentCodec(4, slow_s=0.5)]
    config = configure("detection", Squares(2), codecs, [FindSquares(), AbsentHead(90)], anchors=[], resamples=0)
    outcome = run(config, cache=place / "cache", executor=Inline())
    assert differences(settings_of_config(config), settings_of_run(describe(outcome.save(place / "run")))) == []
    return place / "run"


def describe(folder: Path) -> dict[str, Any]:
    return run_json.read(folder / "run.json")


def test_codecs_and_heads_that_could_not_run_stand_apart_by_their_labels(folder: Path) -> None:
    about = describe(folder)
    assert about["skipped"] == {"blocks(slow_s=0.5)": CODEC}
    assert about["skipped_heads"] == {"squares(threshold=90)": HEAD}
    assert codecs_of(about) == {"original", "blocks", "blocks(slow_s=0.5)"}
    assert heads_of(about) == {"squares", "squares(threshold=90)"}


def test_only_a_skipped_codec_is_a_curve_without_points(folder: Path) -> None:
    assert [ladder.label for ladder in load(folder).design.curves] == ["original", "blocks", "blocks(slow_s=0.5)"]


def test_a_skipped_head_has_a_row_as_a_head_and_a_skipped_codec_as_a_codec(folder: Path) -> None:
    rows = [row for row in load(folder).score_rows if row.status == "skipped"]
    assert {(row.codec, row.head, row.reason) for row in rows} == {
        ("blocks(slow_s=0.5)", "", CODEC),
        ("", "squares(threshold=90)", HEAD),
    }


def test_a_run_of_before_the_two_were_apart_reads_the_same(folder: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    about = json.loads((folder / "run.json").read_text())
    skipped = {f"head {label}": text for label, text in about.pop("skipped_heads").items()}
    about["skipped"] = skipped | about["skipped"]
    (old / "run.json").write_text(json.dumps(about))
    assert dataclasses.asdict(settings_of_run(describe(old))) == dataclasses.asdict(settings_of_run(describe(folder)))
    assert describe(old)["skipped_heads"] == {"squares(threshold=90)": HEAD}
    for name in ("scores.csv", "comparisons.csv", "records.csv"):
        (old / name).write_bytes((folder / name).read_bytes())
    edit(old / "scores.csv", lambda row: row | ({"codec": row["head"], "head": ""} if row["reason"] == HEAD else {}))
    assert [verdict for verdict in judged(old)[1] if verdict.state == "fail"] == []
