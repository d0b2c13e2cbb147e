"""The contract of ``benchmarks.api.Metric`` as checks, which every metric passes, whatever it measures.

Our own test suite runs them over every registered metric; a metric of your own is checked by the same functions:

    findings = [examine(MyMetric(), check) for check in CONTRACT]
"""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.api import METRICS, Counted, Metric, MetricFacts, Resampled, Score, Truth
from benchmarks.conformance.checks import Contract, Failed, NotApplicable, demand
from benchmarks.conformance.metric_scenes import IMAGES, Scene, picked, scenes
from downstream.api import Detections, Prediction, SegmentationMap, arrays_of
from hsc.errors import HscError
from hsc.registry import config, parse_spec

CONTRACT = Contract()
TOLERANCE = 1e-9
"""The rounding error that two ways to one value may differ by, relative or absolute."""
MAX_DIGITS = 12

Floats = npt.NDArray[np.float64]


def _scenes(metric: Metric) -> list[Scene]:
    if found := scenes(metric):
        return found
    raise NotApplicable(f"no scene of {metric.output.__name__} is known here")


def _resampled(metric: Any) -> Resampled:
    if isinstance(metric, Resampled):
        return metric
    raise NotApplicable("it has no resamples, so its scores have no intervals")


def _named(score: Score) -> str:
    return f"{score.metric}/{score.part}" if score.part else score.metric


