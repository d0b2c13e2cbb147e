"""name= in a spec: what people read, and nothing else."""

from __future__ import annotations

import pytest
from hsc_testkit import Squares

from benchmarks.api import CODECS
from benchmarks.evaluation import configure
from benchmarks.harness.given_names import taken_names
from benchmarks.harness.operating_points import curves
from hsc.errors import SpecError


def labels(spec: str) -> list[str]:
    return [curve.label for curve in curves([spec])]


def test_names_are_taken_from_specs_and_settings_stay() -> None:
    specs = ["jpeg", 'vvc(preset=medium, name="VVC, medium")', "webp(quality=[5, 15], name=WebP)"]
    named = taken_names(CODECS, specs, labels)
    assert named.specs == ["jpeg", "vvc(preset=medium)", "webp(quality=[5, 15])"]
    assert named.names == {"vvc(preset=medium)": "VVC, medium", "webp": "WebP"}


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (['jpeg(name="")'], "expected 1 to 60"),
        (["jpeg(name=7)"], "expected 1 to 60"),
        ([f"jpeg(name={'a' * 61})"], "expected 1 to 60"),
        (["vvc(preset=[fast, medium], name=both)"], "would stand for 2 curves"),
        (["jpeg(name=a)", "jpeg(name=b)"], "named both 'a' and 'b'"),
    ],
)
def test_a_name_that_cannot_stand_is_refused(specs: list[str], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        taken_names(CODECS, specs, labels)


def test_a_name_changes_nothing_else_of_a_run() -> None:
    plain = configure("detection", Squares(12), ["jpeg"], ["squares"], anchors=["jpeg"])
    named = configure("detection", Squares(12), ["jpeg(name=Mine)"], ["squares(name=Eyes)"], anchors=["jpeg"])
    assert named.names == (("jpeg", "Mine"), ("squares", "Eyes"))
    assert plain.names == ()
    assert (named.curves, named.readers, named.anchors) == (plain.curves, plain.readers, plain.anchors)
