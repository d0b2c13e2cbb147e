"""The search for rates: on made-up scales against trying every value, and in a run."""

from __future__ import annotations

import itertools
import math
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

import benchmarks
from benchmarks.cli.run import main
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.match_bytes import FINEST
from benchmarks.harness.operating_points import curves
from benchmarks.harness.rate_search import RateSearch
from benchmarks.runs.tables import blocks
from hsc.errors import UsageError

PIXELS = 56 * 144


@dataclass(frozen=True)
class Dial:
    """Files whose length is a smooth function of a real number, and grey images."""

    turn: float = 1.0
    spec_name: ClassVar[str] = "dial"
    rate_field: ClassVar[str] = "turn"
    ladder: ClassVar[tuple[float, ...]] = (1.0, 2.0, 3.0)
    rate_range: ClassVar[tuple[float, float]] = (0.0, 6.0)

    def encode(self, image: np.ndarray) -> bytes:
        return struct.pack("<HH", *image.shape[:2]) + bytes(round(100 * math.exp(self.turn)))

    def decode(self, data: bytes) -> np.ndarray:
        return np.full((*struct.unpack_from("<HH", data), 3), 128, np.uint8)

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"code": "dial-1"}


def walked(search: RateSearch, rate: Callable[[Any], float], target: float) -> int:
    """Search for a target; how many values were tried."""
    for count in range(60):
        value = search.next(target)
        if value is None:
            return count
        assert value not in search.bpp
        search.bpp[value] = rate(value)
    raise AssertionError("the search does not end")


@pytest.mark.parametrize("ends", [(63, 0), (0, 100), (1, 3)])
@pytest.mark.parametrize("target", [0.001, 0.011, 0.05, 0.3, 0.77, 5.0])
def test_whole_scales_are_searched_until_no_value_could_do(ends: tuple[int, int], target: float) -> None:
    span = abs(ends[1] - ends[0])

    def rate(value: int) -> float:
        return 0.01 * math.exp(5 * abs(value - ends[0]) / span)

    search = RateSearch(curves(["jpeg(quality=[5])"])[0], *ends)
    start = ends[0] + (ends[1] - ends[0]) // 2
    search.bpp = {start: rate(start)}
    assert walked(search, rate, target) <= 12
    possible = any(abs(rate(v) / target - 1) <= 0.05 for v in range(min(ends), max(ends) + 1))
    assert search.reached(target) == possible
    best = min(range(min(ends), max(ends) + 1), key=lambda v: abs(math.log(rate(v) / target)))
    assert possible or search.nearest(target) == best


def test_real_scales_are_searched_to_their_ends_and_no_finer_than_a_64th() -> None:
    search = RateSearch(curves([Dial()])[0], 0.0, 6.0)
    search.bpp = {1.0: math.exp(1)}
    assert walked(search, math.exp, math.exp(4.3)) <= 6
    assert search.reached(math.exp(4.3))
    assert walked(search, math.exp, 1e4) <= 12
    assert not search.reached(1e4)
    assert search.nearest(1e4) == 6.0
    assert all(value == 6.0 or (value * 64).is_integer() for value in search.bpp)
    assert walked(search, math.exp, 1e-3) == 1  # the smallest file says at once that there is nothing to find
    steep = RateSearch(curves([Dial()])[0], 0.0, 6.0, {1.0: 0.1})
    assert walked(steep, lambda v: 0.1 if v < 2.3 else 10.0, 1.0) <= 40
    ends = sorted(v for v in steep.bpp if 2 < v < 2.6)
    assert min(b - a for a, b in itertools.pairwise(ends)) <= FINEST


def test_a_dent_does_not_keep_a_search_from_ending() -> None:
    rates = {v: 0.01 * v * (0.9 if v == 40 else 1) for v in range(1, 101)}
    for target in (0.361, 0.38, 0.395):
        search = RateSearch(curves(["jpeg(quality=[5])"])[0], 1, 100, {5: rates[5]})
        walked(search, rates.__getitem__, target)
        assert search.reached(target)


def outcome(tmp_path: Path, codecs: list[Any], targets: list[float], **options: Any) -> Any:
    config = configure("detection", Squares(), codecs, [FindSquares()], match_bpp=targets, resamples=0, **options)
    return run(config, cache=tmp_path, executor=Inline())


