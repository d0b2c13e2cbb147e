"""Facts of the numbers in a run's tables: those of the harness itself, and those that metrics bring with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from benchmarks.api import Metric, MetricFacts

Facts = Mapping[str, MetricFacts]
"""By name of a score."""

_SECONDS = MetricFacts(high=math.inf, higher_is_better=False, unit="s", percent=False, digits=4)
_RATE = MetricFacts(high=math.inf, higher_is_better=False, unit="bit/pixel", percent=False, title="bpp", digits=4)
_BYTES = MetricFacts(high=math.inf, higher_is_better=False, unit="byte", percent=False, title="bytes/image", digits=0)

STREAM_FACTS: Facts = {
    "bpp": _RATE,
    "source_bpp": replace(_RATE, title="source bpp"),
    "size_bytes": _BYTES,
    "size_kb": replace(_BYTES, unit="kB", title="kB/image", digits=2),
    "psnr": MetricFacts(high=math.inf, unit="dB", percent=False, title="PSNR", digits=2),
    "encode_s": replace(_SECONDS, title="encode s"),
    "decode_s": replace(_SECONDS, title="decode s"),
    "head_s": replace(_SECONDS, title="head s"),
}
"""Of what the harness measures itself: rates (``size_kb`` stands in tables alone), PSNR and times."""
TIMES = ("encode_s", "decode_s", "head_s")
"""The scores that are times."""


def facts_of(facts: Facts, score: str) -> MetricFacts:
    """The facts of a score: a metric's, else the harness's own; a score that nobody declared reads as 0 to 1.

    >>> facts_of({}, "bpp").title, facts_of({}, "lpips_vgg").title
    ('bpp', 'lpips_vgg')
    """
    known = facts.get(score) or STREAM_FACTS.get(score) or MetricFacts()
    return known if known.title else replace(known, title=score)


def facts_of_metrics(metrics: Iterable[Metric]) -> dict[str, MetricFacts]:
    """The facts of all scores of several metrics; the first that declares a score decides."""
    together: dict[str, MetricFacts] = {}
    for metric in metrics:
        together = {**metric.facts, **together}
    return together


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
            "low": one.low if math.isfinite(one.low) else None,
            "high": one.high if math.isfinite(one.high) else None,
            "higher_is_better": one.higher_is_better,
            "unit": one.unit,
            "percent": one.percent,
            "title": one.title,
            "digits": one.digits,
            "main": one.main,
        }
        for name, one in facts.items()
    }
