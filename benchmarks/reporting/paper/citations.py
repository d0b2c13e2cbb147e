"""What a paper cites: data sets, codecs, heads, metrics, methods and this suite, and their bibliography.

run.json --names of plug-ins--> citations.toml, or the plug-in's own ``citation`` --> \\cite{key}, references.bib
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.api import CODECS, DATASETS, METRICS, Cited
from benchmarks.reporting.paper.latex import escape
from downstream.api import HEADS
from hsc.errors import HscError
from hsc.registry import Registry, parse_spec

SUITE = "hscbench"
"""The key of this suite's own entry."""
FILE = "references.bib"

_REGISTRIES: Mapping[str, Registry[Any]] = {
    "codecs": CODECS,
    "datasets": DATASETS,
    "metrics": METRICS,
    "heads": HEADS,
}
_NOUNS = {"codecs": "codec", "datasets": "data set", "metrics": "metric", "heads": "head"}
_WRAPPED = "of"
"""The setting of a plug-in that wraps another one of its kind, as ``cut(of=...)``."""
_ENTRY = re.compile(r"\s*@\w+\s*\{\s*([^\s,{}]+)\s*,.*\}\s*", re.DOTALL)


@dataclass
class Bibliography:
    """The entries that a document cites, collected while it is written. suite: details of this suite's own entry.

    entries: BibTeX by key. unknown, unusable: plug-ins without a citation, and with one that is no BibTeX.
    """

    suite: str = ""
    entries: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)

    def cite(self, *keys: str) -> str:
        """A citation of entries of ``citations.toml``, as LaTeX with its space; empty without keys."""
        for key in keys:
            self.entries[key] = _bibtex(key, dict(_known()["entries"][key]), self.suite if key == SUITE else "")
        return _cite(keys)

    def cite_plugin(self, kind: str, name: str, config: Mapping[str, Any] | None = None) -> str:
        """The citation of a plug-in, as ``cite`` gives it. kind: "codecs", "datasets", "metrics" or "heads"."""
        keys = list(_keys(kind, name, config or {}))
        if not keys and name not in _known()[kind]:
            entry = _own(kind, name)
            key = _ENTRY.fullmatch(entry)
            if key and entry.isascii() and _balanced(entry):
                self.entries[key[1]] = entry.strip() + "\n"
                return _cite([key[1]])
            named, plugins = f"the {_NOUNS[kind]} {name}", self.unusable if entry else self.unknown
            if named not in plugins:
                plugins.append(named)
        return self.cite(*dict.fromkeys(keys))

    def remarks(self) -> list[str]:
        """For the user: what is not cited, and the cure."""
        cures = (
            (self.unknown, "no citation is known for", "cite by hand, or give the class a `citation`"),
            (self.unusable, "no BibTeX entry in ASCII is the citation of", "mend `citation` of the class"),
        )
        return [f"{trouble} {', '.join(plugins)}; {cure}" for plugins, trouble, cure in cures if plugins]

    def text(self) -> str:
        """The file, by key."""
        return "\n".join(self.entries[key] for key in sorted(self.entries))


def _keys(kind: str, name: str, config: Mapping[str, Any]) -> Iterator[str]:
    """The keys for a plug-in of this project, for the networks that its settings name, and for what it wraps."""
    known = _known()
    yield from known[kind].get(name, ())
    values = [value for value in config.values() if isinstance(value, str)]
    if kind == "heads":
        yield from (key for start, key in known["networks"].items() if any(v.startswith(start) for v in values))
    if isinstance(wrapped := config.get(_WRAPPED), str):
        try:
            yield from known[kind].get(parse_spec(wrapped).name, ())
        except HscError:  # what an old run wrapped may be written in another way
            return


def _own(kind: str, name: str) -> str:
    """The citation that a plug-in from elsewhere brings; empty where it has none, or is not installed here."""
    try:
        plugin = _REGISTRIES[kind].get(name)
    except HscError:
        return ""
    return str(plugin.citation) if isinstance(plugin, Cited) else ""


def _cite(keys: Sequence[str]) -> str:
    return rf"~\cite{{{','.join(keys)}}}" if keys else ""


@functools.cache
def _known() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "citations.toml").read_text(encoding="utf-8"))


def _bibtex(key: str, fields: dict[str, str], note: str) -> str:
    kind = fields.pop("type")
    fields |= {"note": escape(note)} if note else {}
    lines = (f"  {name} = {{{value}}}," for name, value in fields.items())
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])


def _balanced(entry: str) -> bool:
    """Whether every brace closes, and the last one closes the entry."""
    depth = 0
    for n, letter in enumerate(entry.strip()):
        depth += (letter == "{") - (letter == "}")
        if depth < 0 or (depth == 0 and letter == "}" and n < len(entry.strip()) - 1):
            return False
    return depth == 0
