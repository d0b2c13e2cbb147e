"""Advice from Python, and what the command line calls.

    question, codecs --next_value--> settings --Trials--> margins --+--> answers, once no setting is left to be tried
                         ^                                          |
                         +------------------------------------------+

The quickest codec, the guide, is searched first. The others begin near its answers (``guesses``), all together, a
setting of each codec and question a round. With a limit of time, four images of each codec tell what an image costs,
and so on how many images settings are tried; no score is known by then, so the choice favours none.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import evaluation
from benchmarks.advice.answers import answer_of, answers, next_value
from benchmarks.advice.guesses import guess, guide_of, tops
from benchmarks.advice.pace import MIN_IMAGES, Pace, Wanted, images_in
from benchmarks.advice.probes import Probes
from benchmarks.advice.question import Question, questions
from benchmarks.advice.steps import Steps
from benchmarks.advice.trials import CodecTrials, Trials
from benchmarks.api import TASKS, Dataset, Metric
from benchmarks.harness.conditions import HasWorkers
from benchmarks.harness.config import Config
from benchmarks.harness.executors import TIMEOUT_S, Executor, Processes
from benchmarks.harness.guard import guarded, why_unavailable
from benchmarks.harness.progress import Progress, Silent
from benchmarks.harness.scale_search import Scale
from benchmarks.reporting.outcome import Outcome
from benchmarks.runs.advice_rows import AdviceRow, advice_frame
from benchmarks.runs.advice_text import advice_text
from benchmarks.stats.bootstrap import RESAMPLES
from benchmarks.stats.metric_facts import Facts
from hsc.api import Codec
from hsc.errors import DataError, UnavailableError, UsageError

_LOG = logging.getLogger("benchmarks")
_FOR_TRIALS = 0.9
"""The part of the time in which settings are tried; in the rest all of them become one run."""
_MAX_ROUNDS = 40
"""Rounds of a search; narrowing down a scale of a thousand values takes about ten a question."""


@dataclass(frozen=True)
class Advice:
    """The answers of all codecs, and the run of every setting that was tried for them.

    table: the rows as a DataFrame, the columns of ``advice.csv``. text: the answers for people. available: the number
    of images that there were to choose from; 0 where it is not known.
    """

    rows: Sequence[AdviceRow]
    outcome: Outcome
    facts: Facts
    available: int = 0

    @property
    def table(self) -> pd.DataFrame:
        """One codec and question a row, see ``AdviceRow``."""
        return advice_frame(self.rows)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write ``advice.csv``, the files of a run of every setting that was tried, and the page with both; returns the
        folder.

        overwrite: replace a finished run that lies there.

        Raises:
            UsageError: the folder holds a finished run.
            ResultsError: it cannot be written.
        """
        from benchmarks.advice.saving import save

        return save(self, Path(folder), overwrite=overwrite)

    @property
    def text(self) -> str:
        """A table a question, with what has no answer below."""
        return advice_text(self.rows, self.facts, self.available)


def advise(
    task: str = "detection",
    dataset: str | Dataset | None = None,
    codecs: Sequence[str | Codec] | None = None,
    head: str | Any | None = None,
    *,
    keep: Sequence[float] | None = None,
    budget_bytes: float | None = None,
    metric: str | Metric | None = None,
    limit: int = 0,
    seed: int = 0,
    repeats: int = 1,
    resamples: int = RESAMPLES,
    **options: Any,
) -> Advice:
    """For each codec the setting of the smallest files that keep a share of the head's score on the originals, or that
    of the best score within a size.

    The arguments from ``metric`` on are those of ``configure``, the options those of ``advise_on``. keep: shares, 0 to
    1, by default 0.95 and 0.99. budget_bytes: mean bytes an image, the other question. What was measured before is read
    from the cache.

    Raises:
        UsageError, UnavailableError: the request cannot be met.
        DataError: images, labels or the head's score on the originals allow no promise, such as too few images.
    """
    asked = questions(keep, budget_bytes)
    config = configure(
        task, dataset, codecs, head, metric=metric, limit=limit, seed=seed, repeats=repeats, resamples=resamples
    )
    return advise_on(config, asked, **options)


def configure(
    task: str,
    dataset: str | Dataset | None = None,
    codecs: Sequence[str | Codec] | None = None,
    head: str | Any | None = None,
    *,
    metric: str | Metric | None = None,
    **options: Any,
) -> Config:
    """The config of the runs behind advice, with one head on decoded images.

    head: by default the first of the task's. metric: a metric by whose main score to judge, in place of the task's.
    options: limit, seed, repeats and resamples of ``evaluation.configure``.

    Raises:
        UsageError: a name or argument is not known, or the head reads no images.
    """
    heads = [TASKS.build(task).heads[0] if head is None else head]
    metrics = [] if metric is None else [metric]
    return evaluation.configure(
        task, dataset, codecs, heads, route="image", noise_floor=False, metrics=metrics, **options
    )


