"""From what the user wrote to the curves that will be drawn: a codec's configurations and their operating points."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.api import CODECS
from benchmarks.stats.bjontegaard import LEAST_POINTS
from benchmarks.stats.noise_floor import second_label
from hsc.api import Codec
from hsc.errors import SpecError
from hsc.registry import Spec, expand, format_value, parse_spec


@dataclass(frozen=True)
class Curve:
    """One codec configuration over its rate axis.

    label: how tables name it; points: text and codec, in ladder order; null_of: the curve of which this is a second
    ladder, if it is one.
    """

    label: str
    points: tuple[tuple[str, Codec], ...]
    null_of: str = ""


def curve_label(codec: Codec) -> str:
    """The codec's name and every setting that is not at its default, its place on the rate axis aside."""
    spec = CODECS.spec(codec)
    arguments = {k: v for k, v in spec.arguments.items() if k != codec.rate_field}
    return str(Spec(spec.name, arguments))


def point_label(codec: Codec) -> str:
    """Where on its rate axis a codec stands, as ``quality=10``; empty for a codec of one point."""
    field = codec.rate_field
    return f"{field}={format_value(getattr(codec, field))}" if field else ""


def curves(specs: Sequence[str | Codec]) -> list[Curve]:
    """Curves for specs and ready codecs, in the order given.

    A list over the rate field gives the points of a curve, a list over another field gives a curve for each item; a
    spec that does not name its rate field gets the codec's own ladder. What has the same label joins the same curve.

    Raises:
        UnknownNameError, SpecError: a spec does not fit a codec, or a sweep is empty.
    """
    found: dict[str, dict[str, Codec]] = {}
    for spec in specs:
        codecs = _points(parse_spec(spec)) if isinstance(spec, str) else [spec]
        if not codecs:
            raise SpecError(f"{spec} sweeps over an empty list; name at least one value")
        for codec in codecs:
            found.setdefault(curve_label(codec), {}).setdefault(point_label(codec), codec)
    return [Curve(label, tuple(points.items())) for label, points in found.items()]


def _points(spec: Spec) -> list[Codec]:
    cls: Any = CODECS.get(spec.name)
    arguments = dict(spec.arguments)
    if cls.rate_field and cls.rate_field not in arguments:
        arguments[cls.rate_field] = list(cls.ladder)
    return [CODECS.build(s) for s in expand(Spec(spec.name, arguments))]


def ladder(curve: Curve) -> Curve | None:
    """The second ladder, interleaved with the first; None where there are no four points between those of the first.

    >>> from benchmarks.harness.operating_points import curves
    >>> [point for point, _ in ladder(curves(["jpeg"])[0]).points]
    ['quality=7', 'quality=15', 'quality=27', 'quality=42', 'quality=62']
    """
    codecs: list[Any] = [codec for _, codec in curve.points]
    field = codecs[0].rate_field
    values = sorted({getattr(codec, field) for codec in codecs}) if field else []
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        return None
    whole = all(isinstance(v, int) for v in values)
    middles = [(low + high) // 2 if whole else (low + high) / 2 for low, high in itertools.pairwise(values)]
    between = [dataclasses.replace(codecs[0], **{field: middle}) for middle in middles if middle not in values]
    if len(between) < LEAST_POINTS:
        return None
    return Curve(
        second_label(curve.label), tuple((point_label(codec), codec) for codec in between), null_of=curve.label
    )
