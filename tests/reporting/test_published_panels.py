"""The panels of HSC's publication: three domains, four scores, their facts, and where they may be drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from paper_testkit import FROZEN, numbers_of, write_run

from benchmarks.api import RATES
from benchmarks.reporting.figures.rate_curves import PUBLISHED, Overlay, figure
from benchmarks.reporting.paper.published import definitions, overlays, published_table
from benchmarks.reporting.paper.published_references import OWN_RATE, Reference, find_reference
from benchmarks.runs.run_folder import load

DOMAINS = ("hsc-celeba", "hsc-cars", "hsc-lsun")
PANELS = ("lpips", "dists", "fid", "clip_iqa")
CODECS = {"HSC", "HEVC", "VVC", "HiFiC", "ELIC", "TextSketch", "PerCo", "DiffEIC"}


def points(domain: str, metric: str, codec: str) -> list[tuple[float, float]]:
    title = find_reference(domain).title
    (curve,) = [o for o in overlays([find_reference(domain)], metric) if o.name == f"{codec}, {title}"]
    return list(curve.points)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_panel_has_every_codec_with_source_and_definition(domain: str) -> None:
    reference = find_reference(domain)
    assert "arXiv 2502.16799" in reference.source
    assert "0.0003 bpp" in reference.source
    assert (reference.rate, reference.bits) == (OWN_RATE, "payload of the files, no header")
    assert RATES.build(reference.rate).metric == "bpp"
    assert set(reference.metrics) == set(PANELS)
    for metric in PANELS:
        having = {curve.codec for curve in reference.curves if metric in curve.scores}
        assert having - {"SFIC"} == CODECS
        assert ("SFIC" in having) == (domain == "hsc-celeba" and metric in ("lpips", "dists"))
    for curve in reference.curves:
        for metric, scores in curve.scores.items():
            rates = curve.bpp_of(metric)
            assert len(rates) == len(scores)
            assert list(rates) == sorted(rates)
            assert max(abs(own - row) for own, row in zip(rates, curve.bpp, strict=True)) < 0.00045
        assert set(curve.rates) <= set(curve.scores)


@pytest.mark.parametrize(
    ("domain", "metric", "codec", "expected"),
    [
        ("hsc-celeba", "lpips", "HSC", [(0.0060, 0.294), (0.0077, 0.279), (0.0112, 0.263), (0.0198, 0.252)]),
        ("hsc-celeba", "fid", "DiffEIC", [(0.0049, 18.0), (0.0070, 17.5), (0.0143, 22.8), (0.0300, 14.7)]),
        ("hsc-celeba", "clip_iqa", "HSC", [(0.0060, 0.643), (0.0078, 0.645), (0.0112, 0.648), (0.0198, 0.648)]),
        ("hsc-cars", "dists", "HSC", [(0.0124, 0.178), (0.0205, 0.167), (0.0258, 0.165), (0.0350, 0.163)]),
        ("hsc-cars", "clip_iqa", "PerCo", [(0.0041, 0.502), (0.0335, 0.423)]),
        ("hsc-cars", "fid", "VVC", [(0.0265, 42.9), (0.0355, 35.8), (0.0469, 29.3), (0.0612, 23.4)]),
        ("hsc-lsun", "dists", "ELIC", [(0.0304, 0.3), (0.0532, 0.256), (0.0641, 0.243), (0.0830, 0.226)]),
        ("hsc-lsun", "clip_iqa", "DiffEIC", [(0.0167, 0.395), (0.0304, 0.376), (0.0524, 0.377), (0.0954, 0.375)]),
    ],
)
def test_values_are_read_back_at_the_rates_of_their_own_figure(
    domain: str, metric: str, codec: str, expected: list[tuple[float, float]]
) -> None:
    assert points(domain, metric, codec) == expected


def test_the_table_shows_every_score_in_its_own_unit() -> None:
    text = published_table([find_reference("hsc-cars")])
    assert " & bpp & LPIPS & DISTS & FID & CLIP{-}IQA" in text
    assert r"\%" not in text
    assert "0.0120 & 0.344 & 0.178 (0.0124) & 2.9 & 0.334 (0.0124)" in text
    assert "In brackets" in text
    assert "bits: payload of the files, no header" in text
    assert "In brackets" not in published_table([find_reference("coco-jpeg")])


def test_a_published_curve_is_drawn_in_the_panels_of_its_own_score_alone(tmp_path: Path) -> None:
    numbers = numbers_of("segmentation", (FROZEN,))
    others = [replace(row, metric="lpips", head="lpips") for row in numbers.scores if row.metric == "miou"]
    run = load(write_run(tmp_path / "run", replace(numbers, scores=[*numbers.scores, *others])))
    (first, second), elsewhere = overlays([find_reference("hsc-celeba")], "lpips")[:2], Overlay("x", ((0.1, 9),), "fid")
    assert first.number != second.number
    with figure(run.results, ("miou", "lpips"), overlays=[first, second, elsewhere]) as plotted:
        drawn = [[line for line in axis.lines if str(line.get_label()).startswith(PUBLISHED)] for axis in plotted.axes]
    assert [len(lines) for lines in drawn] == [0, 2]
    assert [tuple(line.get_xdata()) for line in drawn[1]] == [tuple(x for x, _ in o.points) for o in (first, second)]
    assert drawn[1][0].get_marker() != drawn[1][1].get_marker()


def test_other_definitions_of_the_rate_are_not_drawn_and_what_bits_count_is_told() -> None:
    celeba = find_reference("hsc-celeba")
    enlarged: Reference = replace(celeba, name="other", title="other", rate="enlarged(short=800, most=1333)")
    assert overlays([enlarged], "lpips") == []
    assert len(overlays([celeba, enlarged], "lpips")) == len(overlays([celeba], "lpips")) == 9
    assert definitions([celeba, enlarged], ["lpips"]) == (
        f"Bits of their rates: {celeba.title}: payload of the files, no header."
    )
    assert definitions([celeba], ["ap"]) == ""
