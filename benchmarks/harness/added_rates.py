"""Rate definitions that a user adds to ``bpp``: ``--rate SPEC`` and ``rates=[...]``."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.api import RATES, RateDefinition
from benchmarks.stats.metric_facts import STREAM_FACTS
from hsc.errors import UsageError
from hsc.registry import parse_spec


def added_rates(rates: Sequence[str | RateDefinition]) -> tuple[RateDefinition, ...]:
    """The definitions built, without repetitions and without that of ``bpp``, which every run has.

    Raises:
        UsageError: a name or argument is unknown, two definitions would fill one column, or one would fill a column
            of which nothing is known.
    """
    added: dict[str, RateDefinition] = {}
    for item in rates:
        definition = RATES.build(parse_spec(item)) if isinstance(item, str) else item
        if definition.metric == "bpp":
            continue
        if definition.metric not in STREAM_FACTS:
            known = ", ".join(name for name in STREAM_FACTS if name.startswith("bpp_"))
            raise UsageError(
                f"the rate {RATES.spec(definition)} fills {definition.metric} in scores.csv, of which nothing is "
                f"known; expected one of {known}"
            )
        other = added.setdefault(definition.metric, definition)
        if other != definition:
            raise UsageError(
                f"the rates {RATES.spec(other)} and {RATES.spec(definition)} both fill {definition.metric} in "
                f"scores.csv; name one of them in a run"
            )
    return tuple(added.values())
