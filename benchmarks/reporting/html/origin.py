"""Where the page's numbers come from, from ``run.json``: settings, machine, versions and hashes, and each cell's codec
and head.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.reporting.html.markup import Markup, element, joined
from benchmarks.reporting.html.run_files import RunFiles


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _pairs(found: Mapping[str, Any]) -> Markup:
    return element(
        "dl", *(joined([element("dt", name), element("dd", _plain(value))]) for name, value in found.items())
    )


def _folded(title: str, *content: Any) -> Markup:
    return element("details", element("summary", title), *content)


def provenance(run: RunFiles) -> Markup:
    """Everything folded away, the command aside."""
    about, environment = run.about, run.about["environment"]
    data = {k: v for k, v in about["dataset"].items() if k != "images"}
    flat = {
        **{k: v for k, v in data.items() if not isinstance(v, dict)},
        **data.get("config", {}),
        **data.get("provenance", {}),
    }
    settings = {
        k: about[k]
        for k in ("anchors", "seed", "repeats", "resamples", "match_bpp", "pseudo_label_score")
        if k in about
    }
    settings |= {"task": f"{about['task']['name']}, version {about['task'].get('version', '?')}"}
    machine = {k: v for k, v in environment.items() if k not in ("packages", "machine")} | dict(
        environment.get("machine", {})
    )
    codecs, heads = _kinds(about["cells"])
    parts = [
        element("p", "Made by"),
        element("pre", element("code", about.get("arguments", {}).get("command", "unknown")), tabindex="0"),
    ]
    parts += [_folded("Conditions of the times", _pairs(about["times"]))] if about.get("times") else []
    parts += [_folded("Settings", _pairs(settings)), _folded("Data set", _pairs(flat))]
    parts += [_folded("Machine", _pairs(machine)), _folded("Packages", _pairs(environment.get("packages", {})))]
    parts += [
        _folded(
            "Codecs: versions and settings",
            *(joined([element("h4", name), _pairs(found)]) for name, found in codecs.items()),
        )
    ]
    parts += [
        _folded(
            "Heads: weights and settings",
            *(joined([element("h4", name), _pairs(found)]) for name, found in heads.items()),
        )
    ]
    return joined(parts)


def _kinds(cells: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Codecs by curve and heads by what they are; what differs from point to point of a curve is left to the cells."""
    codecs: dict[str, Any] = {}
    heads: dict[str, Any] = {}
    for cell in cells.values():
        flat = {**cell["codec"]["config"], **cell["codec"]["provenance"]}
        known = codecs.setdefault(cell["curve"], flat)
        codecs[cell["curve"]] = {k: v if flat.get(k) == v else "varies" for k, v in known.items()}
        if cell.get("head"):
            head = cell["head"]
            said = {**head["config"], **head["provenance"], "regime": cell["regime"]}
            heads.setdefault(f"{head['name']} {json.dumps(head['config'])}", (head["name"], said))
    named = {
        f"{name} ({n})" if sum(name == other for other, _ in heads.values()) > 1 else name: said
        for n, (name, said) in enumerate(heads.values(), 1)
    }
    return codecs, named


def cells_data(about: Mapping[str, Any]) -> dict[str, Any]:
    """Every cell with its codec and head by number, each of those once: what a click on a cell shows."""
    seen: dict[str, int] = {}
    things: list[Any] = []

    def place(thing: Any) -> int:
        text = json.dumps(thing, sort_keys=True)
        if text not in seen:
            seen[text] = len(things)
            things.append(thing)
        return seen[text]

    cells = {}
    for name, cell in about["cells"].items():
        if cell.get("head"):
            rest = {k: v for k, v in cell.items() if k not in ("codec", "head")}
            cells[name] = [place(cell["codec"]), place(cell["head"]), rest]
    return {"things": things, "cells": cells}