def test_points_of_a_run_lie_within_5_percent_and_heads_read_no_others(tmp_path: Path) -> None:
    sizes = {s: sum(len(Blocks(s).encode(Squares().load(i).image)) for i in range(6)) for s in (14, 3)}
    targets = [8 * sizes[14] / (6 * PIXELS), 8 * 5000 / PIXELS]
    found = outcome(tmp_path, [*(Blocks(s) for s in Blocks.ladder), Dial()], targets)
    got = {(c.curve, c.point) for c in found.plan.cells}
    assert ("blocks", "size=14") in got
    rates = [r for r in found.comparison_rows if r.kind == "matched_rate"]
    assert [(r.codec, r.at_bpp) for r in rates] == [(c, t) for c in ("blocks", "dial") for t in targets]
    real = {(r.codec, r.point): r.value for r in found.score_rows if r.metric == "bpp"}
    for r in rates:
        if r.status == "ok":
            assert r.value == pytest.approx(real[r.codec, r.point], rel=1e-12)
            assert abs(r.value / r.at_bpp - 1) <= 0.05
    assert sum(r.status == "ok" for r in rates) >= 3
    database = sqlite3.connect(tmp_path / "store.sqlite")
    assert database.execute("SELECT COUNT(*) FROM predictions").fetchone()[0] == 6 * len(found.plan.cells)
    database.close()
    assert f"Matched to {targets[0]:g} bpp: blocks size=14 takes" in blocks(found.results, "github")


def test_a_rate_out_of_reach_is_said_and_the_codec_left_out(tmp_path: Path) -> None:
    found = outcome(tmp_path, [Dial(), Blocks(4)], [1e-5], anchors=["dial"])
    assert {c.curve for c in found.plan.cells} == {"original"}
    reasons = {r.codec: r.reason for r in found.comparison_rows if r.kind == "matched_rate"}
    assert reasons["dial"].startswith("no point within 5 % of 1e-05 bpp; turn=0.0 takes 0.1")
    assert set(reasons) == {"dial", "blocks"}
    assert found.failed == []
    assert "n/a: dial: no point within 5 %" in blocks(found.results, "github")


def test_a_codec_that_fails_says_so(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Broken(Dial):
        spec_name: ClassVar[str] = "broken"

        def encode(self, image: np.ndarray) -> bytes:
            raise ValueError("no luck")

    found = outcome(tmp_path, [Broken(), Dial()], [0.5])
    reason = next(r.reason for r in found.comparison_rows if r.codec == "broken")
    assert "no point could be coded" in reason
    assert "no luck" in reason


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 11), (90, 100), (100, 100), (37, 41), (60, 60), (0, 88)])
@pytest.mark.parametrize("target", [0.012, 0.05, 0.3, 0.77, 1.3])
def test_values_that_fail_take_only_the_rates_that_lie_there(first: int, last: int, target: float) -> None:
    """Whatever can be coded within 5 % of a rate is found, where the codec fails from one value of its scale to
    another.
    """

    def rate(value: int) -> float:
        return 0.01 * math.exp(5 * value / 100)

    search = RateSearch(curves(["jpeg(quality=[5])"])[0], 0, 100)
    start = next(value for value in (50, 95) if not first <= value <= last)
    search.bpp = {start: rate(start)}
    for _ in range(40):
        value = search.next(target)
        if value is None:
            break
        assert value not in search.bpp
        assert value not in search.failed
        if first <= value <= last:
            search.failed[value] = f"quality={value} failed: full"
        else:
            search.bpp[value] = rate(value)
    assert search.next(target) is None
    possible = any(abs(rate(v) / target - 1) <= 0.05 for v in range(101) if not first <= v <= last)
    assert search.reached(target) == possible
    lies_there = rate(first) * 0.95 <= target <= rate(last) * 1.05
    assert bool(search.troubles(target)) >= (lies_there and not possible)


def test_values_that_fail_far_from_a_rate_are_not_its_reason() -> None:
    search = RateSearch(
        curves(["jpeg(quality=[5])"])[0],
        0,
        100,
        {50: 0.1, 60: 0.2, 70: 0.3},
        {55: "quality=55 failed: full", 90: "quality=90 failed"},
    )
    assert search.troubles(0.15) == ["quality=55 failed: full"]
    assert search.troubles(0.25) == []
    assert search.troubles(9.0) == ["quality=90 failed"]
    assert RateSearch(curves(["jpeg(quality=[5])"])[0], 0, 100, {}, {5: "all failed"}).troubles(1.0) == ["all failed"]


