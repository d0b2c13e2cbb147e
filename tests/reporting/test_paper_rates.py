"""The table at equal rates: a dash means one thing, a refusal has its reason, and nothing is bold beside one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from paper_testkit import FROZEN, ODD, Numbers, numbers_of, write_run

from benchmarks.api import Comparison
from benchmarks.reporting.paper.group import groups
from benchmarks.reporting.paper.rates import rates_table
from benchmarks.runs.run_folder import load

REASON = "the codec's curve has a point without a value beside this rate"

Change = Callable[[Comparison], Comparison | None]


def table(tmp_path: Path, change: Change) -> str:
    """The table of the kit's run, its comparisons changed; those for which ``change`` gives None go."""
    numbers = numbers_of("detection", (FROZEN,), lead=0.03)
    kept = [changed for row in numbers.comparisons if (changed := change(row))]
    run = load(write_run(tmp_path / "run", Numbers(numbers.scores, kept)))
    return rates_table(groups([run])[0]) or ""


def cells(text: str, codec: str) -> list[str]:
    """The cells of a codec in the table's first block."""
    line = next(line for line in text.split("\n") if line.startswith(f"{codec} & "))
    return line.removesuffix(r" \\").split(" & ")[1:]


def at(row: Comparison, codec: str, bpp: float) -> bool:
    return row.kind == "score_at_rate" and row.codec == codec and row.at_bpp == bpp


def test_without_refusals_and_readings_of_other_kinds_there_is_no_symbol(tmp_path: Path) -> None:
    text = table(tmp_path, lambda row: row)
    assert text.count(r"\textbf{40.0}") == 6
    for symbol in ("n/a:", "A dash", r"\dag", r"\ddag", "& -- "):
        assert symbol not in text


def test_a_refused_score_is_na_with_its_reason_and_its_column_has_no_bold(tmp_path: Path) -> None:
    def refuse(row: Comparison) -> Comparison | None:
        if at(row, ODD, 0.2):
            return replace(row, value=math.nan, low=math.nan, high=math.nan, status="n/a", method="", reason=REASON)
        return None if row.kind == "lead_at_rate" and row.at_bpp == 0.2 and row.other == ODD else row

    text = table(tmp_path, refuse)
    assert text.count(r"\textbf{40.0}") == 5
    assert r"\textbf" not in cells(text, "good")[1]
    assert r"\textbf{40.0}" in cells(text, "good")[0]
    assert re.search(r"^odd.*n/a\\textsuperscript\{1\}", text, re.MULTILINE)
    assert rf"\textsuperscript{{1}} {REASON}.\par" in text
    assert "n/a: no value, for the reason below." in text
    assert "A dash" not in text


def test_a_dash_is_a_rate_beyond_the_curve_and_nothing_else(tmp_path: Path) -> None:
    """At 1.8 bpp only good and plain have a score: odd's last point has 1.6 bpp."""
    far = [
        replace(row, at_bpp=1.8)
        for row in numbers_of("detection", (FROZEN,), lead=0.03).comparisons
        if row.at_bpp == 1.5 and row.kind in ("score_at_rate", "lead_at_rate") and ODD not in (row.codec, row.other)
    ]
    numbers = numbers_of("detection", (FROZEN,), lead=0.03)
    run = load(write_run(tmp_path / "run", replace(numbers, comparisons=[*numbers.comparisons, *far])))
    text = rates_table(groups([run])[0]) or ""
    second = text.split(r"\toprule")[2]
    assert re.search(r"^odd.* & -- ", second, re.MULTILINE)
    assert r"\textbf{40.0}" in cells(second, "good")[1]  # a codec that does not reach the rate is no rival there
    assert "A dash: the codec's curve does not reach the rate." in text
    assert "n/a" not in text.split(r"\toprule", 1)[1]


def test_a_curve_that_spans_a_rate_and_was_never_read_there_is_no_dash(tmp_path: Path) -> None:
    """So are folders that were written before curves were read between their points."""

    def lose(row: Comparison) -> Comparison | None:
        return None if row.at_bpp == 0.2 and ODD in (row.codec, row.other) else row

    text = table(tmp_path, lose)
    assert "--" not in cells(text, "plain")[1]
    assert re.search(r"^odd.*n/a\\textsuperscript\{1\}", text, re.MULTILINE)
    assert "run its command again" in text
    assert r"\textbf" not in cells(text, "good")[1]


@pytest.mark.parametrize(("method", "mark", "words"), [("fit", r"\dag", "A curve dips"), ("local", r"\ddag", "neighb")])
def test_readings_of_other_kinds_are_marked_and_explained(tmp_path: Path, method: str, mark: str, words: str) -> None:
    text = table(tmp_path, lambda row: replace(row, method=method) if at(row, "plain", 0.5) else row)
    assert cells(text, "plain")[2].endswith(rf"\textsuperscript{{{mark}}}")
    caption = text[: text.index(r"\begin{tabular}")]
    assert rf"\textsuperscript{{{mark}}}" in caption
    assert words in caption
    assert text.count(mark) == 2


def test_a_rate_that_no_search_matched_has_its_reason(tmp_path: Path) -> None:
    numbers = numbers_of("detection", (FROZEN,), lead=0.03)
    blank = Comparison("matched_rate", "detection", "squares", "test", "bpp", unit="bit/pixel", images=12)
    matched = [replace(blank, codec=codec, point="q=2", at_bpp=0.2, value=0.2) for codec in ("good", "plain")]
    missed = replace(blank, codec=ODD, at_bpp=0.2, status="n/a", reason="no point within 5 % of 0.2 bpp")
    read = [
        replace(row, point="q=2", method="")
        for row in numbers.comparisons
        if row.at_bpp == 0.2 and row.kind in ("score_at_rate", "lead_at_rate") and ODD not in (row.codec, row.other)
    ]
    run = load(write_run(tmp_path / "run", replace(numbers, comparisons=[*read, *matched, missed]), match_bpp=[0.2]))
    text = rates_table(groups([run])[0]) or ""
    assert "no point within 5 \\% of 0.2 bpp" in text
    assert re.search(r"^odd.*n/a\\textsuperscript\{1\}", text, re.MULTILINE)
    assert "At 0.2 bpp the files take 0.2000 to 0.2000 bpp." in text
    assert r"\textbf{40.0}" not in text
