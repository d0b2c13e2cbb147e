"""Aliases of registered names: users may write them, and recorded runs, labels and keys never hold them."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.api import CODECS, DATASETS, METRICS
from benchmarks.cli.listing import listing
from benchmarks.evaluation import configure
from benchmarks.harness.keys import identity, key_of, metric_identity, prediction_key, stream_key
from benchmarks.harness.operating_points import curves
from benchmarks.stats.anchors import find
from downstream.api import HEADS
from hsc.registry import Registry, config

ALIASES: list[tuple[Registry[Any], str, str]] = [
    (HEADS, "detector", "small"),
    (HEADS, "detector_adapted", "small_adapted"),
    (CODECS, "truncated", "cut"),
    (DATASETS, "shuffled_labels", "mismatched"),
    (METRICS, "fidelity", "likeness"),
    (METRICS, "fid", "frechet"),
    (METRICS, "segmentation_iou", "confusion"),
    (METRICS, "box_self_consistency", "box_agreement"),
    (METRICS, "map_self_consistency", "map_agreement"),
]


@pytest.mark.parametrize(("registry", "alias", "name"), ALIASES)
def test_an_alias_builds_the_registered_plug_in(registry: Registry[Any], alias: str, name: str) -> None:
    item, registered = registry.build(alias), registry.build(name)
    assert item == registered
    assert type(item) is type(registered)
    assert registry.registered_name(alias) == name
    assert str(registry.spec(item)) == str(registry.parse(alias)) == name
    assert alias not in registry.names()


@pytest.mark.parametrize(("registry", "alias", "name"), ALIASES)
def test_the_list_names_a_plug_in_once_by_both_names(registry: Registry[Any], alias: str, name: str) -> None:
    lines = [line for line in listing(registry).splitlines() if line.startswith((f"{alias} ", f"{name} "))]
    assert len(lines) == 1
    assert lines[0].startswith(f"{alias} (= {name})  ")


def test_keys_are_those_of_the_registered_name() -> None:
    head, codec, dataset = HEADS.build("detector(zoom=2)"), CODECS.build("jpeg"), DATASETS.build("shuffled_labels")
    known = {"name": "small", "config": config(head), "provenance": dict(head.provenance())}
    assert identity(head) == known
    stream = stream_key("pixels", identity(codec))
    assert prediction_key(stream, "image", identity(head)) == prediction_key(stream, "image", known)
    assert prediction_key(stream, "image", identity(head)) == prediction_key(
        stream, "image", identity(HEADS.build("small(zoom=2)"))
    )
    assert identity(dataset)["name"] == "mismatched"
    for alias, name in ((alias, name) for registry, alias, name in ALIASES if registry is METRICS):
        metric = METRICS.build(alias)
        assert metric_identity(metric) == metric_identity(METRICS.build(name))
        assert metric_identity(metric)["name"] == name
    cut = CODECS.build('truncated(of="hsc(quality=6)", layers=4)')
    assert key_of({"name": cut.spec_name, "config": config(cut)}) == key_of(
        {"name": "cut", "config": {"of": "hsc(quality=6)", "layers": 4}}
    )


def test_labels_of_a_run_hold_registered_names() -> None:
    chosen = configure("detection", codecs=["jpeg", "truncated(layers=[1, 2])"], heads=["detector", "detector(zoom=2)"])
    expected = configure("detection", codecs=["jpeg", "cut(layers=[1, 2])"], heads=["small", "small(zoom=2)"])
    assert chosen == expected
    assert [curve.label for curve in chosen.curves][:3] == ["original", "jpeg", "cut"]


def test_curves_of_an_alias_and_of_its_name_are_one() -> None:
    (curve,) = curves(["truncated(layers=1)", "cut(layers=2)"])
    assert curve.label == "cut"


@pytest.mark.parametrize(
    ("anchor", "label"),
    [
        ("truncated", "cut"),
        ('truncated(of="hsc(quality=2)")', 'cut(of="hsc(quality=2)")'),
        ("front(of=truncated)", "front(of=cut)"),
        ("front(of=(jpeg, truncated))", "front(of=(jpeg, cut))"),
    ],
)
def test_an_anchor_may_be_named_by_an_alias(anchor: str, label: str) -> None:
    assert find(anchor, ["original", "jpeg", "cut", 'cut(of="hsc(quality=2)")']) == label
