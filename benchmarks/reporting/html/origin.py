"""Where the page's numbers come from, by ``run.json``: settings, machine, versions and hashes, codecs and heads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from benchmarks.reporting.html.markup import Markup, element, joined
from benchmarks.stats.noise_floor import second_label

_HASH = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{32,128}(?![0-9a-zA-Z])")
_SHOWN_OF_HASH = 10
_SETTINGS = ("anchors", "seed", "repeats", "resamples", "match_bpp", "pseudo_label_score")


def provenance(about: Mapping[str, Any]) -> Markup:
    """The command that made the run, and all else folded away. about: ``run.json``."""
    environment, dataset, times = about["environment"], about["dataset"], about.get("times") or {}
    known = {name: value for name, value in times.items() if value not in ("", 0)}  # of a cluster, not all is
    settings = {name: about[name] for name in _SETTINGS if name in about}
    settings["task"] = f"{about['task']['name']}, version {about['task'].get('version', '?')}"
    data = {
        **{name: value for name, value in dataset.items() if not isinstance(value, dict | list)},
        **dataset.get("config", {}),
        **dataset.get("provenance", {}),
    }
    machine = {name: value for name, value in environment.items() if name not in ("packages", "machine")}
    machine |= environment.get("machine", {})
    codecs, heads = _codecs(about["cells"]), _heads(about["cells"])
    parts = [
        element("p", "Made by (paths are shortened to file names here; run.json has them whole)"),
        element("pre", element("code", about.get("arguments", {}).get("command", "unknown")), tabindex="0"),
        *([_folded("Conditions of the times", _pairs(known))] if known else []),
        _folded("Settings", _pairs(settings)),
        _folded("Data set", _pairs(data)),
        _folded("Machine", _pairs(machine)),
        _folded("Packages", _pairs(environment.get("packages", {}))),
        _folded("Codecs: versions and settings", *_titled(codecs)),
        _folded("Heads: weights and settings", *_titled(heads)),
    ]
    return joined(parts)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _pairs(values: Mapping[str, Any]) -> Markup:
    """Names and values as a description list; hashes are shortened, and unfold."""
    pairs = (joined([element("dt", name), element("dd", _value(value))]) for name, value in values.items())
    return element("dl", *pairs)


def _value(value: Any) -> Any:
    """A value with each hash in it folded to its first characters."""
    text = _plain(value)
    parts, end = [], 0
    for match in _HASH.finditer(text):
        short = element("summary", f"{match[0][:_SHOWN_OF_HASH]}…", title="the whole hash")
        parts += [text[end : match.start()], element("details", short, element("code", match[0]), class_="hash")]
        end = match.end()
    return joined([*parts, text[end:]])


def _titled(described: Mapping[str, Mapping[str, Any]]) -> list[Markup]:
    return [joined([element("h4", name), _pairs(values)]) for name, values in described.items()]


def _folded(title: str, *content: Any) -> Markup:
    return element("details", element("summary", title), *content)


def _codecs(cells: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings and provenance of each curve's codec; a value that differs between its points "varies"."""
    codecs: dict[str, dict[str, Any]] = {}
    for cell in cells.values():
        label = second_label(cell["curve"]) if cell.get("ladder") else cell["curve"]
        values = {**cell["codec"]["config"], **cell["codec"]["provenance"]}
        known = codecs.setdefault(label, values)
        codecs[label] = {name: value if values.get(name) == value else "varies" for name, value in known.items()}
    return codecs


def _heads(cells: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings, provenance and regime of each head, numbered where heads of one name have other settings."""
    heads: dict[str, tuple[str, dict[str, Any]]] = {}
    for cell in cells.values():
        if head := cell.get("head"):
            values = {**head["config"], **head["provenance"], "regime": cell["regime"]}
            heads.setdefault(f"{head['name']} {json.dumps(head['config'])}", (head["name"], values))
    names = [name for name, _ in heads.values()]
    return {
        f"{name} ({n})" if names.count(name) > 1 else name: values for n, (name, values) in enumerate(heads.values(), 1)
    }


def cells_data(about: Mapping[str, Any]) -> dict[str, Any]:
    """Every cell with its codec and head by number, each of those once: what a click on a cell shows."""
    numbers: dict[str, int] = {}
    described: list[Any] = []

    def number_of(plugin: Any) -> int:
        text = json.dumps(plugin, sort_keys=True)
        if text not in numbers:
            numbers[text] = len(described)
            described.append(plugin)
        return numbers[text]

    cells = {}
    for cell_id, cell in about["cells"].items():
        if cell.get("head"):
            rest = {name: value for name, value in cell.items() if name not in ("codec", "head")}
            cells[cell_id] = [number_of(cell["codec"]), number_of(cell["head"]), rest]
    return {"plugins": described, "cells": cells}
