"""The times of results that the store has, under the conditions of a plan; times of two kinds of machine never mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmarks.harness.cache import Store
from benchmarks.harness.conditions import Conditions
from benchmarks.harness.plan import Cell, Plan


@dataclass
class KindTimes:
    """Times that one kind of machine took. seconds: by key. hosts: those of the kind that took them."""

    kind: Conditions
    seconds: dict[str, float] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        """The conditions, with the hosts named."""
        hosts = sorted(self.hosts)
        if len(hosts) == 1:
            return str(replace(self.kind, host=hosts[0]))
        return f"{str(self.kind).rsplit('; ', 1)[0]}; hosts {', '.join(hosts)}"


def times_by_kind(plan: Plan, cell: Cell, store: Store, kind: str, keys: Sequence[str]) -> list[KindTimes]:
    """The known times of these keys of a cell, a kind of machine each, in the same order for all keys; empty where a
    plan has no times. A run on one machine has one kind at most, its own.

    kind: as in ``Store.times``.
    """
    known: dict[Conditions, KindTimes] = {}
    wanted = plan.conditions
    if wanted and cell.coded_apart and kind in ("encode_s", "decode_s"):
        wanted = replace(wanted, device="cpu")
    for conditions in store.conditions_alike(wanted) if wanted else ():
        if seconds := store.times(kind, keys, conditions):
            of_kind = known.setdefault(conditions.kind, KindTimes(conditions.kind))
            of_kind.seconds = {**seconds, **of_kind.seconds}
            of_kind.hosts.add(conditions.host)
    return sorted(known.values(), key=lambda times: str(times.kind))
