"""The command line that repeats a run made from Python, for ``run.json`` and ``run.toml``.

Config --equivalent_settings--> settings --+--arguments_of--> the command line in run.json
                                           +--run_text-------> run.toml, or one sentence on why there is none
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.api import CODECS, DATASETS, METRICS, RATES, TASKS
from benchmarks.harness.config import Config
from benchmarks.harness.given_names import FIELD
from benchmarks.harness.keys import registered_name
from benchmarks.harness.operating_points import Curve
from benchmarks.runs.run_toml import Settings, without_settings, written
from benchmarks.stats.bootstrap import RESAMPLES
from downstream.api import HEADS, routes_of
from hsc.registry import Registry, Spec, parse_spec


def equivalent_settings(config: Config) -> dict[str, Any]:
    """The settings of ``hsc-bench run`` for this run, by the long names of their options; defaults are left out.

    Plug-ins are named by their specs, so a class of a notebook, which no command line knows, stands there by its name.
    """
    names = dict(config.names)
    curves = [curve for curve in config.curves if not curve.second_of and curve.label != "original"]
    files = {getattr(point.codec, "codec_file", "") for curve in curves for point in curve.points}
    settings: dict[str, Any] = {
        "task": registered_name(config.task),
        "dataset": str(DATASETS.spec(config.dataset)),
        "codec": [
            _named(curve.label if config.match_bpp else _codec_spec(curve), curve.label, names) for curve in curves
        ],
        "codec-file": sorted(files - {""}),
        "head": [_named(label, label, names) for label in dict.fromkeys(reader.label for reader in config.readers)],
        "metric": [str(METRICS.spec(metric)) for metric in config.metrics],
        "rate": [str(RATES.spec(definition)) for definition in config.rates],
        "anchor": list(config.anchors),
        "limit": config.limit,
        "seed": config.seed,
        "match-bpp": list(config.match_bpp),
    }
    routes = {reader.route for reader in config.readers}
    if any(set(routes_of(reader.head)) - routes for reader in config.readers):
        settings["route"] = next(iter(routes))
    if config.resamples != RESAMPLES:
        settings["resamples"] = config.resamples
    if config.repeats != 1:
        settings["repeats"] = config.repeats
    if config.overwrite != "missing":
        settings["overwrite"] = config.overwrite
    if config.anchors and not config.match_bpp and not any(curve.second_of for curve in config.curves):
        settings["no-noise-floor"] = True
    return {name: value for name, value in settings.items() if value not in ([], 0) or name == "resamples"}


def arguments_of(settings: Settings) -> list[str]:
    """The arguments of ``hsc-bench run`` for such settings."""
    arguments: list[str] = []
    for name, value in settings.items():
        if value is True:
            arguments += [f"--{name}"]
        elif name == "match-bpp":
            arguments += [f"--{name}", *map(str, value)]
        else:
            arguments += [
                text for item in (value if isinstance(value, list) else [value]) for text in (f"--{name}", str(item))
            ]
    return arguments


def run_text(config: Config, settings: Settings) -> str:
    """The text of ``run.toml`` for a run with these settings, or the sentence on why it has none."""
    unnamed = "; ".join(_unnamed(config))
    if unnamed:
        return without_settings(f"it was made in Python, and no option names {unnamed}; call it from Python again")
    return written(settings, registered_name(config.task))


def _unnamed(config: Config) -> Iterator[str]:
    """What a run has that the options of a command line cannot say, a phrase each."""
    plugins: list[tuple[Registry[Any], Any]] = [(TASKS, config.task), (DATASETS, config.dataset)]
    plugins += [(CODECS, point.codec) for curve in config.curves for point in curve.points]
    plugins += [(HEADS, reader.head) for reader in config.readers]
    plugins += [(METRICS, metric) for metric in config.metrics]
    plugins += [(RATES, definition) for definition in config.rates]
    yield from dict.fromkeys(
        f"the {registry.noun} {registry.spec(item)} of {type(item).__module__}"
        for registry, item in plugins
        if not registry.rebuilds(item)
    )
    present = {parse_spec(curve.label).name for curve in config.curves if not curve.second_of}
    if not config.anchors and present & set(config.task.anchors):
        yield "a table without an anchor"


def _named(spec: str, label: str, names: Mapping[str, str]) -> str:
    """A spec with the name that its label was given, if any."""
    if label not in names:
        return spec
    bare = parse_spec(spec)
    return str(Spec(bare.name, {**bare.arguments, FIELD: names[label]}))


def _codec_spec(curve: Curve) -> str:
    """A curve's label, with its operating points where they are not the codec's own ladder."""
    codec: Any = curve.points[0].codec
    field = codec.rate_field
    values = [getattr(point.codec, field) for point in curve.points] if field else []
    if tuple(values) == tuple(codec.ladder):
        return curve.label
    spec = CODECS.spec(codec)
    return str(Spec(spec.name, {**spec.arguments, field: values if len(values) > 1 else values[0]}))
