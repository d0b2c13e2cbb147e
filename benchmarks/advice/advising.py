"""Advice from Python, and what the command line calls.

    question, codecs --next_value--> settings --Trials--> margins --+--> answers, once no setting is left to be tried
                         ^                                          |
                         +------------------------------------------+

All codecs are tried together, a setting of each codec and question a round.
"""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks import evaluation
from benchmarks.advice.answers import answered, answers, next_value
from benchmarks.advice.question import Question, questions
from benchmarks.advice.trials import CodecTrials, Trials
from benchmarks.api import TASKS, Dataset, Metric
from benchmarks.harness.conditions import HasWorkers
from benchmarks.harness.config import Config
from benchmarks.harness.executors import TIMEOUT_S, Executor, Processes
from benchmarks.harness.progress import Progress
from benchmarks.reporting.outcome import Outcome
from benchmarks.runs.advice_rows import AdviceRow, advice_frame
from benchmarks.runs.advice_text import advice_text
from benchmarks.stats.bootstrap import RESAMPLES
from benchmarks.stats.metric_facts import Facts
from hsc.api import Codec
from hsc.errors import DataError, UsageError

_LOG = logging.getLogger("benchmarks")
_FOR_TRIALS = 0.9
"""The part of the time in which settings are tried; in the rest all of them become one run."""
_MAX_ROUNDS = 40
"""Rounds of a search; narrowing down a scale of a thousand values takes about ten a question."""


@dataclass(frozen=True)
class Advice:
    """The answers of all codecs, and the run of every setting that was tried for them.

    table: the rows as a DataFrame, the columns of ``advice.csv``. text: the answers for people.
    """

    rows: Sequence[AdviceRow]
    outcome: Outcome
    facts: Facts

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
        return advice_text(self.rows, self.facts)


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

    minutes: no setting is begun that would end later, judged by the times measured so far, but the first of each codec;
    0 for no limit. A search that was ended so goes on from the cache when it is asked again. The other options are
    those of ``evaluation.run``.

    Raises:
        UsageError, UnavailableError, DataError: as ``advise``.
    """
    if not minutes >= 0 or workers < 0:
        raise UsageError(f"minutes came as {minutes:g} and workers as {workers}; expected 0 or more of both")
    if len(config.curves) < 2:
        raise UsageError("no codec is left besides the originals; name at least one, as in --codec jpeg")
    started = time.monotonic()
    workers = workers or (executor.workers if isinstance(executor, HasWorkers) else len(os.sched_getaffinity(0)))
    own = None if executor else Processes(workers, timeout_s)
    run = functools.partial(
        evaluation.run,
        workers=workers,
        executor=executor or own,
        timeout_s=timeout_s,
        device=device,
        cache=cache,
        progress=progress,
    )
    try:
        trials = Trials(config, run, tell)
        if trials.why_no_share and any(question.aim == "keep" for question in asked):
            raise DataError(f"no share of the score can be promised: {trials.why_no_share}")
        deadline = started + 60 * _FOR_TRIALS * minutes if minutes else None
        pace = _Pace(deadline, len(trials.outcome.plan.images), workers)
        _search(asked, trials, pace)
        outcome = trials.all_tried()
    finally:
        if own:
            own.close()
    return Advice(answers(asked, trials), outcome, config.design.facts)


class _Wanted(NamedTuple):
    """A setting to try. answered: whether its codec has an answer already to the question that it is for."""

    codec: CodecTrials
    value: Any
    answered: bool


def _search(asked: Sequence[Question], trials: Trials, pace: _Pace) -> None:
    """Try settings until the border of every codec and question is found, or the time is up."""
    for _ in range(_MAX_ROUNDS):
        wanted: dict[tuple[str, Any], _Wanted] = {}
        for codec in trials.codecs:
            for question in asked if not codec.skipped else ():
                if (value := next_value(question, codec)) is not None:
                    known = wanted.get((codec.label, value))
                    has_answer = answered(question, codec) and (known is None or known.answered)
                    wanted[codec.label, value] = _Wanted(codec, value, has_answer)
        within = pace.within(list(wanted.values()))
        if not within:
            return
        begun = time.monotonic()
        trials.try_values([(one.codec, one.value) for one in within])
        pace.learn(within, time.monotonic() - begun)


@dataclass
class _Pace:
    """What fits in the time.

    deadline: of ``time.monotonic``, None for none. slower: how many times longer a round takes than its images were
    timed at, since they are scored, too, and the machine has other work.
    """

    deadline: float | None
    images: int
    workers: int
    slower: float = 1.0

    def within(self, wanted: Sequence[_Wanted]) -> list[_Wanted]:
        """Those of the settings that will have been tried in time: codecs without an answer first, and the quickest of
        them; the first setting of a codec always.
        """
        if self.deadline is None:
            return list(wanted)
        left = self.deadline - time.monotonic()
        fitting = []
        for one in sorted(wanted, key=lambda one: (one.answered, self._seconds(one.codec, one.value))):
            seconds = self.slower * self._seconds(one.codec, one.value)
            if seconds <= left or not (one.codec.trials or one.codec.failed):
                fitting.append(one)
                left -= seconds
        return fitting

    def learn(self, tried: Sequence[_Wanted], seconds: float) -> None:
        """Take in how long a round of settings took."""
        timed = sum(self._seconds(one.codec, one.value) for one in tried)
        self.slower = max(1.0, seconds / timed if timed else 1.0)

    def _seconds(self, codec: CodecTrials, value: Any) -> float:
        """What a setting takes, by the times of the nearest one that was tried; 0 where there is none."""
        nearest = min(
            codec.trials,
            key=lambda tried: abs(codec.scale.place(tried) - codec.scale.place(value)),
            default=None,
        )
        return 0.0 if nearest is None else codec.trials[nearest].seconds * self.images / self.workers
