"""Rows of operating points: rates, fidelity and times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.api import ScoreRow
from benchmarks.harness.batches import NO_TIMES
from benchmarks.harness.cache import Store, latents_kind
from benchmarks.harness.keys import registered_name
from benchmarks.harness.known_times import times_by_kind
from benchmarks.harness.plan import Cell, Plan, stream_records
from benchmarks.stats.bootstrap import Bootstrap, interval
from benchmarks.stats.metric_facts import STREAM_FACTS
from benchmarks.stats.noise_floor import SECOND
from hsc.api import CodesBatches


def row_of(plan: Plan, codec: str, point: str, cell: str = "", **columns: Any) -> ScoreRow:
    """A row with the columns filled in that are the same for all of a run."""
    config = plan.config
    codec, ladder = ladder_of(plan, codec)
    base = ScoreRow(
        cell=cell,
        task=registered_name(config.task),
        dataset=plan.dataset_label,
        split=config.dataset.split,
        codec=codec,
        ladder=ladder,
        point=point,
        route="image",
        regime="",
        head="",
        part="",
        seed=config.seed,
        metric=config.task.main_metric,
        value=math.nan,
        images=len(plan.images),
    )
    return replace(base, **columns)


def ladder_of(plan: Plan, label: str) -> tuple[str, str]:
    """The codec and the ladder of a curve's label, as the columns of ``ScoreRow`` name them."""
    second_of = next((curve.second_of for curve in plan.config.curves if curve.label == label), "")
    return (second_of, SECOND) if second_of else (label, "")


def rate_rows(plan: Plan, cell: Cell, store: Store, bootstrap: Bootstrap) -> list[ScoreRow]:
    """The rows of an operating point that need no reader; ``bootstrap`` takes in the rates of its resamples."""
    records, reason = stream_records(plan, cell, store)
    if reason:
        status = "failed" if any(k in plan.failures for k in cell.streams) else "missing"
        named = {"metric": "bpp", "unit": STREAM_FACTS["bpp"].unit}
        return [row_of(plan, cell.curve, cell.point, cell.id, status=status, reason=reason, **named)]
    pixels = sum(h * w for h, w in (r.image_hw for r in records))
    size, error = sum(r.size_bytes for r in records), sum(r.squared_error for r in records)
    numbers = {
        "bpp": 8 * size / pixels,
        "size_bytes": size / len(records),
        "psnr": 10 * math.log10(255**2 * 3 * pixels / error) if error else math.inf,
    }
    source = [image.pixels.source_bytes for image in plan.images]
    if cell.curve == plan.config.curves[0].label and all(s is not None for s in source):
        numbers["source_bpp"] = 8 * sum(s for s in source if s is not None) / pixels
    sizes = [r.size_bytes for r in records]
    resampled = {"bpp": bootstrap.rate(sizes, [h * w for h, w in (r.image_hw for r in records)])}
    bootstrap.rates[*ladder_of(plan, cell.curve), cell.point] = resampled["bpp"]
    for definition in plan.config.rates:
        areas = [definition.pixels(*r.image_hw) for r in records]
        numbers[definition.metric] = 8 * size / sum(areas)
        resampled[definition.metric] = bootstrap.rate(sizes, areas)
    rows = [
        row_of(plan, cell.curve, cell.point, cell.id, metric=metric, value=value, unit=STREAM_FACTS[metric].unit)
        for metric, value in numbers.items()
    ]
    for number, row in enumerate(rows):
        if row.metric in resampled:
            low, high, _ = interval(resampled[row.metric])
            rows[number] = replace(row, low=low, high=high, reason=bootstrap.reason)
    rows += [
        time
        for kind in ("encode_s", "decode_s")
        for time in time_rows(plan, cell, store, kind, cell.streams, cell=cell.id)
    ]
    if cell.latents:
        named = {"cell": cell.id, "route": "latent", "metric": "decode_s"}
        rows += time_rows(plan, cell, store, latents_kind(cell.latents), cell.streams, **named)
    return rows


def time_rows(plan: Plan, cell: Cell, store: Store, kind: str, keys: Sequence[str], /, **named: Any) -> list[ScoreRow]:
    """A row with the median of the times taken under the plan's conditions, which stand in its reason; or why it has no
    value, as where no one kind of machine has timed all images. No row where a plan has no times.
    """
    if plan.conditions is None:
        return []
    kinds = times_by_kind(plan, cell, store, kind, keys)
    known = set().union(*(times.seconds for times in kinds))
    missing = [key for key in keys if key not in known]
    reasons = [plan.failures[key] for key in missing if key in plan.failures]
    base = {"metric": kind, "unit": "s", **named}
    if kind in ("encode_s", "decode_s") and isinstance(cell.codec, CodesBatches):
        return [row_of(plan, cell.curve, cell.point, status="n/a", reason=NO_TIMES, **base)]
    if whole := next((times for times in kinds if times.seconds.keys() >= set(keys)), None):
        value = statistics.median(whole.seconds[key] for key in keys)
        return [row_of(plan, cell.curve, cell.point, value=value, reason=str(whole), **base)]
    if not missing:
        reason = f"its images were timed on {len(kinds)} kinds of machine, whose times are not pooled: " + " / ".join(
            f"{len(times.seconds)} of {len(keys)} {times}" for times in kinds
        )
        return [row_of(plan, cell.curve, cell.point, status="n/a", reason=reason, **base)]
    count = f"{len(missing)} of {len(keys)} images"
    reason = (
        f"{count} failed: {reasons[0]}"
        if reasons
        else f"{count} have no time of this run's conditions ({plan.conditions})"
    )
    return [row_of(plan, cell.curve, cell.point, status="failed" if reasons else "missing", reason=reason, **base)]
