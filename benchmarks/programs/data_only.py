"""What of a stranger's run may be built: plug-ins that say of themselves that with such settings they are data only.

A run's folder is data. Its codecs, heads and data set are named in it with their settings, and some settings name
programs, models that are unpickled, configs that are Python, or files to be fetched. So before anything is built of
them, the class is asked (``hsc.api.DataOnly``);
one that does not say so of itself is not built, whoever made it.
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
    """Why a plug-in is not built with a stranger's settings, as one sentence; None where it may be.

    Raises:
        UnknownNameError: there is none of that name.
    """
    cls = registry.get(name)
    if "data_only" not in vars(cls):
        return (
            f"the {registry.noun} {name} does not say that it is data only, so it is not built from a folder's "
            f"settings; {CURE}"
        )
    said: Any = cls
    reason = said.data_only({**_defaults(cls), **settings})
    return (
        f"the {registry.noun} {name} is not built from a folder's settings: {one_line(reason, 300)}; {CURE}"
        if reason
        else None
    )


def why_not_spec(registry: Registry[Any], text: Any) -> str | None:
    """The same of a plug-in that is named as a spec within another's settings."""
    if not isinstance(text, str):
        return f"a {registry.noun} came as {type(text).__name__}, expected a spec as text"
    try:
        spec = parse_spec(text)
        return why_not_built(registry, spec.name, spec.arguments)
    except (HscError, RecursionError) as error:
        return f"{one_line(text, 100)}: {one_line(error, 200)}"


def _defaults(cls: type) -> dict[str, Any]:
    """A class's settings where nobody says otherwise."""
    fields = [f for f in dataclasses.fields(cls) if f.init]
    return {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
