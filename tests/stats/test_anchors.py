"""Names of anchors: a curve, the first of a codec, a front."""

import pytest

from benchmarks.stats.anchors import find, members
from hsc.errors import UsageError

LABELS = ["original", "vvc(preset=medium)", "vvc", "vvc(scale=0.5)", "bpg"]


def test_a_label_comes_before_a_codecs_name() -> None:
    assert find("vvc", LABELS) == "vvc"
    assert find("vvc", ["vvc(preset=medium)", "vvc(scale=0.5)"]) == "vvc(preset=medium)"
    assert members("vvc(preset=medium)", LABELS) == ("vvc(preset=medium)",)


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("front(of=bpg)", ("bpg",)),
        ("front(of=vvc)", ("vvc(preset=medium)", "vvc", "vvc(scale=0.5)")),
        ("front(of=(bpg, vvc))", ("bpg", "vvc(preset=medium)", "vvc", "vvc(scale=0.5)")),
        ('front(of=("vvc(scale=0.5)", bpg))', ("vvc(scale=0.5)", "bpg")),
        ("front(of=(bpg, bpg))", ("bpg",)),
    ],
)
def test_a_front_is_of_curves_by_label_or_codec(anchor: str, expected: tuple[str, ...]) -> None:
    assert members(find(anchor, LABELS), LABELS) == expected


@pytest.mark.parametrize(
    "anchor",
    [
        "avif",
        "front(of=avif)",
        "front",
        "front()",
        "front(of=[vvc, bpg])",
        "front(of=3)",
        "front(vvc)",
        "front(off=vvc)",
    ],
)
def test_what_is_no_anchor_is_refused_with_the_cure(anchor: str) -> None:
    with pytest.raises(UsageError, match=r"not among the codecs|expected front\(of=vvc\)|expected key=value"):
        find(anchor, LABELS)
