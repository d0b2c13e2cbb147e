"""Facts of the scores in a run's tables: of those the harness measures itself, and of those that metrics declare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from benchmarks.api import Metric, MetricFacts
from hsc.errors import PluginError

Facts = Mapping[str, MetricFacts]
"""The facts of each score, by its name."""

_SECONDS = MetricFacts(high=math.inf, higher_is_better=False, unit="s", percent=False, digits=4)
_RATE = MetricFacts(high=math.inf, higher_is_better=False, unit="bit/pixel", percent=False, title="bpp", digits=4)
_BYTES = MetricFacts(high=math.inf, higher_is_better=False, unit="byte", percent=False, title="bytes/image", digits=0)

STREAM_FACTS: Facts = {
    "bpp": _RATE,
    "source_bpp": replace(_RATE, title="source bpp"),
    "bpp_enlarged": replace(_RATE, title="bpp, enlarged"),
    "bpp_centre_crop": replace(_RATE, title="bpp, centre crop"),
    "size_bytes": _BYTES,
    "size_kb": replace(_BYTES, unit="kB", title="kB/image", digits=2),
    "psnr": MetricFacts(high=math.inf, unit="dB", percent=False, title="PSNR", digits=2),
    "encode_s": replace(_SECONDS, title="encode s"),
    "decode_s": replace(_SECONDS, title="decode s"),
    "head_s": replace(_SECONDS, title="head s"),
}
"""Rates, PSNR and times, which the harness measures itself; ``size_kb`` is a column of tables alone."""
TIMES = ("encode_s", "decode_s", "head_s")
"""The scores that are times."""


def facts_of(facts: Facts, score: str) -> MetricFacts:
    """The facts of a score, with a title: a metric's, else the harness's own; an undeclared score counts as 0 to 1.

    >>> facts_of({}, "bpp").title, facts_of({}, "lpips_vgg").title
    ('bpp', 'lpips_vgg')
    """
    known = facts.get(score) or STREAM_FACTS.get(score) or MetricFacts()
    return known if known.title else replace(known, title=score)


def facts_of_metrics(metrics: Iterable[Metric | type[Metric]]) -> dict[str, MetricFacts]:
    """The facts of all scores of several metrics, in their order; the first that declares a score decides."""
    facts: dict[str, MetricFacts] = {}
    for metric in metrics:
        facts |= {name: score for name, score in metric.facts.items() if name not in facts}
    return facts


def main_score(metric: Metric | type[Metric]) -> str:
    """The name of the score that stands for a metric.

    Raises:
        PluginError: it declares none, or several.
    """
    names = [name for name, facts in metric.facts.items() if facts.main]
    if len(names) != 1:
        raise PluginError(
            f"the metric {metric.__class__.__name__} has {len(names)} main scores ({', '.join(names)}), expected one: "
            f"declare one of its facts with main=True"
        )
    return names[0]


def axis_title(facts: MetricFacts) -> str:
    """A score's title with its unit: "PSNR [dB]", "AP [%]"; the plain title where it has neither.

    >>> axis_title(MetricFacts(title="AP")), axis_title(MetricFacts(title="FID", percent=False))
    ('AP [%]', 'FID')
    """
    unit = "%" if facts.percent else "" if facts.unit in ("", "1") else facts.unit
    return f"{facts.title} [{unit}]" if unit else facts.title


def plain_facts(facts: Facts) -> dict[str, dict[str, object]]:
    """Facts as JSON-ready values, infinite bounds as None."""
    return {
        name: {
            "low": score.low if math.isfinite(score.low) else None,
            "high": score.high if math.isfinite(score.high) else None,
            "higher_is_better": score.higher_is_better,
            "unit": score.unit,
            "percent": score.percent,
            "title": score.title,
            "digits": score.digits,
            "main": score.main,
        }
        for name, score in facts.items()
    }
