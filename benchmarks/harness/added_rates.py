"""Rate definitions that a user adds to ``bpp``: ``--rate SPEC`` and ``rates=[...]``."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.api import RATES, RateDefinition
from hsc.errors import UsageError
from hsc.registry import parse_spec


def added_rates(rates: Sequence[str | RateDefinition]) -> tuple[RateDefinition, ...]:
    """The definitions built, without repetitions and without that of ``bpp``, which every run has.

    Raises:
        UsageError: a name or argument is unknown, or two definitions would fill one column.
    """
    added: dict[str, RateDefinition] = {}
    for item in rates:
        definition = RATES.build(parse_spec(item)) if isinstance(item, str) else item
        if definition.metric == "bpp":
            continue
        other = added.setdefault(definition.metric, definition)
        if other != definition:
            raise UsageError(
                f"the rates {RATES.spec(other)} and {RATES.spec(definition)} both fill {definition.metric} in "
                f"scores.csv; name one of them in a run"
            )
    return tuple(added.values())
