"""Advice on made-up images: the settings found, what is refused and why, and the files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks

import benchmarks
from benchmarks.advice import advising, saving
from benchmarks.advice.advising import Advice, advise
from benchmarks.advice.question import Question, questions
from benchmarks.harness.executors import Inline
from benchmarks.harness.progress import Silent
from benchmarks.runs.advice_rows import AdviceRow, advice_frame, read_advice
from benchmarks.runs.advice_text import kept_text, notes_of
from benchmarks.runs.csv_cells import write_csv
from benchmarks.runs.run_folder import load
from benchmarks.stats.bootstrap import MIN_IMAGES_KEPT
from benchmarks.stats.retained_share import Retained
from benchmarks.verify.check_advice import check_advice
from benchmarks.verify.verify import verify
from hsc.errors import CodecError, DataError, ResultsError, UsageError

DATA = f"squares(images={MIN_IMAGES_KEPT})"


@dataclass(frozen=True)
class Brittle(Blocks):
    """Blocks that cannot be coded at all."""

    spec_name: ClassVar[str] = "brittle"

    def encode(self, image: np.ndarray) -> bytes:
        raise CodecError("it broke on purpose")


@dataclass(frozen=True)
class Dark(Blocks):
    """Blocks decoded to half their brightness, in which the head finds nothing."""

    spec_name: ClassVar[str] = "dark"

    def decode(self, data: bytes) -> np.ndarray:
        return super().decode(data) // 2

    def provenance(self) -> dict[str, str]:
        return {"code": "dark-1"}


@dataclass(frozen=True)
class Missing(Blocks):
    """Blocks that are not installed."""

    spec_name: ClassVar[str] = "absent"

    def available(self) -> str | None:
        return "its library is not here"


def asked(cache: Path, **options: Any) -> Advice:
    given: dict[str, Any] = {"dataset": DATA, "codecs": ["blocks"], "head": "squares", "resamples": 200, **options}
    return advise("detection", cache=cache, executor=Inline(), tell=lambda text: None, **given)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_the_smallest_setting_that_keeps_the_share(cache: Path) -> None:
    rows = asked(cache, keep=[0.2, 0.6]).rows
    assert [row.target for row in rows] == [0.2, 0.6]
    sizes = [row.size_bytes for row in rows]
    assert sizes[0] < sizes[1]
    for row in rows:
        assert row.status == "ok"
        assert row.kept_low >= row.target > row.missed_low
        assert row.kept_low <= row.kept <= row.kept_high
        assert row.kept == pytest.approx(row.score / row.original)
        assert row.setting == f"blocks({row.point})"
        assert row.images == MIN_IMAGES_KEPT
        assert row.encode_s > 0
        block, missed = (int(point.partition("=")[2]) for point in (row.point, row.missed))
        assert missed > block


def test_a_second_question_is_answered_from_the_cache(cache: Path) -> None:
    asked(cache, keep=[0.6])
    again = asked(cache, keep=[0.6])
    assert again.outcome.plan.todo == 0
    assert again.rows[0].setting == asked(cache, keep=[0.6]).rows[0].setting


def test_a_share_out_of_reach_says_what_came_nearest(cache: Path) -> None:
    row = asked(cache, keep=[1.0], codecs=["blocks"]).rows[0]
    assert row.status == "n/a"
    assert "not reached" in row.reason
    assert row.kept_low < 1.0
    assert row.point in next(notes_of([row]))


def test_a_budget_is_filled_by_the_largest_files_within_it(cache: Path) -> None:
    sizes = {row.point: row.size_bytes for row in asked(cache, keep=[0.2, 0.6]).rows}
    budget = max(sizes.values())
    rows = asked(cache, budget_bytes=budget).rows
    assert rows[0].size_bytes == budget  # a file of just that size is within it
    none = asked(cache, budget_bytes=10.0).rows[0]
    assert none.status == "n/a"
    assert none.size_bytes > 10


def test_within_a_budget_the_best_stands_first_and_the_others_behind_it(cache: Path) -> None:
    advice = asked(cache, budget_bytes=1000.0, codecs=[Dark(), "blocks"])
    best, other = advice.rows
    assert (best.codec, best.behind) == ("blocks", 0.0)
    assert np.isnan(best.behind_low)
    assert other.behind == pytest.approx(best.score - other.score)
    assert 0 < other.behind_low <= other.behind <= other.behind_high
    assert "behind the best" in advice.text


def test_codecs_stand_in_order_and_those_without_an_answer_last(cache: Path) -> None:
    codecs = [Missing(), Brittle(), "blocks(slow_s=0.001)", "blocks"]
    rows = asked(cache, codecs=codecs, keep=[0.6]).rows
    assert [row.status for row in rows] == ["ok", "ok", "failed", "skipped"]
    assert "broke on purpose" in rows[2].reason
    assert "not here" in rows[3].reason


def test_lower_is_better(cache: Path) -> None:
    """A head that counts wrong on the originals too: the share is the originals' error over the codec's."""
    rows = asked(cache, head="squares(threshold=210)", metric="count_error", keep=[0.5]).rows
    assert rows[0].metric == "count_error"
    assert rows[0].original > 0
    assert rows[0].kept == pytest.approx(rows[0].original / rows[0].score)
    assert rows[0].kept_low >= 0.5
    with pytest.raises(DataError, match="no share can be taken"):
        asked(cache, metric="count_error", keep=[0.5])
    budget = asked(cache, metric="count_error", budget_bytes=1e6, codecs=["blocks", "blocks(slow_s=0.001)"]).rows
    assert [row.status for row in budget] == ["ok", "ok"]
    assert budget[0].score <= budget[1].score


def test_few_images_are_refused_for_a_share_and_not_for_a_budget(cache: Path) -> None:
    few = f"squares(images={MIN_IMAGES_KEPT - 1})"
    with pytest.raises(DataError, match=f"{MIN_IMAGES_KEPT - 1} distinct images"):
        asked(cache, dataset=few)
    row = asked(cache, dataset="squares(images=4)", budget_bytes=1e6).rows[0]
    assert row.status == "ok"
    assert np.isnan(row.score_low)


def test_a_head_that_scores_nothing_is_refused(cache: Path) -> None:
    with pytest.raises(DataError, match="about nothing"):
        asked(cache, head="squares(threshold=254)")


def test_without_labels_the_originals_stand_in(cache: Path) -> None:
    row = asked(cache, dataset=f"squares(images={MIN_IMAGES_KEPT}, labels=False)", keep=[0.6]).rows[0]
    assert "pseudo-labels" in row.dataset
    assert row.original == pytest.approx(1.0)
    assert row.status == "ok"


def test_time_that_is_up_leaves_the_first_setting_of_each_codec(cache: Path, tmp_path: Path) -> None:
    rows = asked(tmp_path, codecs=["blocks(slow_s=0.002)"], keep=[0.2], minutes=1e-6).rows
    assert len(asked(tmp_path, codecs=["blocks(slow_s=0.002)"], keep=[0.2], minutes=1e-6).outcome.plan.cells) == 2
    assert "not tried yet" in rows[0].reason
    assert asked(tmp_path, codecs=["blocks(slow_s=0.002)"], keep=[0.2]).rows[0].status == "ok"


def test_questions_are_checked() -> None:
    assert questions(None, None) == (Question("keep", 0.95), Question("keep", 0.99))
    assert questions([0.9, 0.9], None) == (Question("keep", 0.9),)
    for keep, budget in (([1.2], None), ([0.0], None), ([], None), (None, 0.0), ([0.9], 10.0), (0.9, None)):
        with pytest.raises(UsageError):
            questions(keep, budget)  # type: ignore[arg-type]
    assert Question("keep", 0.9).margin(Retained(0.95, 0.9, 1.0), 5.0) >= 0
    assert (
        Question("budget", 10.0).margin(Retained(1.0, 1.0, 1.0), 10.0)
        < 0
        < Question("budget", 9.9).margin(Retained(1.0, 1.0, 1.0), 10.0)
    )


def test_a_config_without_codecs_or_of_a_latent_head_is_refused(cache: Path) -> None:
    config = advising.configure("detection", DATA, ["original"], "squares")
    with pytest.raises(UsageError, match="no codec"):
        advising.advise_on(config, questions(None, None))
    with pytest.raises(UsageError, match="route"):
        asked(cache, head="latent_detector")


@pytest.mark.slow
def test_files_are_a_run_with_the_advice_on_its_page(cache: Path, tmp_path: Path) -> None:
    advice = asked(cache, keep=[0.6])
    folder = saving.save(advice, tmp_path / "advice", pictures=0)
    pd.testing.assert_frame_equal(advice_frame(read_advice(folder / "advice.csv")), advice_frame(advice.rows))
    page = (folder / "report.html").read_text("utf-8")
    assert advice.rows[0].setting in page
    assert 'id="advice"' in page
    scores = benchmarks.load(folder).scores
    tried = scores[(scores.codec == "blocks") & (scores.metric == "ap") & (scores.part == "")]
    assert advice.rows[0].point in set(tried.point)
    with pytest.raises(UsageError, match="finished run"):
        saving.save(advice, folder, pictures=0)
    saving.save(advice, folder, overwrite=True, pictures=0)
    states = {verdict.about: verdict.state for verdict in verify(folder, Inline(), Silent(), streams=False)}
    assert states["advice"] == "pass"
    assert "fail" not in states.values()
    forged = [
        replace(advice.rows[0], kept=0.99),
        replace(advice.rows[0], size_bytes=1.0),
        replace(advice.rows[0], kept_low=0.5),
        replace(advice.rows[0], missed="size=3", missed_low=0.9),
        replace(advice.rows[0], point="size=15"),
        replace(advice.rows[0], aim="budget", target=1.0),
    ]
    for row in forged:
        write_csv(folder / "advice.csv", advice_frame([row]))
        assert [verdict.state for verdict in check_advice(load(folder, consistent=False))] == ["fail"]
    (folder / "advice.csv").write_text((folder / "advice.csv").read_text("utf-8").replace("budget,", "guess,"), "utf-8")
    with pytest.raises(ResultsError, match="guess"):
        read_advice(folder / "advice.csv")


def test_the_text_names_settings_and_rounds_the_lower_end_down(cache: Path) -> None:
    advice = asked(cache, keep=[0.6])
    assert advice.rows[0].setting in advice.text
    assert all(len(line) <= 120 for line in advice.text.splitlines())
    assert kept_text(0.97, 0.94999, 0.98) == "97.0 [94.9, 98.0]"
    assert kept_text(0.97, 0.95, 0.98) == "97.0 [95.0, 98.0]"
    assert kept_text(float("nan"), 0, 0) == "-"
    assert advice.table.setting.tolist() == [row.setting for row in advice.rows]
    assert isinstance(advice.rows[0], AdviceRow)