def advise_on(
    config: Config,
    asked: Sequence[Question],
    *,
    minutes: float = 0.0,
    workers: int = 0,
    executor: Executor | None = None,
    timeout_s: float = TIMEOUT_S,
    device: str = "cpu",
    cache: str | Path = "results/cache",
    progress: Progress | None = None,
    tell: Callable[[str], None] = _LOG.warning,
) -> Advice:
    """The answers to questions, for a config of ``configure``.

    minutes: settings are tried on as many images as ``images_in`` says, and none is begun that would end later, judged
    by the times measured so far, but the first of each codec; 0 for all images and no limit. A search that was ended so
    goes on from the cache when it is asked again. The other options are those of ``evaluation.run``.

    Raises:
        UsageError, UnavailableError, DataError: as ``advise``.
    """
    if not minutes >= 0 or workers < 0:
        raise UsageError(f"minutes came as {minutes:g} and workers as {workers}; expected 0 or more of both")
    if len(config.curves) < 2:
        raise UsageError("no codec is left besides the originals; name at least one, as in --codec jpeg")
    deadline = time.monotonic() + 60 * _FOR_TRIALS * minutes if minutes else None
    steps = Steps(progress or Silent(), deadline)
    workers = workers or (executor.workers if isinstance(executor, HasWorkers) else len(os.sched_getaffinity(0)))
    if reason := why_unavailable(config.dataset):
        raise UnavailableError(reason)
    available = min(guarded(len, config.dataset), config.limit or sys.maxsize)
    own = None if executor else Processes(workers, timeout_s)
    at_work = executor or own
    assert at_work is not None
    run = functools.partial(
        evaluation.run,
        workers=workers,
        executor=at_work,
        timeout_s=timeout_s,
        device=device,
        cache=cache,
        progress=steps,
    )
    probes = Probes(config, min(available, MIN_IMAGES), executor=at_work, device=device, cache=cache, progress=steps)
    try:
        steps.step("what an image takes")
        scales = [Scale.of(curve) for curve in config.curves[1:]]
        of_tops = tops(scales, probes) if deadline or len(scales) > 1 else {}
        images = available
        if deadline:
            seconds = sum(probe.seconds for probe in of_tops.values())
            images = images_in(workers * (deadline - time.monotonic()), seconds, available)
        steps.step("originals")
        trials = _trials(config, asked, images, available, functools.partial(Trials, run=run, tell=tell))
        pace = Pace(deadline, len(trials.outcome.plan.images), workers)
        search = _Search(asked, trials, pace, steps)
        if guide := guide_of(trials.codecs, of_tops):
            search.run([guide])
            steps.step("guesses")
            guess(asked, guide, [codec for codec in trials.codecs if not codec.skipped], probes)
        search.run(trials.codecs)
        steps.step("all settings")
        outcome = trials.all_tried()
    finally:
        steps.end()
        if own:
            own.close()
    return Advice(answers(asked, trials), outcome, config.design.facts, available)


def _trials(
    config: Config, asked: Sequence[Question], images: int, available: int, begin: Callable[[Config], Trials]
) -> Trials:
    """Trials on so many images; on twice as many where these allow no promise, and so on up to all.

    Raises:
        DataError: all images allow none.
    """
    while True:
        fewer = images < available
        try:
            trials = begin(replace(config, limit=images) if fewer else config)
            if not trials.why_no_share or not any(question.aim == "keep" for question in asked):
                return trials
            raise DataError(f"no share of the score can be promised: {trials.why_no_share}")
        except DataError:
            if not fewer:
                raise
        images *= 2


class _Search:
    """A search for the borders of codecs, a round of settings a step."""

    def __init__(self, asked: Sequence[Question], trials: Trials, pace: Pace, steps: Steps) -> None:
        self._asked, self._trials, self._pace, self._steps = asked, trials, pace, steps
        self._rounds = 0

    def run(self, codecs: Sequence[CodecTrials]) -> None:
        """Try settings until the border of every codec and question is found, or the time is up."""
        for _ in range(_MAX_ROUNDS):
            within = self._pace.within(self._wanted(codecs))
            if not within:
                return
            self._rounds += 1
            self._steps.step(f"step {self._rounds}")
            begun = time.monotonic()
            self._trials.try_values([(one.codec, one.value) for one in within])
            self._pace.learn(within, time.monotonic() - begun)

    def _wanted(self, codecs: Sequence[CodecTrials]) -> list[Wanted]:
        """The settings to try next. Those for a question that the guide has no answer to wait for all others."""
        wanted: dict[tuple[str, Any], Wanted] = {}
        for codec in codecs:
            for question in self._asked if not codec.skipped else ():
                if (value := next_value(question, codec)) is not None:
                    rank = 1 if answer_of(question, codec) is not None else 2 * (question in codec.hopeless)
                    known = wanted.get((codec.label, value))
                    wanted[codec.label, value] = Wanted(codec, value, min(rank, known.rank) if known else rank)
        hopeful = [one for one in wanted.values() if one.rank < 2]
        return hopeful or list(wanted.values())
