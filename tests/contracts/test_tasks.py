"""What every task names is there, and fits together."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.api import CODECS, DATASETS, METRICS, TASKS, ScoresOriginals
from benchmarks.harness.given_names import taken_names
from benchmarks.stats.metric_facts import facts_of_metrics
from downstream.api import HEADS
from downstream.class_maps import find_map
from hsc.registry import parse_spec


@pytest.fixture(params=TASKS.names())
def task(request: pytest.FixtureRequest) -> Any:
    return TASKS.build(request.param)


def test_nothing_is_broken() -> None:
    assert (TASKS.broken, METRICS.broken) == ({}, {})


def test_its_metrics_score_what_it_asks_for(task: Any) -> None:
    metrics = [METRICS.build(name) for name in task.metrics]
    outputs = task.outputs if isinstance(task, ScoresOriginals) else (task.output,)
    assert {metric.output for metric in metrics} == set(outputs)
    facts = facts_of_metrics(metrics)
    assert {task.main_metric, *task.columns} <= set(facts)
    assert all(facts[name].title for name in task.columns)
    assert facts[task.main_metric].main
    assert task.columns[0] == task.main_metric


def test_its_defaults_are_registered(task: Any) -> None:
    assert {parse_spec(codec).name for codec in (*task.codecs, *task.anchors)} <= set(CODECS.names())
    assert set(task.anchors) <= set(taken_names(CODECS, task.codecs, lambda spec: [spec]).specs)


def test_its_heads_answer_in_classes_of_its_data_set(task: Any) -> None:
    if isinstance(task, ScoresOriginals):
        assert {HEADS.build(spec).output for spec in task.heads} <= set(task.outputs)
        return
    space = DATASETS.build(task.dataset).label_space(task.output)
    assert space is not None
    for spec in task.heads:
        head = HEADS.build(spec)
        assert head.output is task.output
        assert find_map(head.label_space.name, space.name) is not None
