"""The sentences below a run's tables: verdicts, the noise floor, what was matched, refused or is missing, and notes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, get_args

import pandas as pd

from benchmarks.api import Comparison, MetricFacts
from benchmarks.runs.comparison_tables import of_kinds
from benchmarks.runs.domains import head_title
from benchmarks.runs.number_texts import RATE_KINDS, difference_text, difference_title, score_text
from benchmarks.runs.results import Results
from benchmarks.runs.verdicts import Verdict, verdict_of
from benchmarks.runs.wide_table import REFERENCE
from benchmarks.stats.bootstrap import why_no_interval
from benchmarks.stats.metric_facts import TIMES
from benchmarks.stats.noise_floor import second_label

Item = TypeVar("Item")
Key = TypeVar("Key")

_RATES_AND_TIMES = (
    "Rates are of whole files, headers included; times are medians over images in seconds, on one thread. "
    "In the compressed domain decoding ends at the latents, and no image is made."
)
_CONSISTENCY = "Agreement is AP or mIoU against the head's own predictions on the originals: consistency, not accuracy."
_PSEUDO_LABELS = (
    "Pseudo-labels: the data set has no labels, and each head's own predictions on the originals stand in for them. "
    "Scores tell how much coding changes a head's answers, not how right these are."
)
_INTERVALS = "In brackets: the middle 95 % of the resamples of the images, the same resamples for all codecs."
LOCAL = "Refused curves are read on the line between the two points beside the rate."
"""How scores at a rate are read where no Bjontegaard curve stands for the points."""
_OVERLAPS = (
    "In braces: the overlap of the two curves, in percent of the codec's own range and of the anchor's own range."
)


def failed_cells(scores: pd.DataFrame) -> list[str]:
    """A line for each cell without a number because it failed or was not measured: codec, point, head, reason."""
    failed = scores[scores["status"].isin(("failed", "missing"))]
    lines = (f"{' '.join(f'{r.codec} {r.point} {r.head}'.split())}: {r.reason}" for r in failed.itertuples())
    return list(dict.fromkeys(lines))


def verdicts(results: Results) -> list[str]:
    """A sentence for each head, score and anchor with any interval: the verdict on each codec.

    It rests on BD-rate, or on BD-metric where BD-rate has no interval; codecs without either number are left out.
    """
    compared = of_kinds(results, "bd_rate", "bd_metric")
    sentences = []
    of_reader = _grouped(compared, lambda c: (c.head, c.route))
    by_anchor = _grouped(compared, lambda c: (c.head, c.route, c.metric, c.anchor))
    for (head, route, metric, anchor), group in by_anchor.items():
        facts = results.facts_of(metric)
        codecs: dict[Verdict, list[str]] = {word: [] for word in get_args(Verdict)}
        for codec, comparisons in _grouped(group, lambda c: c.codec).items():
            kinds = {comparison.kind: comparison for comparison in comparisons}
            if word := verdict_of(kinds.get("bd_rate"), kinds.get("bd_metric"), facts):
                codecs[word].append(codec)
        if not any(names for word, names in codecs.items() if word != "no interval"):
            continue
        text = "; ".join(f"{word}: {', '.join(names)}" for word, names in codecs.items() if names)
        several = len({comparison.metric for comparison in of_reader[head, route]}) > 1
        score = f", {facts.title}" if several else ""
        title = head_title(results.scores, head, route)
        sentences.append(f"Verdict (95 % CI), {title}{score} against {anchor}: {text}.")
    return sentences


def noise_floor(results: Results) -> list[str]:
    """The Bjontegaard differences of a codec from itself, a sentence a head; or that they were not measured. None of a
    run without anchors.
    """
    if (results.comparisons["anchor"] == "").all():
        return []
    floors = of_kinds(results, "noise_floor_rate", "noise_floor_metric")
    sentences = []
    for (head, route, codec), group in _grouped(floors, lambda c: (c.head, c.route, c.codec)).items():
        numbers = "; ".join(
            f"{difference_title(comparison, facts)}: {difference_text(comparison, facts)}"
            for comparison in group
            for facts in (results.facts_of(comparison.metric),)
        )
        title = head_title(results.scores, head, route)
        sentences.append(
            f"Noise floor, {title}: {codec} against itself, on a second ladder between the points of the first, where "
            f"the true difference is 0: {numbers}."
        )
    return sentences or [
        "Noise floor: not measured (turned off, or the last anchor has too few points to put four between them)."
    ]


def at_rates(results: Results) -> list[str]:
    """Scores at common rates where a Bjontegaard difference is refused, a sentence a head, score, codec and anchor."""
    comparisons = of_kinds(results, "difference_at_rate")
    sentences = []
    by_anchor = _grouped(comparisons, lambda c: (c.head, c.route, c.metric, c.codec, c.anchor))
    for (head, route, metric, codec, anchor), group in by_anchor.items():
        facts = results.facts_of(metric)
        texts = "; ".join(f"at {c.at_bpp:.4f} bpp: {_both_scores(c, facts)}" for c in group)
        local = f" {LOCAL}" if any(c.method == "local" for c in group) else ""
        title = head_title(results.scores, head, route)
        sentences.append(f"{title}, {codec} against {anchor}, {facts.title} {texts}.{local}")
    return sentences


def _both_scores(comparison: Comparison, facts: MetricFacts) -> str:
    """A codec's score at a rate, the anchor's, and the difference; or the reason why there is none."""
    if comparison.status != "ok":
        return difference_text(comparison, facts)
    scores = (_with_unit(score, facts) for score in (comparison.codec_score, comparison.other_score))
    return f"{' against '.join(scores)}, {difference_text(comparison, facts)}"


def _with_unit(score: float, facts: MetricFacts) -> str:
    unit = "%" if facts.percent else "" if facts.unit in ("", "1") else f" {facts.unit}"
    return score_text(score, facts) + unit


def refused(results: Results) -> list[str]:
    """A sentence for each Bjontegaard difference with resamples that gave no number."""
    sentences = []
    for comparison in of_kinds(results, "bd_rate", "bd_metric", "noise_floor_rate", "noise_floor_metric"):
        if not comparison.refused:
            continue
        facts = results.facts_of(comparison.metric)
        factor, unit = (1.0, " %") if comparison.kind in RATE_KINDS else (facts.factor, "")
        ends = (comparison.valued_low, comparison.valued_high)
        span = " to ".join(f"{factor * end:+.4g}" for end in ends)
        others = "" if math.isnan(ends[0]) else f", the others give {span}{unit}"
        anchor = "itself" if comparison.anchor == comparison.codec else comparison.anchor
        sentences.append(
            f"{head_title(results.scores, comparison.head, comparison.route)}, {comparison.codec} against {anchor}, "
            f"{difference_title(comparison, facts)}: {comparison.refused} of {comparison.resamples} resamples refused"
            f"{others}."
        )
    return sentences


def matched(results: Results) -> list[str]:
    """The rates that a search found for the targets of ``--match-bpp``, a sentence a target."""
    reached = [comparison for comparison in of_kinds(results, "matched_rate") if comparison.status == "ok"]
    return [
        f"Matched to {target:g} bpp: "
        + "; ".join(f"{c.codec} {c.point} takes {c.value:.4f} ({c.value / target - 1:+.1%})" for c in group)
        + "."
        for target, group in _grouped(reached, lambda c: c.at_bpp).items()
    ]


def too_little(scores: pd.DataFrame) -> list[str]:
    """A sentence for each reason why scores have no interval although they have a value, with the heads it holds for.

    scores: those of a run, or some of them.
    """
    bare = scores[(scores["status"] == "ok") & scores["low"].isna() & ~scores["metric"].isin(TIMES)]
    bare = bare[bare["reason"] != ""]
    reasons = {str(reason): list(dict.fromkeys(group["head"])) for reason, group in bare.groupby("reason", sort=False)}
    if not reasons and len(scores) and (reason := why_no_interval(int(scores["images"].max()))):
        reasons = {reason: [""]}
    return [_no_interval(reason, heads) for reason, heads in reasons.items()]


def _no_interval(reason: str, heads: Sequence[str]) -> str:
    scope = "" if "" in heads else f" for {', '.join(heads)}"
    return f"No interval, no verdict and nothing in bold{scope}: {reason}."


def times(scores: pd.DataFrame) -> list[str]:
    """The conditions under which times were taken; nothing for runs made before they were kept."""
    timed = scores[scores["metric"].isin(TIMES) & (scores["status"] == "ok") & (scores["reason"] != "")]
    return [f"Times: {conditions}." for conditions in dict.fromkeys(timed["reason"])]


def missing(results: Results) -> list[str]:
    """The rate of the source files, and each operating point or matched rate without a number, with the reason."""
    scores = results.scores
    source_rates = scores[scores["metric"] == "source_bpp"]["value"]
    notes = [
        f"The originals came as files of {bpp:.3f} bpp; where those are JPEGs (as COCO's are), no row here is truly "
        f"uncompressed."
        for bpp in source_rates
    ]
    rows = [
        (r.status, r.head, second_label(r.codec) if r.ladder else r.codec, r.point, r.reason)
        for r in scores[scores["status"] != "ok"].itertuples()
    ]
    rows += [(c.status, "", c.codec, "", c.reason) for c in of_kinds(results, "matched_rate") if c.status != "ok"]
    lines = (
        " ".join(f"{status}: {head} {codec} {point}".split()) + f": {why}" for status, head, codec, point, why in rows
    )
    return [*notes, *dict.fromkeys(lines)]


def legend(results: Results) -> list[str]:
    """How to read the tables: percent, direction, times, brackets and braces, as far as they occur."""
    bd = results.comparisons["kind"].isin(("bd_rate", "bd_metric")).any()
    return [
        *_units(results),
        *times(results.scores),
        *([_CONSISTENCY] if (results.scores["regime"] == REFERENCE).any() else []),
        *([_PSEUDO_LABELS] if results.scores["dataset"].str.endswith("(pseudo-labels)").any() else []),
        *([_INTERVALS] if results.scores["low"].notna().any() or results.comparisons["low"].notna().any() else []),
        *([_OVERLAPS] if bd else []),
    ]


def _units(results: Results) -> list[str]:
    """Which scores are in percent, and of which less is better."""
    scored = set(results.scores.loc[results.scores["head"] != "", "metric"])
    facts = [results.facts_of(name) for name in results.columns if name in scored]
    plain = ", ".join(score.title for score in facts if not score.percent)
    lower = ", ".join(score.title for score in facts if not score.higher_is_better)
    percent = "" if facts and not any(score.percent for score in facts) else "Scores in percent. "
    exceptions = [f"Not in percent: {plain}."] if plain and percent else []
    exceptions += [f"Lower is better: {lower}."] if lower else []
    return [percent + _RATES_AND_TIMES, *([" ".join(exceptions)] if exceptions else [])]


def _grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Items by a key, keys in the order they come."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
