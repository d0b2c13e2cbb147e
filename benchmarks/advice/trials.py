"""Settings tried on all images: each is a whole run of the harness, cached as any run, so nothing is coded twice.

settings of several codecs --evaluation.run--> rows and resamples --> Trial: score, share kept, size, times
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.advice.question import Question
from benchmarks.api import ScoreRow
from benchmarks.harness.config import Config
from benchmarks.harness.nothing_scored import scores_nothing
from benchmarks.harness.operating_points import Curve, OperatingPoint, point_of
from benchmarks.harness.plan import Plan
from benchmarks.harness.scale_search import Scale
from benchmarks.reporting.outcome import Outcome
from benchmarks.stats.anchors import members
from benchmarks.stats.bootstrap import MIN_IMAGES_KEPT, Bootstrap, Floats
from benchmarks.stats.retained_share import Retained, retained
from hsc.errors import DataError

Tell = Callable[[str], None]
_STREAM = ("size_bytes", "bpp", "encode_s", "decode_s", "head_s")
"""Scores of a row's codec that a trial holds under the same names."""


@dataclass(frozen=True)
class Trial:
    """One setting, measured on all images.

    point: its operating point. score, low, high: with its 95 % interval. samples: of the score, float64 (R,).
    size_bytes: mean of the images. encode_s, decode_s, head_s: medians; NaN where a time could not be taken.
    """

    point: OperatingPoint
    score: float
    low: float
    high: float
    samples: Floats
    kept: Retained
    size_bytes: float
    bpp: float
    encode_s: float
    decode_s: float
    head_s: float

    @property
    def seconds(self) -> float:
        """Of one image: coded, decoded and read."""
        return float(sum(taken for taken in (self.encode_s, self.decode_s, self.head_s) if math.isfinite(taken)))


@dataclass
class CodecTrials:
    """What was tried of one codec. trials: by value of its scale. failed: reasons by value. skipped: why it cannot run
    here, else empty. guesses: the values near which its answers are thought to lie, by question. hopeless: questions
    that the guide, a quicker codec, has no answer to (``guesses``).
    """

    scale: Scale
    trials: dict[Any, Trial] = field(default_factory=dict)
    failed: dict[Any, str] = field(default_factory=dict)
    skipped: str = ""
    guesses: dict[Question, Any] = field(default_factory=dict)
    hopeless: set[Question] = field(default_factory=set)

    @property
    def label(self) -> str:
        return self.scale.curve.label


