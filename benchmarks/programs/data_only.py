"""Which plug-ins may be built from an untrusted run's settings: those that declare such settings to be data only.

A run's folder is data. It names its codecs, heads and data set with their settings, and some settings name programs,
models that are unpickled, configs that are Python, or files to be downloaded. So before a plug-in is built from them,
its class is asked (``hsc.api.DataOnly``). A class that does not implement this itself is not built, no matter who made
it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmarks.text import one_line
from hsc.errors import HscError
from hsc.registry import Registry, parse_spec

CURE = "give --trust if you trust whoever made the folder"


def why_not_built(registry: Registry[Any], name: str, settings: Mapping[str, Any]) -> str | None:
    """Why a plug-in is not built with untrusted settings, as one sentence; None if it may be built.

    Raises:
        UnknownNameError: no plug-in has that name.
    """
    cls = registry.get(name)
    if "data_only" not in vars(cls):
        return (
            f"the {registry.noun} {name} does not say that it is data only, "
            f"so it is not built from a folder's settings; {CURE}"
        )
    plugin: Any = cls
    reason = plugin.data_only({**_defaults(cls), **settings})
    if not reason:
        return None
    return f"the {registry.noun} {name} is not built from a folder's settings: {one_line(reason, 300)}; {CURE}"


def why_not_spec(registry: Registry[Any], text: Any) -> str | None:
    """The same for a plug-in that another plug-in's settings name by its spec."""
    if not isinstance(text, str):
        return f"a {registry.noun} came as {type(text).__name__}, expected a spec as text"
    try:
        spec = parse_spec(text)
        return why_not_built(registry, spec.name, spec.arguments)
    except (HscError, RecursionError) as error:
        return f"{one_line(text, 100)}: {one_line(error, 200)}"


def _defaults(cls: type) -> dict[str, Any]:
    """The defaults of a class's settings."""
    fields = [f for f in dataclasses.fields(cls) if f.init]
    return {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
