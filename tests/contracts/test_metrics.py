"""The contract of metrics over every registered metric, those of the test distribution among them.

The rules are in benchmarks/conformance/metric_rules.py. New metrics are tested by being registered.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.api import METRICS
from benchmarks.conformance.checks import Check, examine
from benchmarks.conformance.metric_rules import CONTRACT
from hsc.errors import SpecError

OUTSIDE = {"count_error", "right_count"}
"""The metrics of the test distribution: one unbounded, lower is better; one from 0 to 1."""


@pytest.fixture(params=METRICS.names())
def metric(request: pytest.FixtureRequest) -> Any:
    try:
        return METRICS.build(request.param)
    except SpecError as error:
        pytest.skip(f"{request.param} has no defaults: {error}")


def test_no_metric_file_is_broken_and_those_of_other_distributions_are_known() -> None:
    assert set(METRICS.names()) >= {"coco_ap", "confusion", *OUTSIDE}
    assert METRICS.broken == {}


@pytest.mark.parametrize("check", [pytest.param(check, id=check.name) for check in CONTRACT])
def test_contract(metric: Any, check: Check) -> None:
    finding = examine(metric, check)
    if finding.state == "not applicable":
        pytest.skip(finding.text)
    assert finding.state == "passed", finding.text
