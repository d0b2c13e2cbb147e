"""The rates of a gallery: the one that most codecs reach, one below and one above; and each codec at about their bytes.

At the middle rate codecs are set to the same bytes; at the others the operating points of the run stand for themselves.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks.api import StreamRecord
from benchmarks.harness.cache import Store
from benchmarks.harness.codec_answers import checked_stream
from benchmarks.harness.indexed_image import Pixels
from benchmarks.harness.keys import identity, stream_key
from benchmarks.harness.match_bytes import match_bytes
from benchmarks.harness.plan import Cell, Plan
from hsc.api import Codec, Image
from hsc.errors import UsageError

APART = 1.25
"""The least ratio of two rates of a gallery."""


class Matched(NamedTuple):
    """A codec at the setting that is shown, and its bitstream. of_run: whether this is an operating point of the run,
    and not one between two of them.
    """

    codec: Codec
    data: bytes
    of_run: bool


def shown_curves(plan: Plan) -> list[str]:
    """The labels of the codecs that a gallery shows: all but second ladders."""
    second = {curve.label for curve in plan.config.curves if curve.second_of}
    return [label for label in dict.fromkeys(cell.curve for cell in plan.cells) if label not in second]


def target_bpp(plan: Plan, store: Store) -> float | None:
    """The rate that most codecs reach: the lower median of the two ends of all curves, in bits per pixel.

    It is the rate whose distances to all curves' ranges of rate have the smallest sum. None where no curve has two
    points.
    """
    ends = [rate for pair in _ends(plan, store) for rate in pair]
    return statistics.median_low(ends) if ends else None


def rates_of(plan: Plan, store: Store) -> list[float]:
    """The rates of a gallery in rising order: that of ``target_bpp``, and the lower medians of the ends of all curves
    below and above it, where they lie far enough from it. Empty where no curve has two points.
    """
    target = target_bpp(plan, store)
    if target is None:
        return []
    ends = [rate for pair in _ends(plan, store) for rate in pair]
    below, above = [rate for rate in ends if rate * APART < target], [rate for rate in ends if rate > target * APART]
    low, high = ([statistics.median_low(group)] if group else [] for group in (below, above))
    return [*low, target, *high]


def _ends(plan: Plan, store: Store) -> list[tuple[float, float]]:
    """The lowest and the highest rate of each curve that has two points."""
    ends = []
    for label in shown_curves(plan):
        rates = [rate for cell in plan.cells if cell.curve == label and (rate := _bpp(plan, cell, store))]
        if len(rates) > 1:
            ends.append((min(rates), max(rates)))
    return ends


def nearest(plan: Plan, store: Store, place: int, label: str, image: Image, target: int) -> Matched:
    """The codec at the operating point whose bitstream of an image is nearest to ``target`` bytes, by ratio.

    Raises:
        UsageError: no bitstream of this image is cached.
    """
    cells = [cell for cell in plan.cells if cell.curve == label]
    sizes = [(r.size_bytes, n) for n, cell in enumerate(cells) for r in _records(plan, cell, store, [place])]
    if not sizes:
        raise UsageError(_why_uncoded(plan, place, cells))
    _, number = min(sizes, key=lambda size: (abs(math.log(max(size[0], 1) / max(target, 1))), size[1]))
    codec = cells[number].codec
    return Matched(codec, _cached_encode(store, plan.images[place].pixels)(codec, image), of_run=True)


def _why_uncoded(plan: Plan, place: int, cells: Sequence[Cell]) -> str:
    failures = [plan.failures[c.streams[place]] for c in cells if c.streams[place] in plan.failures]
    return failures[0] if failures else "no bitstream of it was coded (--overwrite never)"


def _bpp(plan: Plan, cell: Cell, store: Store) -> float | None:
    records = _records(plan, cell, store, range(len(plan.images)))
    pixels = sum(record.image_hw[0] * record.image_hw[1] for record in records)
    return 8 * sum(record.size_bytes for record in records) / pixels if records else None


def _records(plan: Plan, cell: Cell, store: Store, places: Iterable[int]) -> list[StreamRecord]:
    """The cached records of a cell for the images at these places of the plan; images of equal pixels share one."""
    wanted = list(places)
    cached = store.streams({cell.streams[place]: plan.images[place] for place in wanted})
    return [
        replace(cached[key], image_id=plan.images[place].image_id)
        for place in wanted
        if (key := cell.streams[place]) in cached
    ]


def matched(plan: Plan, store: Store, place: int, label: str, image: Image, target: int) -> Matched:
    """The codec at the setting where its bitstream of an image has about ``target`` bytes.

    The search starts at the run's two points around the target; where there is only one, where the codec's rate axis is
    not a number or where nothing may be coded, the nearest point above the target is taken, else the one below.

    Raises:
        UsageError: no bitstream of this image is cached.
    """
    pixels = plan.images[place].pixels
    cells = [cell for cell in plan.cells if cell.curve == label]
    sizes = [(r.size_bytes, n) for n, cell in enumerate(cells) for r in _records(plan, cell, store, [place])]
    if not sizes:
        raise UsageError(_why_uncoded(plan, place, cells))
    below, above = [size for size in sizes if size[0] < target], [size for size in sizes if size[0] >= target]
    ends: list[Any] = [cells[max(below)[1]].codec] if below else []
    ends += [cells[min(above)[1]].codec] if above else []
    encode = _cached_encode(store, pixels)
    field = ends[0].rate_field
    values = [getattr(end, field) for end in ends] if field else []
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if len(values) == 2 and numeric and plan.config.overwrite != "never":
        codec, data = match_bytes(ends[0], image, target, (values[0], values[1]), encode)
        return Matched(codec, data, of_run=False)
    return Matched(ends[-1], encode(ends[-1], image), of_run=True)


def _cached_encode(store: Store, pixels: Pixels) -> Callable[[Codec, Image], bytes]:
    """A way to encode the image of these pixels that looks into the cache first."""

    def encode(codec: Codec, image: Image) -> bytes:
        key = stream_key(pixels.sha256, identity(codec))
        cached = store.data([key]).get(key)
        return checked_stream(codec.encode(image)) if cached is None else cached

    return encode
