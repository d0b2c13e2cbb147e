"""Metrics that a user adds to a task's own: ``--metric NAME`` and ``metrics=[...]``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.api import METRICS, Metric, Task
from benchmarks.stats.metric_facts import STREAM_FACTS
from hsc.errors import UsageError
from hsc.registry import parse_spec


def added_metrics(metrics: Sequence[str | Metric], task: Task, heads: Iterable[Any]) -> tuple[Metric, ...]:
    """The metrics built, without those that the task has already and without repetitions.

    heads: of the run; each metric must score what one of them predicts.

    Raises:
        UsageError: a name or argument is unknown, no head gives what the metric scores, or two metrics give a score of
        the same name.
    """
    own = [METRICS.build(name) for name in task.metrics]
    outputs = {head.output for head in heads}
    added: list[Metric] = []
    for item in metrics:
        metric = METRICS.build(parse_spec(item)) if isinstance(item, str) else item
        if metric in own or metric in added:
            continue
        label = str(METRICS.spec(metric))
        if metric.output not in outputs:
            given = " and ".join(sorted(output.__name__ for output in outputs))
            raise UsageError(
                f"the metric {label} scores {metric.output.__name__}, the heads of this run give {given}; take the "
                f"metric away, or name a head that gives {metric.output.__name__}"
            )
        rivals = [other for other in (*own, *added) if other.output is metric.output]
        taken = {*STREAM_FACTS, *(name for other in rivals for name in other.facts)}
        if clash := sorted(taken & set(metric.facts)):
            raise UsageError(
                f"the metric {label} gives the score {clash[0]!r}, which this run has already; a run needs a name of "
                f"its own for each score"
            )
        added.append(metric)
    return tuple(added)
