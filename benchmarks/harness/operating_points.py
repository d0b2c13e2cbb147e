"""Operating points and the curves through them, made from the codec specs of a user."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.api import CODECS
from benchmarks.stats.bjontegaard import MIN_POINTS
from benchmarks.stats.noise_floor import second_label
from hsc.api import Codec
from hsc.errors import SpecError
from hsc.registry import Spec, expand, format_value, parse_spec


class OperatingPoint(NamedTuple):
    """One setting of a codec. label: its value on the rate axis as ``quality=10``, empty for a codec of one point."""

    label: str
    codec: Codec


@dataclass(frozen=True)
class Curve:
    """One codec configuration over its rate axis.

    label: how tables name it. points: in ladder order. second_of: the label of the curve that this is a second ladder
    of, empty for a curve of its own.
    """

    label: str
    points: tuple[OperatingPoint, ...]
    second_of: str = ""


def curve_label(codec: Codec) -> str:
    """The codec's name and every setting that is not at its default, except the one of its rate axis."""
    spec = CODECS.spec(codec)
    arguments = {k: v for k, v in spec.arguments.items() if k != codec.rate_field}
    return str(Spec(spec.name, arguments))


def point_label(codec: Codec) -> str:
    """The codec's value on its rate axis, as ``quality=10``; empty for a codec of one point."""
    field = codec.rate_field
    return f"{field}={format_value(getattr(codec, field))}" if field else ""


def point_of(codec: Codec) -> OperatingPoint:
    """The operating point that a codec is at, with its label."""
    return OperatingPoint(point_label(codec), codec)


def curves(specs: Sequence[str | Codec]) -> list[Curve]:
    """Curves for specs and ready codecs, in the order given.

    A list over the rate field gives the points of a curve, a list over another field gives a curve for each item. A
    spec that does not name its rate field gets the ladder of the codec with its settings. Points of equal curve labels
    join one curve.

    Raises:
        UnknownNameError, SpecError: a spec does not fit a codec, or a sweep is empty.
    """
    points: dict[str, dict[str, OperatingPoint]] = {}
    for spec in specs:
        codecs = _points(parse_spec(spec)) if isinstance(spec, str) else [spec]
        if not codecs:
            raise SpecError(f"{spec} sweeps over an empty list; name at least one value")
        for codec in codecs:
            point = point_of(codec)
            points.setdefault(curve_label(codec), {}).setdefault(point.label, point)
    return [Curve(label, tuple(by_label.values())) for label, by_label in points.items()]


def _points(spec: Spec) -> list[Codec]:
    cls: Any = CODECS.get(spec.name)
    if not cls.rate_field or cls.rate_field in spec.arguments:
        return [CODECS.build(s) for s in expand(spec)]
    return [codec for s in expand(spec) for codec in _along_ladder(s, cls.rate_field, cls.ladder[0])]


def _along_ladder(spec: Spec, field: str, value: Any) -> list[Codec]:
    """The codecs along the ladder of a spec without its rate field; other settings may decide the ladder.

    field, value: the class's rate field and a value of it, with which the spec can be built.
    """
    first = CODECS.build(Spec(spec.name, {**spec.arguments, field: value}))
    if not first.rate_field:  # these settings leave one operating point
        return [CODECS.build(spec)]
    return [CODECS.build(Spec(spec.name, {**spec.arguments, field: step})) for step in first.ladder]


def ladder(curve: Curve) -> Curve | None:
    """The second ladder, between the points of the first; None where fewer than four points lie between them.

    >>> from benchmarks.harness.operating_points import curves
    >>> [point.label for point in ladder(curves(["jpeg"])[0]).points]
    ['quality=7', 'quality=15', 'quality=27', 'quality=42', 'quality=62']
    """
    codecs: list[Any] = [point.codec for point in curve.points]
    field = codecs[0].rate_field
    values = sorted({getattr(codec, field) for codec in codecs}) if field else []
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        return None
    whole = all(isinstance(v, int) for v in values)
    middles = [(low + high) // 2 if whole else (low + high) / 2 for low, high in itertools.pairwise(values)]
    between = [dataclasses.replace(codecs[0], **{field: middle}) for middle in middles if middle not in values]
    if len(between) < MIN_POINTS:
        return None
    return Curve(second_label(curve.label), tuple(map(point_of, between)), second_of=curve.label)