class Trials:
    """The trials of all codecs of a config, whose first curve is the original and whose one reader reads images.

    original: the trial of the originals, by ``metric``. run: ``evaluation.run`` with its options, but for the config.
    """

    def __init__(self, config: Config, run: Callable[..., Outcome], tell: Tell) -> None:
        self.config, self._run, self._tell = config, run, tell
        self._told: set[str] = set()
        self.codecs = [CodecTrials(Scale.of(curve)) for curve in config.curves[1:]]
        self.outcome = self._outcome([])
        self.images = len({image.pixels.sha256 for image in self.outcome.plan.images})
        self.metric = self._metric(self.outcome.score_rows)
        self.why_no_share = ""
        self.original = self._original()

    def try_values(self, wanted: Sequence[tuple[CodecTrials, Any]]) -> None:
        """Measure settings, each a codec's value, all of them together. What was known costs nothing."""
        points: dict[str, list[OperatingPoint]] = {}
        values: dict[tuple[str, str], Any] = {}
        for codec, value in wanted:
            try:
                point = point_of(codec.scale.codec(value))
            except Exception as error:  # a plug-in may raise anything
                codec.failed[value] = f"{codec.label} refuses {value!r}: {error}"
                continue
            points.setdefault(codec.label, []).append(point)
            values[codec.label, point.label] = value
        if not points:
            return
        curves = [Curve(label, tuple(of_codec)) for label, of_codec in points.items()]
        outcome = self._outcome(curves, ready=self.outcome.plan)
        for codec in (codec for codec in self.codecs if codec.label in points):
            codec.skipped = outcome.plan.skipped.get(codec.label, "")
            for point in points[codec.label] if not codec.skipped else ():
                value = values[codec.label, point.label]
                trial = self._trial(outcome, codec.label, point, self.original)
                if isinstance(trial, Trial):
                    codec.trials[value] = trial
                else:
                    codec.failed[value] = trial

    def all_tried(self) -> Outcome:
        """One run of every setting that was coded, with the differences that a run of the task has; what is skipped
        stands in it with its reason.
        """
        curves = [self.config.curves[0]]
        for codec in (codec for codec in self.codecs if codec.trials or codec.skipped):
            points = (codec.trials[value].point for value in sorted(codec.trials, key=codec.scale.place))
            curves.append(codec.scale.curve if codec.skipped else Curve(codec.label, tuple(points)))
        here, labels = {curve.label for curve in curves}, [curve.label for curve in self.config.curves]
        anchors = tuple(a for a in self.config.anchors if set(members(a, labels)) <= here)
        return self._run(replace(self.config, curves=tuple(curves), anchors=anchors), tell=self._once)

    def _outcome(self, curves: Sequence[Curve], ready: Plan | None = None) -> Outcome:
        curves = [self.config.curves[0], *curves]
        return self._run(replace(self.config, curves=tuple(curves), anchors=()), tell=self._once, ready=ready)

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def _metric(self, rows: Sequence[ScoreRow]) -> str:
        design = self.config.design
        return design.added[0] if design.added else design.main_metric_of({row.metric for row in rows if row.head})

    def _original(self) -> Trial:
        """The trial of the originals. Raises DataError where no codec could be judged by it."""
        plan, label = self.outcome.plan, self.config.curves[0].label
        if faults := list(scores_nothing(plan, self.outcome.score_rows, self.outcome.counts)):
            raise DataError(faults[0])
        trial = self._trial(self.outcome, label, self.config.curves[0].points[0], None)
        if not isinstance(trial, Trial):
            raise DataError(f"the head cannot be scored on the originals: {trial}")
        self.why_no_share = self._why_no_share(trial)
        return trial

    def _why_no_share(self, original: Trial) -> str:
        """Why no share of the originals' score can be promised, empty where it can."""
        title = self.config.design.facts_of(self.metric).title
        if not (math.isfinite(original.score) and original.score > 0):
            return f"the originals have {title} {original.score:g}, of which no share can be taken"
        if self.images < MIN_IMAGES_KEPT:
            return f"{self.images} distinct images, at least {MIN_IMAGES_KEPT} are needed"
        reasons = {row.reason for row in self.outcome.score_rows if row.metric == self.metric and not row.part}
        if math.isnan(original.low):
            cause = next((reason for reason in sorted(reasons) if reason), f"{title} cannot be resampled")
            return f"{title} has no interval: {cause}"
        return ""

    def _trial(self, outcome: Outcome, label: str, point: OperatingPoint, original: Trial | None) -> Trial | str:
        """The trial of one operating point, or why there is none. original: None where it is the original itself."""
        named = (label, "", point.label, "")
        rows = {row.metric: row for row in outcome.score_rows if (row.codec, row.ladder, row.point, row.part) == named}
        for name in ("bpp", self.metric):
            row = rows.get(name)
            if row is None or row.status != "ok" or math.isnan(row.value):
                broken = [r.reason for r in rows.values() if r.status not in ("ok", "n/a") and r.reason]
                return (row.reason if row is not None else "") or next(iter(broken), f"it has no {name}")
        score, samples = rows[self.metric], self._samples(outcome.bootstrap, label, point)
        kept = Retained(1.0, 1.0, 1.0)
        if original is not None:
            higher = self.config.design.facts_of(self.metric).higher_is_better
            kept = retained(
                score.value, original.score, samples, original.samples, self.images, higher_is_better=higher
            )
        numbers = {name: rows[name].value if name in rows else math.nan for name in _STREAM}
        return Trial(point, score.value, score.low, score.high, samples, kept, **numbers)

    def _samples(self, bootstrap: Bootstrap | None, label: str, point: OperatingPoint) -> Floats:
        """The score of each resample, (R,), or (0,) where it has none."""
        assert bootstrap is not None
        reader = (*self.config.readers[0].name, self.metric)
        return bootstrap.scores.get((*reader, label, "", point.label), bootstrap.missing(reader))
