"""The numbers of a run as tables, whether it has just ended or was read back from its folder."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from benchmarks.api import Comparison, MetricFacts, ScoreRow
from benchmarks.runs.rows import frame
from benchmarks.stats.design import compared_metrics
from benchmarks.stats.metric_facts import Facts, facts_of


@dataclass(frozen=True)
class Results:
    """A run's scores and comparisons, and what is needed to show them.

    scores, comparisons: one number a line, the columns of ``ScoreRow`` and ``Comparison``. columns: the scores that
    tables show, the main one first. main_metric: the task's own. facts: of each score. added: the main scores of
    metrics that were added to the task's own; they are among the columns, and are drawn and compared beside a head's
    main score. names: those that codecs and heads were given for people to read, by label; ``displayed`` in
    ``display_names`` puts them in.
    """

    scores: pd.DataFrame
    comparisons: pd.DataFrame
    columns: tuple[str, ...]
    main_metric: str
    facts: Facts
    added: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        scores: Sequence[ScoreRow],
        comparisons: Sequence[Comparison],
        columns: Sequence[str],
        main_metric: str,
        facts: Facts,
        added: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
    ) -> Results:
        """The results of a run in memory."""
        tables = frame(scores, ScoreRow), frame(comparisons, Comparison)
        return cls(*tables, tuple(columns), main_metric, facts, tuple(added), names or {})

    def facts_of(self, score: str) -> MetricFacts:
        """The facts of one score; ``title`` is never empty."""
        return facts_of(self.facts, score)

    def compared_metrics(self, metrics: Container[str]) -> tuple[str, ...]:
        """As ``Design.compared_metrics``: a head's main score and those that were added, among ``metrics``."""
        return compared_metrics(self.columns, self.main_metric, self.added, metrics)
