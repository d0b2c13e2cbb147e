"""Checks whether a finished run follows from its own records and bitstreams: ``hsc-bench verify``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.executors import Executor
from benchmarks.harness.progress import Progress
from benchmarks.runs.run_folder import Run, load
from benchmarks.verify.check_advice import check_advice
from benchmarks.verify.check_cells import check_cells, check_thresholds
from benchmarks.verify.check_comparisons import check_comparisons
from benchmarks.verify.check_errors import check_errors
from benchmarks.verify.check_facts import check_facts
from benchmarks.verify.check_figures import check_figures
from benchmarks.verify.check_page import check_page
from benchmarks.verify.check_rates import check_enough, check_rates
from benchmarks.verify.check_scores import check_scores
from benchmarks.verify.check_streams import check_streams
from benchmarks.verify.check_tables import check_tables
from benchmarks.verify.verdict import Verdict, attempted


def verify(
    folder: Path, executor: Executor, progress: Progress, *, streams: bool = True, trust: bool = False
) -> Iterator[Verdict]:
    """Every verdict on a run's folder, as it comes.

    streams: decode the kept streams and score them again. trust: run the programs and models that the folder names.

    Raises:
        ResultsError: the folder is not that of a run, or is damaged.
    """
    run = load(folder, consistent=False)
    yield from check_folder(run)
    if not streams:
        return
    try:
        yield from attempted("streams", check_streams(run, executor, progress, trust))
    finally:
        progress.end()


def check_folder(run: Run) -> Iterator[Verdict]:
    """Every check that needs nothing but the folder; one that fails to run leaves the others to be made.

    run.json, records.csv --> ids of cells, rates, sizes, PSNR, intervals of rates --> scores.csv
    scores.csv --> comparisons.csv, advice.csv --> tables, figures, page
    """
    checks = {
        "cells": check_cells,
        "facts": check_facts,
        "scores": check_scores,
        "thresholds": check_thresholds,
        "rates": check_rates,
        "intervals": check_enough,
        "comparisons": check_comparisons,
        "errors": check_errors,
        "advice": check_advice,
        "tables": check_tables,
        "figures": check_figures,
        "page": check_page,
    }
    for name, check in checks.items():
        yield from attempted(name, check(run))
