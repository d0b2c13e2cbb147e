"""The scores of a run on the resamples of a bootstrap, from the predictions that it kept.

    predictions/ --read--> labels, predictions of a cell --metrics--> its scores, and those of each resample

Nothing is taken on trust: where the predictions of a point do not give the scores of ``scores.csv``, none of its head's
resamples are used, and the reason is returned in their place.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.api import METRICS, Metric, Resampled
from benchmarks.harness.executors import Executor
from benchmarks.harness.progress import Progress
from benchmarks.harness.scoring_job import ScoringJob, Wanted, work_out
from benchmarks.runs.class_tables import RANKS
from benchmarks.runs.kept_predictions import (
    KeptCell,
    Point,
    Reader,
    read_manifest,
    read_predictions,
    read_truth,
)
from benchmarks.runs.run_folder import Run
from benchmarks.stats.bootstrap import Bootstrap, Floats
from hsc.errors import HscError, ResultsError

_ABBREVIATED = {"classes": f"; of each object the {RANKS} likeliest classes are kept, and no others"}
"""What the files of a kind leave out, for the end of a sentence."""


@dataclass
class Samples:
    """The resampled scores of a run's heads.

    scores: (head, route, metric, codec, ladder, point) -> float64 (R,), as ``Bootstrap.scores`` holds them. reasons:
    why there are none, for the end of a sentence, by head and route.
    """

    scores: dict[tuple[str, str, str, str, str, str], Floats] = field(default_factory=dict)
    reasons: dict[Reader, str] = field(default_factory=dict)


def resampled(
    run: Run, bootstrap: Bootstrap, executor: Executor, progress: Progress, only: Container[str] | None = None
) -> Samples:
    """The scores by which codecs are compared, on each resample, of every head whose predictions were kept whole.

    Heads whose scores have no interval in the run itself are left out without a reason. only: the ids of the cells that
    are wanted, None for all.
    """
    samples = Samples()
    wanted = _with_intervals(run, only)
    try:
        cells, left_out = read_manifest(run)
    except ResultsError as error:
        samples.reasons = dict.fromkeys(wanted, f"its predictions cannot be read: {error}")
        return samples
    for reader, points in wanted.items():
        of_reader = [cell for cell in cells if cell.reader == reader and cell.point in points]
        if missing := [point for point in points if point not in {cell.point for cell in of_reader}]:
            kept = "none of its predictions were" if not of_reader else f"predictions at {missing[0][2]} were not"
            samples.reasons[reader] = left_out.get(reader) or f"{kept} kept; run with --keep-predictions"
            continue
        try:
            samples.scores |= _of_reader(run, of_reader, bootstrap, executor, progress)
        except HscError as error:
            samples.reasons[reader] = str(error)
    return samples


def _with_intervals(run: Run, only: Container[str] | None) -> dict[Reader, set[Point]]:
    """The operating points that each head has scored, of heads with any score that has an interval. only: the cells."""
    points: dict[Reader, set[Point]] = {}
    sure: set[Reader] = set()
    for row in run.score_rows:
        if row.head and (only is None or row.cell in only) and row.status == "ok" and not row.part:
            points.setdefault((row.head, row.route), set()).add((row.codec, row.ladder, row.point))
            if row.low == row.low:
                sure.add((row.head, row.route))
    return {reader: of_reader for reader, of_reader in points.items() if reader in sure}


def _of_reader(
    run: Run, cells: Sequence[KeptCell], bootstrap: Bootstrap, executor: Executor, progress: Progress
) -> dict[tuple[str, str, str, str, str, str], Floats]:
    """The samples of one head. Raises HscError where a file is damaged, or gives other scores than the tables."""
    metrics = _metrics(run, cells[0].metrics)
    recorded = {(row.cell, row.metric): row.value for row in run.score_rows if row.head and not row.part}
    truth = read_truth(run, cells[0])
    samples = {}
    with executor.share(truth) as shared:

        def jobs() -> Iterator[ScoringJob]:
            wanted = tuple(Wanted(metric, True, isinstance(metric, Resampled), False) for metric in metrics)
            for number, cell in enumerate(cells):
                yield ScoringJob(number, shared, read_predictions(run, cell, truth), wanted, bootstrap.resampling)

        for job, numbers, died in executor.run(work_out, jobs()):
            cell = cells[job.cell]
            if numbers is None or isinstance(numbers, HscError):
                raise ResultsError(f"they cannot be scored: {numbers or died}")
            for score in (score for of_metric in numbers for score in of_metric.scores or () if not score.part):
                value = recorded.get((cell.cell, score.metric), score.value)
                if abs(value - score.value) > 1e-9 * max(1.0, abs(value)):
                    raise ResultsError(
                        f"its kept predictions at {cell.point[0]} {cell.point[2]} give {score.metric} "
                        f"{score.value:.6g}, {run.folder} has {value:.6g}{_ABBREVIATED.get(cell.kind, '')}"
                    )
            of_cell = {name: values for of_metric in numbers for name, values in (of_metric.samples or {}).items()}
            for name in run.design.compared_metrics(of_cell):
                samples[(*cell.reader, name, *cell.point)] = of_cell[name]
            progress.advance(" ".join(cell.point).strip(), len(run.images))
    return samples


def _metrics(run: Run, names: Sequence[str]) -> list[Metric]:
    """The run's metrics that score a head's predictions. Raises HscError where one is not installed."""
    metrics = [METRICS.build(text) for text in (*run.task.metrics, *run.about.get("metrics", ()))]
    return [metric for metric in metrics if METRICS.spec(metric).name in names]
