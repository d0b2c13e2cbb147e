"""The rows and the table of ``benchmarks.studies.entropy``: means over pictures with 95 % intervals.

Pictures are drawn alike for all that is compared, so what a picture costs in every context drops out of differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tabulate import tabulate

from benchmarks.stats.bootstrap import RESAMPLES, Bootstrap, interval
from benchmarks.studies.entropy import (
    DETAIL,
    FEATURE,
    FILE,
    GIVEN,
    MEAN,
    OTHER,
    OWN,
    SEMANTIC,
    Measured,
    Part,
    Point,
)

Floats = npt.NDArray[np.float64]

COST, SAVED, NET = "cost", "saved", "net"
"""Measures: bits; bits of F that w saves, the estimate of I(F; w); the same less the bits of w."""


@dataclass(frozen=True)
class Row:
    """One number of the study, a row of ``entropy.csv``.

    quality: as given to the codec. given: what is known of w, a key of ``GIVEN``; of differences, that of F without w.
    measure: "cost", "saved" or "net". layer: "w", a slice of F, "F" for all of them, "E", or "file" for 8 bits a byte.
    images: number of pictures. bits: mean over them. low, high: its 95 % interval, NaN where there is none. bpp: all
    bits over all pixels. share: of differences, that of the bits of F without w, 0 to 1. psnr_db: of files, mean over
    pictures.
    """

    quality: float
    given: str
    measure: str
    layer: str
    images: int
    bits: float
    low: float
    high: float
    bpp: float
    share: float | None = None
    psnr_db: float | None = None


class _Means:
    """Means over pictures, with intervals from the same draws for all of them."""

    def __init__(self, measured: Measured, bootstrap: Bootstrap) -> None:
        self.pixels, self.draws = sum(measured.pixels), bootstrap.draws

    def row(self, point: Point, measure: str, layer: str, bits: Floats) -> Row:
        """The row of one number a picture, (N,)."""
        low, high, _ = interval(self.draws @ bits / len(bits))
        return Row(*point, measure, layer, len(bits), float(bits.mean()), low, high, float(bits.sum()) / self.pixels)


def bootstrap_of(measured: Measured, resamples: int = RESAMPLES, seed: int = 0) -> Bootstrap:
    """The resamples of the pictures; its ``reason`` says why there are none."""
    return Bootstrap.of(measured.pixels_sha256, resamples, seed)


def rows(measured: Measured, bootstrap: Bootstrap) -> list[Row]:
    """All costs, by quality and then by what is known of w, then what w saves: by layer where all that differs is the
    context, and of F as a whole.
    """
    means = _Means(measured, bootstrap)
    arrays = {part: np.asarray(bits, np.float64) for part, bits in measured.bits.items()}
    points = measured.points()
    found = []
    for part in sorted(arrays, key=lambda part: points.index(part.point)):
        row = means.row(part.point, COST, part.layer, arrays[part])
        found.append(replace(row, psnr_db=_mean_psnr(measured, part)) if part.layer == FILE else row)
    for point in points:
        if point.given != OWN:
            slices = measured.slices(point) if point.given in (OTHER, MEAN) else []
            found += _differences(arrays, means, point, [*slices, FEATURE])
    return found


def _differences(arrays: dict[Part, Floats], means: _Means, without: Point, layers: Sequence[str]) -> Iterator[Row]:
    """What w saves at one quality, against F coded without it."""
    own = Point(without.quality, OWN)
    for layer in layers:
        saved = arrays[Part(without, layer)] - arrays[Part(own, layer)]
        yield replace(means.row(without, SAVED, layer, saved), share=_share(saved, arrays[Part(without, layer)]))
    whole = arrays[Part(without, FEATURE)]
    net = whole - arrays[Part(own, FEATURE)] - arrays[Part(own, SEMANTIC)]
    yield replace(means.row(without, NET, FEATURE, net), share=_share(net, whole))


def _share(bits: Floats, whole: Floats) -> float | None:
    return float(bits.sum() / whole.sum()) if whole.sum() else None


def _mean_psnr(measured: Measured, part: Part) -> float:
    return float(np.mean(measured.psnr_db[part.point]))


def table(found: Sequence[Row], weights: str, dataset: str, reason: str = "") -> str:
    """The rows as Markdown that reads as text: a block of lines a quality, a column for each thing known of w.

    weights, dataset: what was measured, as people know it. reason: why there are no intervals, else empty.
    """
    given = [name for name in GIVEN if any(row.given == name for row in found)]
    body = []
    for quality in dict.fromkeys(row.quality for row in found):
        of_quality = [row for row in found if row.quality == quality]
        for label, measure, layer in _lines(of_quality):
            cells = [_cell([row for row in of_quality if _is(row, name, measure, layer)]) for name in given]
            body.append([f"{quality:g}", label, *cells])
        psnr = [_psnr([row for row in of_quality if _is(row, name, COST, FILE)]) for name in given]
        body.append([f"{quality:g}", "PSNR of the file, dB", *psnr])
    names = ["quality", "bits of", *(GIVEN[name] for name in given)]
    text: str = tabulate(body, names, tablefmt="github", disable_numparse=True)
    interval_note = (
        f"There are no intervals: {reason}." if reason else "In brackets: 95 % intervals over pictures, paired."
    )
    notes = [
        f"`{weights}`, {found[0].images} images of `{dataset}`. Bits a picture, in round brackets bits a pixel. Those "
        "of layers are ideal lengths by the coder's integer tables; those of files are of all their bytes.",
        "Saved: bits of F in that column less those given w, an estimate of I(F; w), and its share of the former. Net: "
        f"the same less the bits of w. {interval_note}",
    ]
    return "\n\n".join([text, *notes]) + "\n"


def _lines(found: Sequence[Row]) -> list[tuple[str, str, str]]:
    """The lines of a quality: label, measure, layer."""
    slices = dict.fromkeys(row.layer for row in found if row.layer not in (SEMANTIC, FEATURE, DETAIL, FILE))
    detail = [DETAIL] if any(row.layer == DETAIL for row in found) else []
    labels = {SEMANTIC: "w", FEATURE: "F", FILE: "the whole file"}
    layers = [SEMANTIC, *slices, FEATURE, *detail, FILE]
    return [
        *((labels.get(layer, layer), COST, layer) for layer in layers),
        ("F, saved by w", SAVED, FEATURE),
        ("F, saved by w, net", NET, FEATURE),
    ]


def _is(row: Row, given: str, measure: str, layer: str) -> bool:
    return (row.given, row.measure, row.layer) == (given, measure, layer)


def _cell(found: Sequence[Row]) -> str:
    """One row as a cell, empty where there is none."""
    if not found:
        return ""
    row = found[0]
    if row.measure == COST:
        return f"{row.bits:.1f} ({row.bpp:.4f})"
    ends = "" if math.isnan(row.low) else f" [{row.low:.1f}, {row.high:.1f}]"
    return f"{row.bits:+.1f}{ends}" + ("" if row.share is None else f", {row.share:+.1%}")


def _psnr(found: Sequence[Row]) -> str:
    psnr_db = found[0].psnr_db if found else None
    return "" if psnr_db is None else f"{psnr_db:.2f}"
