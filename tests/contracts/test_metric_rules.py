"""The contract of metrics finds mistakes: each metric here makes one, and the rule that names it must fail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from metric_testkit import Miscount, RightCount

from benchmarks.api import MetricFacts, Score, Truth
from benchmarks.conformance.checks import Finding, examine
from benchmarks.conformance.metric_rules import CONTRACT
from benchmarks.conformance.metric_scenes import IMAGES, picked, scenes
from benchmarks.metrics.confusion import Confusion
from downstream.api import Detections, FeaturePair, Fidelity, SegmentationMap

FACTS = Miscount.facts["count_error"]


class Thawed(Miscount):
    """Not a dataclass of its own, so it is equal to no copy of another class; and it can be changed."""

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Changeable:
    """A dataclass that is not frozen."""

    threshold: float = 0.5
    output: ClassVar[type] = Detections
    version: ClassVar[str] = "1"
    facts: ClassVar[Mapping[str, MetricFacts]] = Miscount.facts

    def __hash__(self) -> int:
        return 0

    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        return Miscount(self.threshold).compute(truth, predictions)


@dataclass(frozen=True)
class Numbered(Miscount):
    version: ClassVar[Any] = 1


@dataclass(frozen=True)
class Mainless(Miscount):
    facts: ClassVar[Mapping[str, MetricFacts]] = {"count_error": replace(FACTS, main=False)}


@dataclass(frozen=True)
class TwoMains(Miscount):
    facts: ClassVar[Mapping[str, MetricFacts]] = {"count_error": FACTS, "other": replace(FACTS, title="other")}


@dataclass(frozen=True)
class Untitled(Miscount):
    facts: ClassVar[Mapping[str, MetricFacts]] = {"count_error": replace(FACTS, title="")}


@dataclass(frozen=True)
class SameTitles(Miscount):
    facts: ClassVar[Mapping[str, MetricFacts]] = {"count_error": FACTS, "other": replace(FACTS, main=False)}


@dataclass(frozen=True)
class Reversed(Miscount):
    facts: ClassVar[Mapping[str, MetricFacts]] = {"count_error": replace(FACTS, low=1.0, high=0.0)}


@dataclass(frozen=True)
class Undeclared(Miscount):
    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        return [*super().compute(truth, predictions), Score("surprise", 0.0)]


@dataclass(frozen=True)
class OutOfBounds(Miscount):
    facts: ClassVar[Mapping[str, MetricFacts]] = {"count_error": replace(FACTS, high=0.1)}


@dataclass(frozen=True)
class WrongWay(Miscount):
    """Its facts call a larger error better."""

    facts: ClassVar[Mapping[str, MetricFacts]] = {"count_error": replace(FACTS, higher_is_better=True)}


@dataclass(frozen=True)
class NeverPerfect(RightCount):
    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        return [replace(score, value=0.9 * score.value) for score in super().compute(truth, predictions)]


@dataclass(frozen=True)
class Blind(RightCount):
    """Gives everybody the best value."""

    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        return [replace(score, value=1.0) for score in super().compute(truth, predictions)]


@dataclass(frozen=True)
class Random(Miscount):
    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        return [
            replace(s, value=s.value + np.random.default_rng().random()) for s in super().compute(truth, predictions)
        ]


@dataclass(frozen=True)
class Meddling(Miscount):
    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        for prediction in predictions:
            prediction.scores[:] *= 0.99
        return super().compute(truth, predictions)


@dataclass(frozen=True)
class FirstImage(Miscount):
    """Counts the first image alone."""

    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        super().compute(truth, predictions)
        return super().compute(picked(truth, [0]), predictions[:1])


@dataclass(frozen=True)
class NoAnswerIsBest(Miscount):
    """Takes silence for perfection, and everything else for a small error."""

    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        scores = super().compute(truth, predictions)
        silent = not any(len(prediction.labels) for prediction in predictions)
        return [replace(score, value=0.0 if silent else score.value + 1) for score in scores]


@dataclass(frozen=True)
class Careless(Miscount):
    """Scores as many predictions as there are, of whatever kind."""

    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        return super().compute(picked(truth, range(len(predictions))), predictions)


@dataclass(frozen=True)
class Crashing(Miscount):
    def compute(self, truth: Truth, predictions: Any) -> list[Score]:
        return super().compute(truth, [predictions[image] for image in range(len(truth.image_ids))])


@dataclass(frozen=True)
class OtherSamples(Miscount):
    def resample(self, truth: Truth, predictions: Any, draws: Any) -> dict[str, Any]:
        return {name: values + 0.01 for name, values in super().resample(truth, predictions, draws).items()}


@dataclass(frozen=True)
class DeafToDraws(Miscount):
    def resample(self, truth: Truth, predictions: Any, draws: Any) -> dict[str, Any]:
        return super().resample(truth, predictions, np.ones_like(draws))


@dataclass(frozen=True)
class AnyDraws(Miscount):
    def resample(self, truth: Truth, predictions: Any, draws: Any) -> dict[str, Any]:
        fitting = np.resize(draws, (len(draws), len(truth.image_ids)))
        return super().resample(truth, predictions, fitting)


@dataclass(frozen=True)
class WrongCounts(Confusion):
    def counts(self, truth: Truth, predictions: Any) -> Any:
        return super().counts(truth, predictions) // 2


MISTAKES = [
    (Thawed, "is_a_frozen_value", "TypeError"),
    (Changeable, "is_a_frozen_value", "frozen"),
    (Numbered, "its_version_is_text", "expected text"),
    (Mainless, "its_facts_name_one_main_score", "0 main scores"),
    (TwoMains, "its_facts_name_one_main_score", "2 main scores"),
    (Untitled, "its_titles_are_distinct", "expected text"),
    (SameTitles, "its_titles_are_distinct", "not all different"),
    (Reversed, "its_bounds_are_ordered", "bounds 1.0 and 0.0"),
    (Undeclared, "gives_the_scores_it_declares", "'surprise'"),
    (OutOfBounds, "gives_the_scores_it_declares", "outside its bounds"),
    (NeverPerfect, "perfect_predictions_reach_the_better_end", "0.9, expected 1.0"),
    (WrongWay, "perfect_predictions_are_never_worse", "calls better|call better"),
    (Blind, "perfect_predictions_are_never_worse", "does not tell them apart"),
    (Random, "scores_the_same_twice", "differ"),
    (Meddling, "leaves_its_inputs_alone", "changes the predictions"),
    (FirstImage, "does_not_depend_on_the_order_of_images", "another order"),
    (NoAnswerIsBest, "scores_empty_predictions", "better count_error, 0.0"),
    (Careless, "refuses_what_does_not_fit", "a prediction too few"),
    (Crashing, "refuses_what_does_not_fit", "IndexError"),
    (OtherSamples, "one_draw_of_each_image_is_the_whole", "count_error"),
    (DeafToDraws, "its_resamples_follow_the_draws", "a resample gives"),
    (AnyDraws, "refuses_draws_that_do_not_fit", "11 of 12 images"),
    (WrongCounts, "its_counts_add_up", "not the sum"),
]


def finding(metric: Any, rule: str) -> Finding:
    (check,) = (check for check in CONTRACT if check.name == rule)
    return examine(metric, check)


@pytest.mark.parametrize(("metric", "rule", "text"), MISTAKES, ids=lambda value: getattr(value, "__name__", None))
def test_a_mistake_is_found_by_its_rule(metric: Any, rule: str, text: str) -> None:
    outcome = finding(metric(), rule)
    assert outcome.state == "failed"
    assert any(part in outcome.text for part in text.split("|")), outcome.text


def test_every_rule_but_that_of_the_registry_has_a_mistake_that_it_finds() -> None:
    assert {check.name for check in CONTRACT} - {rule for _, rule, _ in MISTAKES} == {"its_spec_builds_it_again"}


def test_where_a_capability_is_lacking_a_rule_does_not_apply() -> None:
    states = {check.name: examine(RightCount(), check).state for check in CONTRACT}
    assert {name for name, state in states.items() if state == "not applicable"} == {
        "one_draw_of_each_image_is_the_whole",
        "its_resamples_follow_the_draws",
        "refuses_draws_that_do_not_fit",
        "its_counts_add_up",
    }
    assert set(states.values()) == {"passed", "not applicable"}


def test_each_kind_of_prediction_has_a_scene_of_unlike_images() -> None:
    for output in (Detections, SegmentationMap, FeaturePair):
        metric: Any = type("Of", (Miscount,), {"output": output})()
        (scene,) = scenes(metric)
        assert len(scene.truth.image_ids) == len(scene.perfect) == len(scene.damaged) == IMAGES
        assert {type(prediction) for prediction in (*scene.perfect, *scene.damaged)} == {output}
    judged: Any = type("Judged", (Miscount,), {"output": Fidelity, "facts": {"x": FACTS, "y": MetricFacts()}})()
    assert [scene.perfect[0].measure for scene in scenes(judged)] == ["x", "y"]  # type: ignore[union-attr]
    assert scenes(type("Unknown", (Miscount,), {"output": int})()) == []


def test_a_measure_without_a_finite_best_value_is_scored_by_its_head_where_one_is_installed() -> None:
    endless = MetricFacts(high=math.inf, percent=False, title="PSNR", main=True)
    for measure, count in (("psnr", 1), ("nobody's", 0)):
        judged: Any = type("Judged", (Miscount,), {"output": Fidelity, "facts": {measure: endless}})()
        assert len(scenes(judged)) == count


def test_some_images_of_a_truth_stand_in_the_asked_order_and_as_often_as_asked() -> None:
    (scene,) = scenes(Miscount())
    truth = picked(scene.truth, [3, 3, 0])
    assert truth.coco is not None
    assert scene.truth.coco is not None
    assert len(set(truth.image_ids)) == 3
    assert [image["id"] for image in truth.coco["images"]] == [1, 2, 3]
    boxes = {i: [a["bbox"] for a in truth.coco["annotations"] if a["image_id"] == i] for i in (1, 2, 3)}
    expected = {i: [a["bbox"] for a in scene.truth.coco["annotations"] if a["image_id"] == i + 1] for i in (3, 0)}
    assert boxes == {1: expected[3], 2: expected[3], 3: expected[0]}
