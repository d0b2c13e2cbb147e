"""The numbers of a run as tables, whether it has just ended or was read back from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.api import Comparison, MetricFacts, ScoreRow
from benchmarks.runs.rows import frame
from benchmarks.stats.metric_facts import Facts, facts_of


@dataclass(frozen=True)
class Results:
    """A run's scores and comparisons, and what is needed to show them.

    scores, comparisons: one number a line, the columns of ``ScoreRow`` and ``Comparison``. columns: the scores that
    tables show, the main one first. main_metric: the task's own. facts: of each score.
    """

    scores: pd.DataFrame
    comparisons: pd.DataFrame
    columns: tuple[str, ...]
    main_metric: str
    facts: Facts

    @classmethod
    def of(
        cls,
        scores: Sequence[ScoreRow],
        comparisons: Sequence[Comparison],
        columns: Sequence[str],
        main_metric: str,
        facts: Facts,
    ) -> Results:
        """The results of a run in memory."""
        return cls(frame(scores, ScoreRow), frame(comparisons, Comparison), tuple(columns), main_metric, facts)

    def facts_of(self, score: str) -> MetricFacts:
        """The facts of one score; ``title`` is never empty."""
        return facts_of(self.facts, score)
