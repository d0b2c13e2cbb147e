"""The tables of the studies, as CSV with every measured number and as Markdown for people."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hsc.training.studies.curves import mean_rate_change, read_at
from hsc.training.studies.measure import Point
from hsc.training.studies.plan import Variant

Measured = Mapping[str, Sequence[Point]]
"""The points of each variant by its name, in the order of the study."""


@dataclass(frozen=True)
class LayerRow:
    """One layer of the study of layers: means over the images, in bits.

    side: of F. psnr: at which the row was read, dB. w: bits of w. given_w: bits of F given w. alone: bits of F without
    w, read at ``alone_psnr``. exact: whether both curves reach the common PSNR.
    """

    layer: int
    side: int
    psnr: float
    w: float
    given_w: float
    alone: float
    alone_psnr: float
    exact: bool


def csv_of(measured: Measured) -> str:
    """All points as CSV: a line a variant and quality; columns of slices that a variant lacks are empty."""
    slices = max(len(point.bits_f) for points in measured.values() for point in points)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"bits_f_{number}" for number in range(1, slices + 1)]
    writer.writerow(["variant", "quality", "bits_w", "bits_f", *names, "bpp", "latent_mse", "psnr", "distance"])
    for variant, points in measured.items():
        for point in points:
            own = [f"{bits:.2f}" for bits in point.bits_f] + [""] * (slices - len(point.bits_f))
            numbers = [f"{point.bits_w:.2f}", f"{sum(point.bits_f):.2f}", *own, f"{point.bpp:.4f}"]
            distance = "" if math.isnan(point.distance) else f"{point.distance:.4f}"
            writer.writerow(
                [variant, point.quality, *numbers, f"{point.latent_mse:.4f}", f"{point.psnr:.2f}", distance]
            )
    return text.getvalue()


def ablation_table(measured: Measured) -> str:
    """The points as Markdown, and how many more bits each variant needs than the first at equal PSNR."""
    lines = [
        "| variant | quality | bits of w | bits of F | by slice | bpp of files | error of F | PSNR, dB | distance |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for variant, points in measured.items():
        for point in points:
            distance = "-" if math.isnan(point.distance) else f"{point.distance:.3f}"
            by_slice = " ".join(f"{bits:.0f}" for bits in point.bits_f)
            lines.append(
                f"| {variant} | {point.quality} | {point.bits_w:.0f} | {sum(point.bits_f):.0f} | {by_slice} | "
                f"{point.bpp:.3f} | {point.latent_mse:.3f} | {point.psnr:.2f} | {distance} |"
            )
    (first, anchor), *others = measured.items()
    lines += ["", f"| bits of w and F at equal PSNR | against {first} |", "|---|---|"]
    for variant, points in others:
        change = mean_rate_change(_curve(anchor), _curve(points))
        text = "no common PSNR" if math.isnan(change) else f"{100 * change:+.0f} %"
        lines.append(f"| {variant} | {text} |")
    return "\n".join(lines) + "\n"


def layer_rows(variants: Sequence[Variant], measured: Measured) -> list[LayerRow]:
    """A row a layer, each at the PSNR that the best point of every curve reaches; else at the nearest point."""
    common = min(max(point.psnr for point in points) for points in measured.values())
    rows = []
    for variant in variants:
        if not variant.conditioned:
            continue
        alone = next(other for other in variants if other.layer == variant.layer and not other.conditioned)
        of_variant, of_alone = (
            read_at(common, [p.psnr for p in points], [(p.bits_w, sum(p.bits_f)) for p in points])
            for points in (measured[variant.name], measured[alone.name])
        )
        generator = variant.profile.generator
        rows.append(
            LayerRow(
                variant.layer,
                generator.input_side(variant.layer),
                of_variant.psnr,
                of_variant.values[0],
                of_variant.values[1],
                of_alone.values[1],
                of_alone.psnr,
                of_variant.exact and of_alone.exact,
            )
        )
    return rows


def layer_table(rows: Sequence[LayerRow]) -> str:
    """The rows as Markdown."""
    lines = [
        "| layer | F | PSNR, dB | H(w) | H(F given w) | both | H(F) | saved by w | common PSNR |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        saved = f"{100 * (1 - row.given_w / row.alone):+.0f} %" if row.alone > 0 else "-"
        alone = f"{row.alone:.0f}" + ("" if row.alone_psnr == row.psnr else f" at {row.alone_psnr:.2f} dB")
        lines.append(
            f"| {row.layer} | {row.side}x{row.side} | {row.psnr:.2f} | {row.w:.0f} | {row.given_w:.0f} | "
            f"{row.w + row.given_w:.0f} | {alone} | {saved} | {'yes' if row.exact else 'no, nearest point'} |"
        )
    return "\n".join(lines) + "\n"


def _curve(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point.psnr for point in points], [point.bits for point in points]