def _values(metric: Metric, truth: Truth, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Its scores by name, those of a class as ``metric/part``."""
    return {_named(score): score.value for score in metric.compute(truth, predictions)}


def _facts(metric: Metric, name: str) -> MetricFacts:
    return metric.facts[name.split("/", 1)[0]]


def _near(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other) or math.isinf(one) or math.isinf(other):
        return one == other or (math.isnan(one) and math.isnan(other))
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _demand_near(values: Mapping[str, float], expected: Mapping[str, float], where: str) -> None:
    for name, value in values.items():
        demand(name in expected, f"{where} gives {name}, which compute does not")
        demand(_near(value, expected[name]), f"{where} gives {name} {value:.12g}, expected {expected[name]:.12g}")


@CONTRACT.rule(codes=False)
def is_a_frozen_value(metric: Any) -> None:
    """It is a frozen dataclass: equal and of equal hash after a pickle, and none of its fields can be changed."""
    demand(dataclasses.is_dataclass(metric), "it is no dataclass")
    again = pickle.loads(pickle.dumps(metric))
    demand(again == metric and hash(again) == hash(metric), "a pickled copy is not equal to it")
    demand(type(metric)(**config(metric)) == metric, "its fields do not make it again")
    demand(type(metric).__dataclass_params__.frozen, "its fields can be changed; make it a frozen dataclass")


@CONTRACT.rule(codes=False)
def its_spec_builds_it_again(metric: Any) -> None:
    """Its spec, written out, builds it again."""
    text = str(METRICS.spec(metric))
    if parse_spec(text).name not in METRICS.names():
        raise NotApplicable("it is not registered")
    demand(METRICS.build(text) == metric, f"{text} builds {METRICS.build(text)}, not {metric}")


@CONTRACT.rule(codes=False)
def its_version_is_text(metric: Any) -> None:
    """Its version is text that is not empty."""
    version: object = metric.version
    demand(isinstance(version, str) and bool(version), f"its version is {version!r}, expected text")


@CONTRACT.rule(codes=False)
def its_facts_name_one_main_score(metric: Any) -> None:
    """Its facts describe each score by name, and exactly one of them is the main score."""
    facts: object = metric.facts
    demand(isinstance(facts, Mapping) and bool(facts), f"its facts are {facts!r}, expected a mapping of names to facts")
    for name, score in metric.facts.items():
        demand(isinstance(score, MetricFacts), f"the facts of {name!r} are a {type(score).__name__}")
        demand(isinstance(name, str) and name.isidentifier(), f"a score is named {name!r}, expected a plain word")
    mains = [name for name, score in metric.facts.items() if score.main]
    demand(len(mains) == 1, f"it has {len(mains)} main scores {mains}, expected one")


@CONTRACT.rule(codes=False)
def its_titles_are_distinct(metric: Any) -> None:
    """Each of its scores has a title of its own, a unit, and a number of digits."""
    titles = [score.title for score in metric.facts.values()]
    demand(all(titles), f"its titles are {titles}, expected text for each score")
    demand(len(set(titles)) == len(titles), f"its titles {titles} are not all different")
    for name, score in metric.facts.items():
        demand(bool(score.unit), f"{name} has the unit {score.unit!r}, expected text, '1' where there is none")
        demand(0 <= score.digits <= MAX_DIGITS, f"{name} has {score.digits} digits, expected 0 to {MAX_DIGITS}")


@CONTRACT.rule(codes=False)
def its_bounds_are_ordered(metric: Any) -> None:
    """The lower bound of each score is below the upper one."""
    for name, score in metric.facts.items():
        demand(score.low < score.high, f"{name} has the bounds {score.low} and {score.high}")


@CONTRACT.rule(codes=False)
def gives_the_scores_it_declares(metric: Any) -> None:
    """Each score it gives is declared in its facts, once, and lies within its bounds or is NaN."""
    for scene in _scenes(metric):
        for predictions in (scene.perfect, scene.damaged):
            scores = metric.compute(scene.truth, predictions)
            names = [_named(score) for score in scores]
            demand(any(not score.part for score in scores), "it gives no score over all classes")
            demand(len(set(names)) == len(names), f"it gives a score twice: {names}")
            for score in scores:
                demand(score.metric in metric.facts, f"it gives {score.metric!r}, which is not in its facts")
                of_class = score.part in ("", *scene.truth.classes)
                demand(of_class, f"it gives a score of {score.part!r}, which is none of the classes")
                demand(type(score.value) is float, f"{score.metric} is a {type(score.value).__name__}, expected float")
                _demand_bounded(metric, score.metric, score.value)


def _demand_bounded(metric: Metric, name: str, value: float) -> None:
    facts = _facts(metric, name)
    inside = math.isnan(value) or facts.low - TOLERANCE <= value <= facts.high + TOLERANCE
    demand(inside, f"{name} is {value}, outside its bounds {facts.low} and {facts.high}")


@CONTRACT.rule(codes=False)
def perfect_predictions_reach_the_better_end(metric: Any) -> None:
    """Perfect predictions have the best value that its main score can take, where there is a best one."""
    asked = False
    for scene in _scenes(metric):
        values = _values(metric, scene.truth, scene.perfect)
        for name in (name for name in values if "/" not in name and _stands(metric, name, values)):
            facts = _facts(metric, name)
            end = facts.high if facts.higher_is_better else facts.low
            if math.isfinite(end):
                asked = True
                near = math.isclose(values[name], end, abs_tol=1e-6)
                demand(near, f"perfect predictions have {name} {values[name]}, expected {end}")
    if not asked:
        raise NotApplicable("its main score has no finite best value")


def _stands(metric: Metric, name: str, values: Mapping[str, float]) -> bool:
    """Whether a score stands for the metric in a scene: the main one, or the only one that its predictions have."""
    whole = [other for other in values if "/" not in other]
    return metric.facts[name].main or whole == [name]


@CONTRACT.rule(codes=False)
def perfect_predictions_are_never_worse(metric: Any) -> None:
    """By its own direction, perfect predictions are better than damaged ones, and no score of theirs is worse."""
    for scene in _scenes(metric):
        best, worse = (_values(metric, scene.truth, answers) for answers in (scene.perfect, scene.damaged))
        for name in best.keys() & worse.keys():
            lead = _facts(metric, name).sign * (best[name] - worse[name])
            text = f"perfect predictions have {name} {best[name]}, damaged ones {worse[name]}"
            demand(math.isnan(lead) or lead >= -TOLERANCE, f"{text}, which its facts call better")
            if "/" not in name and _stands(metric, name, best):
                demand(lead > 0, f"{text}; it does not tell them apart")


@CONTRACT.rule(codes=False)
def scores_the_same_twice(metric: Any) -> None:
    """It gives the same scores for the same predictions, from an equal metric too."""
    for scene in _scenes(metric):
        first = _values(metric, scene.truth, scene.damaged)
        for again in (metric, pickle.loads(pickle.dumps(metric))):
            same = repr(_values(again, scene.truth, scene.damaged)) == repr(first)
            demand(same, "two computations of the same predictions differ")


@CONTRACT.rule(codes=False)
def leaves_its_inputs_alone(metric: Any) -> None:
    """It changes neither the truth nor the predictions nor the draws."""
    for scene in _scenes(metric):
        draws = np.ones((2, IMAGES), np.int64)
        before = copy.deepcopy((scene.truth, list(scene.damaged)))
        metric.compute(scene.truth, scene.damaged)
        if isinstance(metric, Resampled):
            metric.resample(scene.truth, scene.damaged, draws)
        if isinstance(metric, Counted):
            metric.counts(scene.truth, scene.damaged)
        demand(_same_truth(scene.truth, before[0]), "it changes the truth")
        demand(all(map(_same, scene.damaged, before[1])), "it changes the predictions")
        demand(bool((draws == 1).all()), "it changes the draws")


def _same_truth(truth: Truth, before: Truth) -> bool:
    maps, maps_before = (list(one.maps) if one.maps is not None else [] for one in (truth, before))
    labels, labels_before = (list(one.labels) if one.labels is not None else [] for one in (truth, before))
    same_labels = all(map(np.array_equal, labels, labels_before))
    plain, plain_before = (replace(one, maps=None, labels=None) for one in (truth, before))
    return plain == plain_before and same_labels and all(map(_same, maps, maps_before))


def _same(one: Prediction, other: Prediction) -> bool:
    arrays, others = arrays_of(one), arrays_of(other)
    return arrays.keys() == others.keys() and all(np.array_equal(arrays[name], others[name]) for name in arrays)


@CONTRACT.rule(codes=False)
def does_not_depend_on_the_order_of_images(metric: Any) -> None:
    """Its scores do not depend on the order of the images."""
    order = np.random.default_rng(0).permutation(IMAGES).tolist()
    for scene in _scenes(metric):
        expected = _values(metric, scene.truth, scene.damaged)
        values = _values(metric, picked(scene.truth, order), [scene.damaged[image] for image in order])
        _demand_near(values, expected, "another order of the images")


@CONTRACT.rule(codes=False)
def scores_empty_predictions(metric: Any) -> None:
    """Predictions of nothing get scores, within bounds or NaN, and none better than those of perfect predictions."""
    with_empty = [scene for scene in _scenes(metric) if scene.empty is not None]
    if not with_empty:
        raise NotApplicable(f"{metric.output.__name__} has no empty value")
    for scene in with_empty:
        best, nothing = (_values(metric, scene.truth, answers or ()) for answers in (scene.perfect, scene.empty))
        demand(any("/" not in name for name in nothing), "it gives no score over all classes")
        for name, value in nothing.items():
            _demand_bounded(metric, name, value)
            lead = _facts(metric, name).sign * (best.get(name, math.nan) - value)
            demand(math.isnan(lead) or lead >= -TOLERANCE, f"predictions of nothing have the better {name}, {value}")


@CONTRACT.rule(codes=False)
def refuses_what_does_not_fit(metric: Any) -> None:
    """It refuses with an HscError a prediction too few, predictions of another kind, and a truth without labels."""
    other: Prediction = SegmentationMap(np.zeros((4, 4), np.uint8))
    if metric.output is SegmentationMap:
        other = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    for scene in _scenes(metric):
        truth, answers = scene.truth, list(scene.perfect)
        wrong: dict[str, tuple[Truth, list[Prediction]]] = {
            "a prediction too few": (truth, answers[1:]),
            f"a {type(other).__name__} among its predictions": (truth, [*answers[1:], other]),
        }
        if truth.coco is not None or truth.maps is not None or truth.labels is not None:
            wrong["a truth without labels"] = (replace(truth, coco=None, maps=None, labels=None), answers)
        for what, arguments in wrong.items():
            _demand_refused(lambda arguments=arguments: metric.compute(*arguments), what)


def _demand_refused(call: Any, what: str) -> None:
    try:
        call()
    except HscError:
        return
    except Exception as error:
        raise Failed(f"{what} ends in {type(error).__name__}: {error}; expected an HscError") from error
    raise Failed(f"it scores {what}, expected an HscError")


@CONTRACT.rule(codes=False)
def one_draw_of_each_image_is_the_whole(metric: Any) -> None:
    """Resampled with each image once, its scores are those of compute, the main one among them."""
    resampled = _resampled(metric)
    for scene in _scenes(metric):
        expected = _values(metric, scene.truth, scene.damaged)
        samples = resampled.resample(scene.truth, scene.damaged, np.ones((3, IMAGES), np.int64))
        for name, values in samples.items():
            fits = isinstance(values, np.ndarray) and values.dtype == np.float64 and values.shape == (3,)
            demand(fits, f"the samples of {name} are {values!r:.80}, expected float64 (3,)")
        demand(any(_stands(metric, name, expected) for name in samples if "/" not in name), "its main score is missing")
        for row in range(3):
            _demand_near({name: float(values[row]) for name, values in samples.items()}, expected, "a draw of all")


@CONTRACT.rule(codes=False)
def its_resamples_follow_the_draws(metric: Any) -> None:
    """An image drawn twice counts as two equal images, one not drawn as none, in whatever order the images stand."""
    resampled = _resampled(metric)
    random = np.random.default_rng(0)
    draws = random.multinomial(IMAGES, [1 / IMAGES] * IMAGES, size=4)
    order = random.permutation(IMAGES)
    for scene in _scenes(metric):
        samples = resampled.resample(scene.truth, scene.damaged, draws)
        for row, counts in enumerate(draws):
            copies = np.repeat(np.arange(IMAGES), counts).tolist()
            expected = _values(metric, picked(scene.truth, copies), [scene.damaged[image] for image in copies])
            _demand_near({name: float(values[row]) for name, values in samples.items()}, expected, "a resample")
        turned = [scene.damaged[image] for image in order]
        permuted = resampled.resample(picked(scene.truth, order.tolist()), turned, draws[:, order])
        doubled = resampled.resample(scene.truth, scene.damaged, 2 * draws)
        for name, values in samples.items():
            for row, value in enumerate(values.tolist()):
                demand(_near(value, float(permuted[name][row])), f"{name} changes with the order of images and draws")
                demand(_near(value, float(doubled[name][row])), f"{name} changes where every image is drawn doubly")


@CONTRACT.rule(codes=False)
def refuses_draws_that_do_not_fit(metric: Any) -> None:
    """It refuses with an HscError draws for another number of images."""
    resampled = _resampled(metric)
    for scene in _scenes(metric):
        for columns in (IMAGES - 1, IMAGES + 1):
            draws = np.ones((2, columns), np.int64)
            _demand_refused(
                lambda scene=scene, draws=draws: resampled.resample(scene.truth, scene.damaged, draws),
                f"draws of {columns} of {IMAGES} images",
            )


@CONTRACT.rule(codes=False)
def its_counts_add_up(metric: Any) -> None:
    """The counts of a data set are whole numbers, and the sum of the counts of its images."""
    counted: object = metric
    if not isinstance(counted, Counted):
        raise NotApplicable("it gives no counts")
    for scene in _scenes(metric):
        whole = counted.counts(scene.truth, scene.damaged)
        parts = list(_counts_of_images(counted, scene))
        demand(whole.dtype == np.int64, f"its counts are {whole.dtype}, expected int64")
        demand(np.array_equal(whole, np.sum(parts, axis=0)), "they are not the sum of those of the images")


def _counts_of_images(metric: Counted, scene: Scene) -> Iterator[npt.NDArray[np.int64]]:
    for image, prediction in enumerate(scene.damaged):
        yield metric.counts(picked(scene.truth, [image]), [prediction])
