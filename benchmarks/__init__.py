"""The harness: codecs, operating points, data sets and heads, measured, kept and scored.

import benchmarks
outcome = benchmarks.evaluate("detection", codecs=["jpeg", "vvc(qp=[47, 37, 27], preset=fast)"], limit=8)
outcome.scores, outcome.comparisons, outcome.records, outcome.summary    # pandas.DataFrames; Jupyter shows the outcome
outcome.save("results/runs/mine")
run = benchmarks.load("results/runs/mine")            # the same tables of any run's folder
print(benchmarks.advise(codecs=["jpeg", "vvc"]).text)  # the smallest setting of each that keeps enough of the score
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hsc import __version__
from hsc.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from benchmarks.advice.advising import Advice, advise
    from benchmarks.api import (
        CODECS,
        DATASETS,
        METRICS,
        TASKS,
        Comparison,
        Dataset,
        HasBoxes,
        HasClassLabels,
        HasLabelMaps,
        HasMasks,
        HasRegions,
        Metric,
        MetricFacts,
        Region,
        Resampled,
        Sample,
        Score,
        ScoreRow,
        Task,
        Truth,
    )
    from benchmarks.evaluation import configure, evaluate
    from benchmarks.evaluation import run as run_config
    from benchmarks.harness.config import Config
    from benchmarks.reporting.outcome import Outcome
    from benchmarks.reporting.saved_run import SavedRun, load
    from benchmarks.stats.bjontegaard import Difference
    from benchmarks.stats.point_lists import bd_metric, bd_rate

__all__ = [
    "CODECS",
    "DATASETS",
    "METRICS",
    "TASKS",
    "Advice",
    "Comparison",
    "Config",
    "Dataset",
    "Difference",
    "HasBoxes",
    "HasClassLabels",
    "HasLabelMaps",
    "HasMasks",
    "HasRegions",
    "Metric",
    "MetricFacts",
    "Outcome",
    "Region",
    "Resampled",
    "Sample",
    "SavedRun",
    "Score",
    "ScoreRow",
    "Task",
    "Truth",
    "__version__",
    "advise",
    "bd_metric",
    "bd_rate",
    "configure",
    "evaluate",
    "load",
    "run_config",
]

_HOMES = {
    **{name: "benchmarks.api" for name in __all__ if name != "__version__"},
    "Advice": "benchmarks.advice.advising",
    "Config": "benchmarks.harness.config",
    "Difference": "benchmarks.stats.bjontegaard",
    "Outcome": "benchmarks.reporting.outcome",
    "SavedRun": "benchmarks.reporting.saved_run",
    "advise": "benchmarks.advice.advising",
    "bd_metric": "benchmarks.stats.point_lists",
    "bd_rate": "benchmarks.stats.point_lists",
    "configure": "benchmarks.evaluation",
    "evaluate": "benchmarks.evaluation",
    "load": "benchmarks.reporting.saved_run",
    "run_config": "benchmarks.evaluation:run",
}

__getattr__ = lazy_exports(__name__, _HOMES)

__path__.append(str(Path(__file__).parent / "cli" / "former"))  # so that commands answer to their former module names


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