def test_a_codec_that_fails_at_one_end_keeps_the_rates_it_can_meet(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Narrow(Dial):
        """Fails above 3.5, for one image alone; refuses to be made between 1.4 and 1.6."""

        spec_name: ClassVar[str] = "narrow"

        def __post_init__(self) -> None:
            if 1.4 < self.turn < 1.6:
                raise ValueError("no such turn")

        def encode(self, image: np.ndarray) -> bytes:
            if self.turn > 3.5 and np.array_equal(image, Squares().load(2).image):
                raise ValueError("the box is full")
            return super().encode(image)

    def rate(turn: float) -> float:
        return 8 * (4 + 100 * math.exp(turn)) / PIXELS

    asked = [rate(t) for t in (0.3, 1.2, 1.5, 2.5, 3.4, 5.0)]
    alone = {target: outcome(tmp_path, [Narrow()], [target]) for target in asked}
    together = outcome(tmp_path, [Narrow(), Dial()], asked)
    rows = {(r.codec, r.at_bpp): r for r in together.comparison_rows if r.kind == "matched_rate"}
    states = [rows["narrow", target].status for target in asked]
    assert states == ["ok", "ok", "n/a", "ok", "ok", "n/a"]
    assert [rows["dial", target].status for target in asked] == ["ok"] * 6
    for target, found in alone.items():
        row = next(r for r in found.comparison_rows if r.kind == "matched_rate")
        assert (row.status, row.point) == (rows["narrow", row.at_bpp].status, rows["narrow", target].point)
    assert "the box is full" in rows["narrow", asked[5]].reason
    assert "no such turn" in rows["narrow", asked[2]].reason
    assert len({c.point for c in together.plan.cells if c.curve == "narrow"}) == 4
    assert together.failed == []


def test_a_ladder_that_fails_whole_is_searched_from_its_smallest_file(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Low(Dial):
        spec_name: ClassVar[str] = "low"

        def encode(self, image: np.ndarray) -> bytes:
            if self.turn > 0.5:
                raise ValueError("no luck")
            return super().encode(image)

    found = outcome(tmp_path, [Low(1.0), Low(2.0)], [8 * (4 + 100 * math.exp(0.3)) / PIXELS])
    assert [(r.codec, r.status) for r in found.comparison_rows if r.kind == "matched_rate"] == [("low", "ok")]


def test_four_rates_are_enough_for_differences_and_three_are_not(tmp_path: Path) -> None:
    codecs = [Dial(), *(Blocks(s) for s in Blocks.ladder)]
    assert outcome(tmp_path, codecs, [0.4, 0.8, 1.6], anchors=["dial"]).plan.config.anchors == ()
    assert outcome(tmp_path, codecs, [0.4, 0.8, 1.6, 3.2], anchors=["dial"]).plan.config.anchors == ("dial",)


@pytest.mark.parametrize("target", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_rate_is_refused(target: float) -> None:
    with pytest.raises(UsageError, match="bits per pixel above 0"):
        configure("detection", Squares(), [Blocks(4)], [FindSquares()], match_bpp=[0.5, target])


def test_the_command_line_and_python_take_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--dataset",
        "squares",
        "--head",
        "squares",
        "--codec",
        "blocks",
        "--quiet",
        "--workers",
        "1",
        "--resamples",
        "0",
    ]
    words += ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run"), "--match-bpp", "0.47", "1.7"]
    assert main([*words, "--dry-run"]) == 0
    assert "those at 0.47, 1.7 bpp will be searched for" in capsys.readouterr().out
    assert main([*words, "--table", "full"]) == 0
    assert "Matched to " in capsys.readouterr().out
    config = benchmarks.configure("detection", Squares(), [Blocks(4)], [FindSquares()], match_bpp=[0.47])
    outcome = benchmarks.run_config(config, cache=tmp_path / "cache", executor=Inline())
    (matched,) = [row for row in outcome.comparison_rows if row.kind == "matched_rate"]
    assert (matched.codec, matched.at_bpp, matched.status) == ("blocks", 0.47, "ok")
    options = {"match_bpp": [0.47], "cache": tmp_path / "cache", "executor": Inline()}
    scores = benchmarks.evaluate("detection", Squares(), [Blocks(4)], [FindSquares()], **options).scores
    rates = scores[(scores["metric"] == "bpp") & (scores["codec"] == "blocks")]
    assert list(rates["value"]) == [matched.value] == [pytest.approx(0.47, rel=0.05)]
