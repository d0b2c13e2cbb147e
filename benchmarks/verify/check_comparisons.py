"""``comparisons.csv``, computed again from the rates and scores in ``scores.csv``.

    scores.csv --Design--> Bjontegaard differences, leads, heads apart --compared with--> comparisons.csv

Intervals would need every prediction; whether they are possible is checked. A search for matched rates would need every
stream that it tried; its outcome is compared with the rates of the points that it names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence

from benchmarks.api import Comparison
from benchmarks.harness.rate_search import TOLERANCE
from benchmarks.runs.consistency import comparison_key, comparison_mismatches
from benchmarks.runs.merge import no_interval
from benchmarks.runs.merged_description import NAME as MERGED
from benchmarks.runs.run_folder import Run
from benchmarks.stats.bd_comparison import differences
from benchmarks.stats.bootstrap import TAIL, Bootstrap
from benchmarks.stats.codec_comparison import leads
from benchmarks.stats.head_comparison import heads_apart
from benchmarks.verify.check_scores import common_mismatches
from benchmarks.verify.intervals import MIN_RESAMPLES, distance, torn
from benchmarks.verify.rounding import near
from benchmarks.verify.verdict import Verdict, verdicts
from hsc.errors import HscError

_ABOUT = "comparisons"
_TEXTS = ("regime", "unit", "method", "reason", "task", "dataset", "split", "seed", "images")
_NUMBERS = ("value", "codec_score", "other_score", "overlap_test", "overlap_anchor", "at_bpp")


def named(row: Comparison) -> str:
    """A comparison as messages name it: kind, metric, codec, what it is compared with, rate and head."""
    codec = f" of {row.codec} {row.point}".rstrip() if row.codec else ""
    others = [name for name in (row.anchor, " ".join(f"{row.other} {row.other_route}".split())) if name]
    against = f" against {' and '.join(others)}" if others else ""
    rate = "" if math.isnan(row.at_bpp) else f" at {row.at_bpp:g} bpp"
    return f"{row.kind} ({row.metric}){codec}{against}{rate}" + (f", head {row.head} {row.route}," if row.head else "")


def check_comparisons(run: Run) -> Iterator[Verdict]:
    """Every comparison follows from the scores, stands once, and has an interval that is possible."""
    rows = run.comparison_rows
    wrong = [f"{named(row)} has {mismatch}" for row, mismatch in common_mismatches(run, rows)]
    wrong += comparison_mismatches(run.about, run.comparisons)
    counts = Counter(map(comparison_key, rows))
    first = {comparison_key(row): row for row in reversed(rows)}
    wrong += [f"{named(first[key])} stands {n} times in comparisons.csv" for key, n in counts.items() if n > 1]
    wrong += _wrong_matches(run)
    try:
        computed = {comparison_key(row): row for row in computed_again(run)}
    except HscError as error:
        yield from (Verdict("fail", _ABOUT, text) for text in dict.fromkeys(wrong))
        yield Verdict("skipped", _ABOUT, str(error))
        return
    recorded = {comparison_key(row): row for row in rows if row.kind != "matched_rate"}
    wrong += [f"{named(computed[key])} is not in comparisons.csv" for key in computed.keys() - recorded.keys()]
    wrong += [
        f"{named(recorded[key])} is in comparisons.csv, and the scores give no such number"
        for key in recorded.keys() - computed.keys()
    ]
    reasons = _between_runs(run)
    for key in recorded.keys() & computed.keys():
        row = recorded[key]
        reason = reasons.get((row.head, row.route), "") if row.status == "ok" and math.isnan(row.low) else ""
        wrong += _wrong_number(row, computed[key], {reason} - {""})
    right = f"{len(recorded)} Bjontegaard numbers, leads and differences follow from the rates and scores"
    yield from verdicts(_ABOUT, sorted(dict.fromkeys(wrong)), right)
    yield from _intervals(run, rows)


def computed_again(run: Run) -> list[Comparison]:
    """The comparisons that the scores of a run give, without intervals.

    Raises:
        HscError: an anchor is none of the run's.
    """
    given = run.design, run.score_rows, Bootstrap(len(run.images), 0, 0)
    matched = [row for row in run.comparison_rows if row.kind == "matched_rate"]
    return [*differences(*given), *leads(*given, matched), *heads_apart(*given)]


def _between_runs(run: Run) -> dict[tuple[str, str], str]:
    """Why comparisons between merged runs have no interval, by head and route."""
    reasons = run.about.get(MERGED, {}).get("no_interval", ())
    return {(one["head"], one["route"]): no_interval(one["reason"]) for one in reasons}


def _wrong_number(recorded: Comparison, computed: Comparison, allowed: Container[str]) -> Iterator[str]:
    """The first column in which a recorded comparison is not the computed one. allowed: reasons that it may have where
    it has a value and no interval.
    """
    if recorded.status != computed.status:
        reason = f": {computed.reason}" if computed.reason else ""
        yield f"{named(recorded)} is {recorded.status}, the scores give {computed.status}{reason}"
        return
    for column in _TEXTS:
        written, expected = getattr(recorded, column), getattr(computed, column)
        if written != expected and not (column == "reason" and written in allowed):
            yield f"{named(recorded)} has the {column} {written!r}, the scores give {expected!r}"
            return
    for column in _NUMBERS:
        number, again = getattr(recorded, column), getattr(computed, column)
        if not near(number, again):
            which = "" if column == "value" else f" {column}"
            yield f"{named(recorded)} has the{which} value {number:+.6g}, the scores give {again:+.6g}"
            return


def _wrong_matches(run: Run) -> Iterator[str]:
    """Outcomes of a search for rates that the rates of its points contradict."""
    rates = {
        (row.codec, row.point): row.value
        for row in run.score_rows
        if row.metric == "bpp" and not row.ladder and row.status == "ok"
    }
    targets = set(run.about.get("match_bpp", ()))
    for row in (row for row in run.comparison_rows if row.kind == "matched_rate"):
        reached = abs(row.value / row.at_bpp - 1) <= TOLERANCE if row.at_bpp > 0 else False
        if row.at_bpp not in targets:
            yield f"{named(row)} is in comparisons.csv, run.json has no such rate to match"
        elif reached != (row.status == "ok"):
            yield f"{named(row)} is {row.status} with {row.value:.6g} bpp, {TOLERANCE:.0%} off are allowed"
        elif row.status == "ok" and not near(row.value, rates.get((row.codec, row.point), math.nan)):
            rate = rates.get((row.codec, row.point))
            given = "no rate" if rate is None else f"{rate:.6g}"
            yield f"{named(row)} is {row.value:.6g}, the point has {given} in scores.csv"
        elif row.status != "ok" and not row.reason:
            yield f"{named(row)} is {row.status} and has no reason"


def _intervals(run: Run, rows: Sequence[Comparison]) -> Iterator[Verdict]:
    """Whether each interval is possible.

    Differences are read off fitted curves, or from the best of several, and may be biased on a resample, but by no more
    than the whole spread; within that, they are noted.
    """
    wrong: list[str] = []
    notes: list[str] = []
    count = 0
    enough = run.about["resamples"] >= MIN_RESAMPLES
    for row in rows:
        if text := _impossible(run, row):
            wrong.append(f"{named(row)} {text}")
        elif not math.isnan(row.low):
            count += 1
            if (outside := distance(row.value, row.low, row.high)) > 0:
                far = enough and outside > row.high - row.low
                text = f"is {row.value:.6g}, its own interval goes from {row.low:.6g} to {row.high:.6g}"
                (wrong if far else notes).append(f"{named(row)} {text}")
    yield from verdicts("intervals", wrong, f"{count} comparisons lie in their own intervals")
    for text in notes:
        yield Verdict("note", "intervals", text)


def _impossible(run: Run, row: Comparison) -> str:
    """What is impossible in an interval or its resamples; empty where nothing is."""
    if torn(row.low, row.high):
        return f"has an interval from {row.low:g} to {row.high:g}"
    if torn(row.valued_low, row.valued_high):
        return f"has an interval from {row.valued_low:g} to {row.valued_high:g} of the resamples with a number"
    if row.status != "ok" and not (math.isnan(row.value) and math.isnan(row.low)) and row.kind != "matched_rate":
        return f"is {row.status} and has the value {row.value:g}"
    if row.status != "ok" and not row.reason:
        return f"is {row.status} and has no reason"
    if row.resamples not in (0, run.about["resamples"]):
        return f"is over {row.resamples} resamples, run.json has {run.about['resamples']}"
    if not row.refused and not math.isnan(row.valued_low):
        return "has an interval of the resamples with a number, and none was refused"
    expected = row.refused <= int(TAIL * row.resamples + 1e-9) and row.resamples > 0
    if expected == math.isnan(row.low):
        has = "no interval" if expected else "an interval"
        return f"has {has} with {row.refused} of {row.resamples} resamples refused"
    return ""
