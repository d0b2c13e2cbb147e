"""The command line that repeats a run made from Python, for ``run.json``."""

from __future__ import annotations

from typing import Any

from benchmarks.api import CODECS, DATASETS, METRICS
from benchmarks.harness.config import Config
from benchmarks.harness.keys import registered_name
from benchmarks.harness.operating_points import Curve
from benchmarks.stats.bootstrap import RESAMPLES
from downstream.api import routes_of
from hsc.registry import Spec


def equivalent_arguments(config: Config, *, device: str = "cpu", keep_streams: int = 0) -> list[str]:
    """The arguments of ``hsc-bench run`` for this run.

    Plug-ins are named by their specs, so a class of a notebook, which no command line knows, stands there by its name.
    """
    arguments = ["--task", registered_name(config.task), "--dataset", str(DATASETS.spec(config.dataset))]
    for curve in config.curves:
        if not curve.second_of and curve.label != "original":
            arguments += ["--codec", curve.label if config.match_bpp else _codec_spec(curve)]
    for label in dict.fromkeys(reader.label for reader in config.readers):
        arguments += ["--head", label]
    routes = {reader.route for reader in config.readers}
    if any(set(routes_of(reader.head)) - routes for reader in config.readers):
        arguments += ["--route", *routes]
    for metric in config.metrics:
        arguments += ["--metric", str(METRICS.spec(metric))]
    for anchor in config.anchors:
        arguments += ["--anchor", anchor]
    numbers = {"--limit": config.limit, "--seed": config.seed, "--keep-streams": keep_streams}
    arguments += [text for name, number in numbers.items() if number for text in (name, str(number))]
    if config.resamples != RESAMPLES:
        arguments += ["--resamples", str(config.resamples)]
    if config.repeats != 1:
        arguments += ["--repeats", str(config.repeats)]
    if config.match_bpp:
        arguments += ["--match-bpp", *(f"{rate:g}" for rate in config.match_bpp)]
    elif config.anchors and not any(curve.second_of for curve in config.curves):
        arguments += ["--no-noise-floor"]
    return arguments if device == "cpu" else [*arguments, "--device", device]


def _codec_spec(curve: Curve) -> str:
    """A curve's label, with its operating points where they are not the codec's own ladder."""
    codec: Any = curve.points[0].codec
    field = codec.rate_field
    values = [getattr(point.codec, field) for point in curve.points] if field else []
    if tuple(values) == tuple(codec.ladder):
        return curve.label
    spec = CODECS.spec(codec)
    return str(Spec(spec.name, {**spec.arguments, field: values if len(values) > 1 else values[0]}))
