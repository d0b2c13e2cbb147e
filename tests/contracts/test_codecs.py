"""What every registered codec keeps, whatever it is made of. New codecs are tested by being registered.

The rules are in benchmarks/conformance/codec_rules.py. A codec that needs constructor arguments, or that is not
available here, is skipped with the reason.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.api import CODECS
from benchmarks.conformance.checks import Check, examine
from benchmarks.conformance.codec_rules import CONTRACT
from hsc.errors import SpecError

NAMES = [name for name in CODECS.names() if CODECS.get(name).__module__ not in ("hsc_testkit", "hostile_testkit")]
"""All but the test kits' toys, which keep only what the harness's own tests need."""


@pytest.fixture(params=NAMES)
def codec(request: pytest.FixtureRequest) -> Any:
    try:
        return CODECS.build(request.param)
    except SpecError as error:
        pytest.skip(f"{request.param} has no defaults: {error}")


def test_no_codec_file_is_broken() -> None:
    CODECS.names()
    assert CODECS.broken == {}


@pytest.mark.parametrize(
    "check", [pytest.param(c, id=c.name, marks=[pytest.mark.slow] if c.slow else []) for c in CONTRACT]
)
def test_contract(codec: Any, check: Check) -> None:
    found = examine(codec, check)
    if found.state == "not applicable":
        pytest.skip(found.text)
    assert found.state == "passed", found.text
